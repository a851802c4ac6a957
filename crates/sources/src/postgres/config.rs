//! `postgres://user@host:port/database?sslmode=require`, and how it is handed to PostgreSQL's tools.

use std::ffi::OsString;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::Origin;
use crate::error::Error;

/// Connection parameters that an address may carry after its `?` (libpq's names). `host` is for socket folders.
const PARAMETERS: [&str; 8] = [
    "host",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "channel_binding",
    "target_session_attrs",
    "connect_timeout",
];

/// What lets a role read everything, and nothing more.
pub(super) const GRANT: &str = "Run as a superuser: GRANT pg_read_all_data TO <role> (PostgreSQL 14 or later)";

const DEFAULT_PORT: u16 = 5432;

/// How long the tools wait for a connection, in seconds, unless `PGCONNECT_TIMEOUT` or the address says otherwise.
const CONNECT_TIMEOUT: &str = "15";

/// A PostgreSQL server and how to log in to it.
#[derive(Debug, Clone)]
pub(crate) struct Postgres {
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    pub(super) database: Option<String>,
    parameters: Vec<(String, String)>,
    password: Option<SecretString>,
}

impl Postgres {
    /// Reads an address. A password in it is refused where others could have read it.
    pub(crate) fn parse(address: &str, origin: Origin, password: Option<SecretString>) -> Result<Self, Error> {
        let url = Url::parse(address).map_err(|error| {
            Error::Usage(format!(
                "the PostgreSQL address cannot be read ({error}): write postgres://user@host:port/database"
            ))
        })?;
        let inner = url.password().map(|password| decode(password, "password")).transpose()?.map(SecretString::from);
        if inner.is_some() && origin == Origin::Argument {
            return Err(Error::Usage(
                "a password in an argument can be read by every user of this machine: put it into PGPASSWORD, ~/.pgpass or a \
                 file named by --password-file, or the whole source into DBACKUP_SOURCE"
                    .to_owned(),
            ));
        }
        if url.fragment().is_some() {
            return Err(Error::Usage("write # in a name as %23".to_owned()));
        }
        let parameters = url.query_pairs().into_owned().map(known_parameter).collect::<Result<Vec<_>, _>>()?;
        let database = decode(url.path().trim_start_matches('/'), "database")?;
        Ok(Self {
            host: url.host_str().filter(|host| !host.is_empty()).map(decode_host).transpose()?,
            port: url.port(),
            user: Some(decode(url.username(), "user")?).filter(|user| !user.is_empty()),
            database: Some(database).filter(|database| !database.is_empty()),
            parameters,
            password: inner.or(password),
        })
    }

    /// The one database that a restore goes into.
    pub(super) fn named_database(&self) -> Result<String, Error> {
        self.database.clone().ok_or_else(|| {
            Error::Usage("name the database to restore into: postgres://user@host:port/database".to_owned())
        })
    }

    /// Name or address of the server, and its port; none for a socket.
    pub(super) fn server(&self) -> Option<(String, u16)> {
        let given = self.parameters.iter().find(|(name, _)| name == "host").map(|(_, host)| host.clone());
        let host = self.host.clone().or(given).filter(|host| !host.starts_with('/'))?;
        Some((host, self.port.unwrap_or(DEFAULT_PORT)))
    }

    /// How much encryption is wanted, as libpq understands it.
    pub(super) fn ssl_mode(&self) -> String {
        let given = self.parameters.iter().find(|(name, _)| name == "sslmode").map(|(_, mode)| mode.clone());
        given.or_else(|| std::env::var("PGSSLMODE").ok()).unwrap_or_else(|| "prefer".to_owned())
    }

    /// What a person calls it, without password and parameters.
    pub(super) fn address(&self) -> String {
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let host = self.host.clone().unwrap_or_default();
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let database = self.database.clone().unwrap_or_default();
        format!("postgres://{user}{host}{port}/{database}")
    }

