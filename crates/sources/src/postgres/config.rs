//! `postgres://user@host:port/database?sslmode=require`, and the settings that it stands for.

mod conninfo;

use std::sync::{Arc, OnceLock};

use adapter::{Secrets, Settings};
use secrecy::SecretString;
use serde_json::{Map, Value};

pub(super) use self::conninfo::{CONNECT_TIMEOUT, DEFAULT_PORT, KEEPALIVES, Place, USER_TIMEOUT};
use super::query::Lines;
use super::uri::{self, Uri};
use crate::Origin;
use crate::error::Error;

/// Connection parameters that an address may carry after its `?` besides `host`, `port`, `user` and `dbname` (libpq's names).
const PARAMETERS: [&str; 22] = [
    "hostaddr",
    "service",
    "passfile",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslcrl",
    "sslnegotiation",
    "channel_binding",
    "require_auth",
    "gssencmode",
    "krbsrvname",
    "target_session_attrs",
    "load_balance_hosts",
    "connect_timeout",
    "application_name",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
];

/// The adapter's id.
pub(super) const ID: &str = "postgres";
/// Settings that are connection parameters, and libpq's names for them.
const SETTINGS: [(&str, &str); 3] = [("service", "service"), ("sslMode", "sslmode"), ("sslRootCert", "sslrootcert")];
/// What only an address can set: a port per host, separated by commas, and libpq's other parameters by name. Both are unknown to the
/// manifest, and so to the API: some of them read files.
const PORTS: &str = "ports";
const MORE_PARAMETERS: &str = "parameters";

/// A PostgreSQL server and how to log in to it.
#[derive(Debug, Clone)]
pub(crate) struct Postgres {
    /// Several are separated by commas, as libpq has it.
    host: Option<String>,
    /// One for all hosts, or one per host, separated by commas.
    port: Option<String>,
    user: Option<String>,
    pub(super) database: Option<String>,
    parameters: Vec<(String, String)>,
    password: Option<SecretString>,
    /// The database through which questions about the server were answered.
    pub(super) entry: Arc<OnceLock<String>>,
    /// The ways to ask it.
    pub(super) lines: Arc<Lines>,
}

impl Postgres {
    /// Reads an address. A password in it is refused where others could have read it.
    pub(crate) fn parse(address: &str, origin: Origin, password: Option<SecretString>) -> Result<Self, Error> {
        let Uri { hosts, ports, user, password: inner, database, parameters } = uri::parse(address)?;
        if inner.is_some() && origin == Origin::Argument {
            return Err(Error::invalid(
                "a password in an argument can be read by every user of this machine: put it into PGPASSWORD, ~/.pgpass or a \
                 file named by --password-file, or the whole source into DBACKUP_SOURCE",
            ));
        }
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        let mut source = Self {
            host: given(hosts).filter(|hosts| hosts.split(',').any(|host| !host.is_empty())),
            port: given(ports),
            user: given(user),
            database: given(database),
            parameters: Vec::new(),
            password: inner.map(SecretString::from).or(password),
            entry: Arc::default(),
            lines: Arc::default(),
        };
        for (name, value) in parameters {
            source.set(name, value)?;
        }
        source.check_ports()?;
        Ok(source)
    }

    /// Builds it of its settings: nothing in them is escaped.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a parameter that cannot be given.
    pub(super) fn from_settings(settings: &Settings, password: Option<SecretString>) -> Result<Self, Error> {
        let given = |name: &str| settings.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
        let port = settings.number("port").map(|port| port.to_string());
        let mut source = Self {
            // Brackets belong to addresses in URLs.
            host: given("host").map(|host| host.trim_start_matches('[').trim_end_matches(']').to_owned()),
            port: port.or_else(|| given(PORTS)),
            user: given("user"),
            database: given("database"),
            parameters: Vec::new(),
            password,
            entry: Arc::default(),
            lines: Arc::default(),
        };
        for (setting, parameter) in SETTINGS {
            if let Some(value) = given(setting) {
                source.set(parameter.to_owned(), value)?;
            }
        }
        let more = settings.get(MORE_PARAMETERS).and_then(Value::as_object);
        for (name, value) in more.into_iter().flatten() {
            source.set(name.clone(), value.as_str().unwrap_or_default().to_owned())?;
        }
        Ok(source)
    }

