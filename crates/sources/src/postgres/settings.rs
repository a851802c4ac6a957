//! What libpq would make of an address, its service and the environment: the driver has to log in to the place that pg_dump and
//! pg_restore log in to.
//!
//! Precedence as in libpq: the address, then the service, then the environment, then defaults
//! (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::Postgres;
use super::service;

/// Variables that libpq reads, with their parameters
/// (<https://www.postgresql.org/docs/current/libpq-envars.html>).
const VARIABLES: [(&str, &str); 33] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGPASSFILE", "passfile"),
    ("PGSERVICE", "service"),
    ("PGOPTIONS", "options"),
    ("PGAPPNAME", "application_name"),
    ("PGSSLMODE", "sslmode"),
    ("PGREQUIRESSL", "requiressl"),
    ("PGSSLNEGOTIATION", "sslnegotiation"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLCERTMODE", "sslcertmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCRL", "sslcrl"),
    ("PGSSLCRLDIR", "sslcrldir"),
    ("PGSSLSNI", "sslsni"),
    ("PGSSLMINPROTOCOLVERSION", "ssl_min_protocol_version"),
    ("PGSSLMAXPROTOCOLVERSION", "ssl_max_protocol_version"),
    ("PGREQUIREAUTH", "require_auth"),
    ("PGREQUIREPEER", "requirepeer"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGGSSENCMODE", "gssencmode"),
    ("PGKRBSRVNAME", "krbsrvname"),
    ("PGGSSLIB", "gsslib"),
    ("PGGSSDELEGATION", "gssdelegation"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGLOADBALANCEHOSTS", "load_balance_hosts"),
    ("PGMINPROTOCOLVERSION", "min_protocol_version"),
    ("PGMAXPROTOCOLVERSION", "max_protocol_version"),
];

/// Parameters that the driver carries out as libpq does, whatever their value.
const CARRIED_OUT: [&str; 19] = [
    "host",
    "hostaddr",
    "port",
    "user",
    "password",
    "passfile",
    "options",
    "application_name",
    "sslmode",
    "sslcert",
    "sslkey",
    "sslrootcert",
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "service",
];

/// Values of other parameters that the driver carries out.
const CARRIED_OUT_VALUES: [(&str, &[&str]); 5] = [
    ("channel_binding", &["disable", "prefer", "require"]),
    ("target_session_attrs", &["any", "read-write", "read-only"]),
    ("load_balance_hosts", &["disable"]),
    ("gssencmode", &["disable", "prefer"]),
    ("sslnegotiation", &["postgres"]),
];

/// libpq's parameters by name. Empty ones are not given.
#[derive(Default)]
pub(super) struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Resolves the parameters of a source. `Err` names what only libpq can carry out.
    pub(super) fn of(source: &Postgres) -> Result<Self, String> {
        Self::resolve(&source.given(), &source.environment(), service::look_up)
    }

    fn resolve(
        given: &[(&str, &str)],
        environment: &[(OsString, OsString)],
        look_up: impl FnOnce(&str, &Environment) -> Option<Vec<(String, String)>>,
    ) -> Result<Self, String> {
        let environment = Environment(environment);
        let mut settings = BTreeMap::new();
        for (variable, name) in VARIABLES {
            let value = environment.get(variable)?;
            settings.extend(value.map(|value| (name.to_owned(), value)));
        }
        let own_service = given.iter().rev().find(|(name, _)| *name == "service").map(|(_, value)| *value);
        let service = own_service.map(str::to_owned).or_else(|| settings.get("service").cloned());
        if let Some(service) = service.filter(|service| !service.is_empty()) {
            let parameters = look_up(&service, &environment).ok_or_else(|| format!("service '{service}'"))?;
            settings.extend(parameters);
        }
        settings.extend(given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        settings.retain(|_, value| !value.is_empty());
        let settings = Self(settings);
        settings.check()?;
        Ok(settings)
    }

    /// Refuses what the driver would not carry out as libpq does.
    fn check(&self) -> Result<(), String> {
        for (name, value) in &self.0 {
            let values =
                CARRIED_OUT_VALUES.iter().find(|(known, _)| known == name).map_or(&[][..], |(_, values)| *values);
            if name != "dbname" && !CARRIED_OUT.contains(&name.as_str()) && !values.contains(&value.as_str()) {
                return Err(format!("{name}={value}"));
            }
        }
        // With a ticket libpq may encrypt by GSSAPI, which the driver cannot.
        let user = rustix::process::geteuid().as_raw();
        let has_ticket = || PathBuf::from(format!("/tmp/krb5cc_{user}")).exists();
        if self.get("gssencmode") != Some("disable") && has_ticket() {
            return Err("a Kerberos ticket".to_owned());
        }
        Ok(())
    }

    /// Returns a parameter that is given and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns a list, whose elements may be empty; no elements if it is not given.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        self.get(name).map(|list| list.split(',').map(str::trim).collect()).unwrap_or_default()
    }

    /// Returns a number. As in libpq, 0 and less mean the default.
    ///
    /// # Errors
    /// If it is none: libpq has its own words for that.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number: i64 = value.trim().parse().map_err(|_| format!("{name}={value}"))?;
        Ok(u64::try_from(number).ok().filter(|number| *number > 0))
    }
}

