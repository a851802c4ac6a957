//! How a server is named to libpq's tools, to the driver and to people.

use std::ffi::OsString;

use secrecy::ExposeSecret;

use super::Postgres;

/// Detects a server that is gone without a word within a minute and a half, unless the address says otherwise. No
/// `tcp_user_timeout`: it would also end a restore whose server does not read for a minute.
pub(in super::super) const KEEPALIVES: [(&str, &str); 3] =
    [("keepalives_idle", "30"), ("keepalives_interval", "10"), ("keepalives_count", "6")];

/// What every session of ours that only asks and reads adds: sent bytes are acknowledged within a minute, in milliseconds.
pub(in super::super) const USER_TIMEOUT: (&str, &str) = ("tcp_user_timeout", "60000");

pub(in super::super) const DEFAULT_PORT: u16 = 5432;

/// How long the tools wait for a connection, in seconds, unless `PGCONNECT_TIMEOUT` or the address says otherwise.
pub(in super::super) const CONNECT_TIMEOUT: &str = "15";

/// One of the places where a server can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Place {
    /// The folder of a socket.
    Socket(String),
    /// Name or address, and port.
    Network(String, u16),
    /// Only libpq knows: a service's.
    Service(String),
}

impl Postgres {
    /// Returns where the server can be, in the order in which libpq tries the hosts.
    pub(in super::super) fn places(&self) -> Vec<Place> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let service = self.parameter("service").map(str::to_owned).or_else(|| variable("PGSERVICE"));
        let address = self.parameter("hostaddr").map(str::to_owned);
        let host = address.or_else(|| self.host.clone());
        if let (None, Some(service)) = (&host, service) {
            return vec![Place::Service(service)];
        }
        let host = host.or_else(|| variable("PGHOSTADDR")).or_else(|| variable("PGHOST")).unwrap_or_default();
        let port = self.port.clone().or_else(|| variable("PGPORT")).unwrap_or_default();
        let ports: Vec<&str> = port.split(',').collect();
        let port = |index: usize| {
            let port = if ports.len() > 1 { ports.get(index) } else { ports.first() };
            port.and_then(|port| port.parse().ok()).unwrap_or(DEFAULT_PORT)
        };
        let places = host.split(',').enumerate().map(|(index, host)| match host {
            socket if socket.is_empty() || socket.starts_with(['/', '@']) => Place::Socket(socket.to_owned()),
            name => Place::Network(name.to_owned(), port(index)),
        });
        places.collect()
    }

    /// How much encryption is wanted, as libpq understands it.
    pub(in super::super) fn ssl_mode(&self) -> String {
        let given = self.parameter("sslmode").map(str::to_owned);
        given.or_else(|| std::env::var("PGSSLMODE").ok()).unwrap_or_else(|| "prefer".to_owned())
    }

    /// What a person calls it, without password and parameters.
    pub(in super::super) fn address(&self) -> String {
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let (host, port) = (self.host.clone().unwrap_or_default(), self.port.clone().unwrap_or_default());
        let ports: Vec<&str> = port.split(',').collect();
        let servers = host.split(',').enumerate().map(|(index, host)| {
            let port = if ports.len() > 1 { ports.get(index) } else { ports.first() };
            let port = port.filter(|port| !port.is_empty()).map(|port| format!(":{port}")).unwrap_or_default();
            format!("{host}{port}")
        });
        let servers = servers.collect::<Vec<_>>().join(",");
        let service = self.parameter("service").filter(|_| self.host.is_none());
        let service = service.map(|service| format!("?service={service}")).unwrap_or_default();
        format!("postgres://{user}{servers}/{}{service}", self.database.clone().unwrap_or_default())
    }

    /// libpq's connection string for one database. Quoted, so that a database may be called anything. No password.
    pub(in super::super) fn conninfo(&self, database: &str) -> String {
        self.conninfo_with(database, &KEEPALIVES)
    }

    /// The connection string for sessions that ask and read.
    pub(in super::super) fn reading_conninfo(&self, database: &str) -> String {
        self.conninfo_with(database, &[&KEEPALIVES[..], &[USER_TIMEOUT]].concat())
    }

    /// libpq's parameters as the address gives them, later ones before earlier ones of the same name.
    pub(in super::super) fn given(&self) -> Vec<(&str, &str)> {
        let own = [("host", &self.host), ("port", &self.port), ("user", &self.user)];
        let own = own.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        own.chain(self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()))).collect()
    }

    fn conninfo_with(&self, database: &str, defaults: &[(&str, &str)]) -> String {
        let defaults = defaults.iter().copied().filter(|(name, _)| self.parameter(name).is_none());
        self.given()
            .into_iter()
            .chain(defaults)
            .chain([("dbname", database)])
            .map(|(name, value)| format!("{name}='{}'", value.replace('\\', "\\\\").replace('\'', "\\'")))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The variables that the tools get: libpq's own as they are set here, and the password if it was given to us.
    pub(in super::super) fn environment(&self) -> Vec<(OsString, OsString)> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Origin;
    use crate::error::Error;

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
            assert_eq!(conninfo, format!("host='db' port='5433' user='me' {KEPT} {dbname}"), "{address}");
        }
        let conninfo = |address: &str| parse(address).unwrap().conninfo("x");
        assert_eq!(conninfo("postgres://[::1]/"), format!("host='::1' {KEPT} dbname='x'"));
        assert_eq!(conninfo("postgres:///?host=/run/pg"), format!("host='/run/pg' {KEPT} dbname='x'"));
        assert_eq!(conninfo("postgres://?service=shop"), format!("service='shop' {KEPT} dbname='x'"));
    }

    const KEPT: &str = "keepalives_idle='30' keepalives_interval='10' keepalives_count='6'";

    #[test]
    fn a_dead_connection_is_noticed_unless_the_address_says_otherwise() {
        let source = parse("postgres://db/x?keepalives_idle=7&tcp_user_timeout=5").unwrap();
        for conninfo in [source.conninfo("x"), source.reading_conninfo("x")] {
            assert!(conninfo.contains("keepalives_idle='7' tcp_user_timeout='5'"), "{conninfo}");
            assert_eq!(conninfo.matches("keepalives_idle").count() + conninfo.matches("tcp_user_timeout").count(), 2);
        }
        let plain = parse("postgres://db/x").unwrap();
        assert!(plain.reading_conninfo("x").contains("tcp_user_timeout='60000'"));
        assert!(!plain.conninfo("x").contains("tcp_user_timeout"), "a restore's server may be busy for a minute");
    }

    #[test]
    fn sockets_and_several_hosts_are_given_in_libpqs_forms() {
        let network = |host: &str, port| Place::Network(host.to_owned(), port);
        let socket = |folder: &str| Place::Socket(folder.to_owned());
        for (address, conninfo, places) in [
            ("postgres://me@/db?host=/run/pg", "host='/run/pg' user='me'", vec![socket("/run/pg")]),
            ("postgres://me@:5433/db?host=/run/pg", "host='/run/pg' port='5433' user='me'", vec![socket("/run/pg")]),
            (
                "postgres://me@/db?host=/run/pg&port=5433",
                "host='/run/pg' port='5433' user='me'",
                vec![socket("/run/pg")],
            ),
            ("postgres://me@%2Frun%2Fpg/db", "host='/run/pg' user='me'", vec![socket("/run/pg")]),
            ("postgres://a,b:2/db", "host='a,b' port=',2'", vec![network("a", 5432), network("b", 2)]),
            ("postgres://a,b/db?port=7", "host='a,b' port='7'", vec![network("a", 7), network("b", 7)]),
            ("postgres://a/db?host=b&user=u", "host='b' user='u'", vec![network("b", 5432)]),
            ("postgres://a/db?hostaddr=10.0.0.1", "host='a' hostaddr='10.0.0.1'", vec![network("10.0.0.1", 5432)]),
            ("postgres:///db?service=s", "service='s'", vec![Place::Service("s".to_owned())]),
        ] {
            let source = parse(address).unwrap();
            assert_eq!(source.conninfo("db"), format!("{conninfo} {KEPT} dbname='db'"), "{address}");
            assert_eq!(source.places(), places, "{address}");
            assert_eq!(source.database.as_deref(), Some("db"), "{address}");
        }
        assert_eq!(parse("postgres://me@a:1,b/db").unwrap().address(), "postgres://me@a:1,b/db");
        assert_eq!(parse("postgres://?dbname=x&service=s").unwrap().address(), "postgres:///x?service=s");
        assert!(parse("postgres://a,b,c/db?port=1,2").is_err(), "two ports for three hosts");
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
}