    /// Returns the settings that an address amounts to.
    pub(super) fn into_settings(self) -> (Settings, Secrets) {
        let mut settings = Settings::new(ID);
        let texts = [("host", self.host), ("user", self.user), ("database", self.database)];
        for (name, value) in texts {
            value.into_iter().for_each(|value| settings.set(name, value));
        }
        match self.port {
            Some(port) if port.contains(',') => settings.set(PORTS, port),
            Some(port) => port.parse::<u16>().into_iter().for_each(|port| settings.set("port", port)),
            None => {}
        }
        let mut more = Map::new();
        for (name, value) in self.parameters {
            match SETTINGS.iter().find(|(_, parameter)| *parameter == name) {
                Some((setting, _)) => settings.set(setting, value),
                None => drop(more.insert(name, value.into())),
            }
        }
        if !more.is_empty() {
            settings.set(MORE_PARAMETERS, more);
        }
        let password = self.password.map(|password| (super::manifest::PASSWORD.to_owned(), password));
        (settings, password.into_iter().collect())
    }

    /// Takes a parameter from after the `?`, which overrides what stands before it.
    fn set(&mut self, name: String, value: String) -> Result<(), Error> {
        match name.as_str() {
            "host" => self.host = Some(value),
            "port" => {
                for port in value.split(',') {
                    uri::checked_port(port)?;
                }
                self.port = Some(value);
            }
            "user" => self.user = Some(value),
            "dbname" => self.database = Some(value).filter(|database| !database.is_empty()),
            "password" => {
                return Err(Error::invalid("a password does not belong into the address's parameters: use PGPASSWORD"));
            }
            known if PARAMETERS.contains(&known) => self.parameters.push((name, value)),
            unknown => {
                let known = PARAMETERS.join(", ");
                return Err(Error::invalid(format!(
                    "'{unknown}' is not a parameter that can be given here: host, port, user, dbname, {known} can"
                )));
            }
        }
        Ok(())
    }

    fn check_ports(&self) -> Result<(), Error> {
        let count = |list: &Option<String>| list.as_ref().map_or(1, |list| list.split(',').count());
        match (count(&self.port), count(&self.host)) {
            (ports, hosts) if ports == 1 || ports == hosts => Ok(()),
            (ports, hosts) => Err(Error::invalid(format!("the address has {ports} ports for {hosts} hosts"))),
        }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The hosts, separated by commas, where the address says so.
    pub(super) fn hosts(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The port, or a list of them, where the address says so.
    pub(super) fn port(&self) -> Option<&str> {
        self.port.as_deref()
    }

    /// The service that the rest comes from, where the address names one.
    pub(super) fn service(&self) -> Option<&str> {
        self.parameter("service")
    }

    /// The role that logs in, where the address says so.
    pub(super) fn role(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The one database that a restore goes into.
    pub(super) fn named_database(&self) -> Result<String, Error> {
        self.database
            .clone()
            .ok_or_else(|| Error::invalid("name the database to restore into: postgres://user@host:port/database"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn parse(address: &str) -> Result<Postgres, Error> {
        Postgres::parse(address, Origin::Argument, None)
    }

    #[test]
    fn unknown_parameters_are_named() {
        assert!(parse("postgres://db/x?sslmode=require").is_ok());
        for bad in ["postgres://db/x?options=-c", "postgres://db/x?password=y", "postgres://db/x#y"] {
            assert!(matches!(parse(bad), Err(error) if *error.kind() == Kind::Invalid), "{bad}");
        }
    }
}