/// The variables that the tools get.
pub(super) struct Environment<'a>(&'a [(OsString, OsString)]);

impl Environment<'_> {
    /// Returns a variable. `Err` names one that is not UTF-8.
    pub(super) fn get(&self, name: &str) -> Result<Option<String>, String> {
        let value = self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        value.map(|value| value.into_string().map_err(|_| name.to_owned())).transpose()
    }
}

/// Returns libpq's folder of a user's files: `~/.postgresql`.
pub(super) fn user_folder() -> Option<PathBuf> {
    Some(home()?.join(".postgresql"))
}

/// Returns the home folder of this process's user.
pub(super) fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// Returns the name of this process's user, as libpq's default for the role.
pub(super) fn user_name() -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    user_of(&users, rustix::process::geteuid().as_raw())
}

fn user_of(users: &str, id: u32) -> Option<String> {
    let mut found = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let id = id.to_string();
    found.find(|fields| fields.get(2) == Some(&id.as_str()))?.first().map(|name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(given: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<Settings, String> {
        let environment: Vec<(OsString, OsString)> =
            environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Settings::resolve(given, &environment, |name, _| {
            (name == "shop")
                .then(|| vec![("host".to_owned(), "of-service".to_owned()), ("port".to_owned(), "1".to_owned())])
        })
    }

    #[test]
    fn the_address_goes_before_the_service_and_the_service_before_the_environment() {
        let environment = [("PGHOST", "of-environment"), ("PGUSER", "me"), ("PGSERVICE", "shop")];
        let settings = resolve(&[("port", "2")], &environment).unwrap();
        assert_eq!(
            ["host", "port", "user", "sslmode"].map(|name| settings.get(name)),
            [Some("of-service"), Some("2"), Some("me"), None]
        );
        assert!(resolve(&[("service", "nowhere")], &[]).is_err(), "libpq names its file");
    }

    #[test]
    fn what_the_driver_does_not_carry_out_is_left_to_libpq() {
        for (name, value) in [
            ("require_auth", "scram-sha-256"),
            ("sslcrl", "/x"),
            ("gssencmode", "require"),
            ("target_session_attrs", "standby"),
            ("load_balance_hosts", "random"),
            ("sslnegotiation", "direct"),
            ("krbsrvname", "pg"),
        ] {
            assert_eq!(resolve(&[(name, value)], &[]).err(), Some(format!("{name}={value}")));
        }
        assert!(resolve(&[], &[("PGREQUIREPEER", "postgres")]).is_err());
        assert!(resolve(&[("gssencmode", "disable"), ("channel_binding", "require")], &[("PGGSSLIB", "")]).is_ok());
    }

    #[test]
    fn the_users_name_is_found_by_its_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbackup:x:34:34::/var/backups:/bin/false\n";
        assert_eq!(user_of(users, 34).as_deref(), Some("backup"));
        assert_eq!(user_of(users, 3), None);
    }
}