    /// libpq's connection string for one database. Quoted, so that a database may be called anything. No password.
    pub(super) fn conninfo(&self, database: &str) -> String {
        let port = self.port.map(|port| port.to_string());
        let own = [("host", self.host.as_deref()), ("port", port.as_deref()), ("user", self.user.as_deref())];
        let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let given = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        own.chain(given)
            .chain([("dbname", database)])
            .map(|(name, value)| format!("{name}='{}'", value.replace('\\', "\\\\").replace('\'', "\\'")))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The variables that the tools get: libpq's own as they are set here, and the password if it was given to us.
    pub(super) fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut variables: Vec<(OsString, OsString)> = std::env::vars_os()
            .filter(|(name, _)| name.to_string_lossy().starts_with("PG") && name != "PGDATABASE")
            .collect();
        if std::env::var_os("PGCONNECT_TIMEOUT").is_none() {
            variables.push(("PGCONNECT_TIMEOUT".into(), CONNECT_TIMEOUT.into()));
        }
        // A dump is in its database's own encoding, whatever anybody prefers.
        variables.retain(|(name, _)| name != "PGCLIENTENCODING");
        // Messages in English, so that their cures are found.
        variables.push(("LC_ALL".into(), "C.UTF-8".into()));
        if let Some(password) = &self.password {
            variables.retain(|(name, _)| name != "PGPASSWORD");
            variables.push(("PGPASSWORD".into(), password.expose_secret().into()));
        }
        variables
    }
}

fn known_parameter((name, value): (String, String)) -> Result<(String, String), Error> {
    if PARAMETERS.contains(&name.as_str()) {
        return Ok((name, value));
    }
    if name == "password" {
        return Err(Error::Usage(
            "a password does not belong into the address's parameters: use PGPASSWORD".to_owned(),
        ));
    }
    Err(Error::Usage(format!("'{name}' is not a parameter that can be given here: {} can", PARAMETERS.join(", "))))
}

/// IPv6 addresses come in brackets.
fn decode_host(host: &str) -> Result<String, Error> {
    decode(host.trim_start_matches('[').trim_end_matches(']'), "host")
}

fn decode(text: &str, what: &str) -> Result<String, Error> {
    let decoded = percent_decode_str(text).decode_utf8();
    let name = decoded.map_err(|_| Error::Usage(format!("the {what} in the address is not UTF-8")))?.into_owned();
    if name.contains('\0') {
        return Err(Error::Usage(format!("the {what} in the address holds a zero byte")));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(address: &str) -> Result<Postgres, Error> {
        Postgres::parse(address, Origin::Argument, None)
    }

    #[test]
    fn every_database_name_survives_the_connection_string() {
        for (address, dbname) in [
            ("postgres://me@db:5433/shop", "dbname='shop'"),
            ("postgres://me@db:5433/a b", "dbname='a b'"),
            ("postgres://me@db:5433/-x", "dbname='-x'"),
            ("postgres://me@db:5433/ü😀", "dbname='ü😀'"),
            ("postgres://me@db:5433/x\"; drop", "dbname='x\"; drop'"),
            ("postgres://me@db:5433/o'clock%5C", "dbname='o\\'clock\\\\'"),
            ("postgres://me@db:5433/host%3Devil", "dbname='host=evil'"),
        ] {
            let source = parse(address).unwrap();
            let conninfo = source.conninfo(source.database.as_deref().unwrap());
            assert_eq!(conninfo, format!("host='db' port='5433' user='me' {dbname}"), "{address}");
        }
        assert_eq!(parse("postgres:///shop?host=/run/pg").unwrap().conninfo("shop"), "host='/run/pg' dbname='shop'");
        assert_eq!(parse("postgres://[::1]/").unwrap().conninfo("x"), "host='::1' dbname='x'");
    }

    #[test]
    fn a_password_is_refused_where_others_can_read_it_and_shown_nowhere() {
        let address = "postgres://me:p%20a%27s%3As%5C@db/shop";
        let refusal = parse(address).unwrap_err().to_string();
        for way in ["PGPASSWORD", ".pgpass", "--password-file", "DBACKUP_SOURCE"] {
            assert!(refusal.contains(way), "{refusal}");
        }
        assert!(!refusal.contains("p%20") && !refusal.contains("p a"));
        let source = Postgres::parse(address, Origin::Private, None).unwrap();
        let password = source.environment().into_iter().find(|(name, _)| name == "PGPASSWORD").unwrap().1;
        assert_eq!(password, "p a's:s\\");
        assert!(!format!("{source:?} {} {}", source.address(), source.conninfo("shop")).contains("p a's"));
    }

    #[test]
    fn unknown_parameters_are_named() {
        assert!(parse("postgres://db/x?sslmode=require").is_ok());
        for bad in ["postgres://db/x?options=-c", "postgres://db/x?password=y", "postgres://db/x#y"] {
            assert!(matches!(parse(bad), Err(Error::Usage(_))), "{bad}");
        }
    }
}
