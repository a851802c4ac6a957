//! TLS by libpq's rules, against real servers: who is believed, under which name, and until when; and whom a server believes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::source;
use sources::Error;
use tempfile::TempDir;
use test_support::{Authority, Identity, PostgresServer, PostgresVersion};

/// A server with a certificate, and a folder with the files of those who connect to it.
struct Setting {
    server: PostgresServer,
    files: TempDir,
}

impl Setting {
    fn new(identity: &Identity, clients: Option<&Authority>) -> Self {
        let server = PostgresServer::start(PostgresVersion::Debian);
        server.sql("postgres", "CREATE ROLE app LOGIN PASSWORD 'secret'");
        if let Some(clients) = clients {
            server.demand_certificate("app", clients.certificate());
        }
        server.offer_tls_as(identity);
        Self { server, files: tempfile::tempdir().unwrap() }
    }

    /// Writes a file that only its owner can read, as libpq wants of a key.
    fn file(&self, name: &str, pem: &str) -> String {
        let file = self.files.path().join(name);
        fs::write(&file, pem).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        file.display().to_string()
    }

    /// Asks as `app`, and returns whether the driver's session is encrypted. (psql calls itself psql.)
    async fn ask(&self, host: &str, parameters: &str) -> Result<String, Error> {
        let address = format!("postgres://app:secret@{host}:{}/?{parameters}", self.server.port());
        let asked = source(&address);
        asked.databases().await?;
        let sql = "SELECT string_agg(ssl::text, ' ') FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                   WHERE application_name = 'dbackup'";
        Ok(self.server.sql("postgres", sql).trim().to_owned())
    }

    async fn refused(&self, host: &str, parameters: &str) -> String {
        match self.ask(host, parameters).await {
            Ok(session) => panic!("{host} {parameters}: {session:?}"),
            Err(error) => error.to_string(),
        }
    }
}

#[tokio::test]
async fn a_certificate_counts_for_its_name_and_if_its_authority_is_known() {
    let (authority, other) = (Authority::new("Authority"), Authority::new("Other"));
    let setting = Setting::new(&authority.issue("localhost"), None);
    let (known, unknown) =
        (setting.file("known.crt", authority.certificate()), setting.file("other.crt", other.certificate()));
    for (host, parameters) in [
        ("localhost", format!("sslmode=verify-full&sslrootcert={known}")),
        // The name does not count here.
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={known}")),
        ("127.0.0.1", format!("sslmode=require&sslrootcert={known}")),
        // Nothing does here.
        ("127.0.0.1", "sslmode=require&sslrootcert=/nowhere".to_owned()),
        ("127.0.0.1", "sslmode=prefer&sslrootcert=/nowhere".to_owned()),
    ] {
        assert_eq!(setting.ask(host, &parameters).await.unwrap(), "true", "{host} {parameters}");
    }
    let clear = setting.ask("127.0.0.1", "sslmode=disable").await.unwrap();
    assert_eq!(clear, "false");
    let wrong_host = setting.refused("127.0.0.1", &format!("sslmode=verify-full&sslrootcert={known}")).await;
    assert!(wrong_host.contains("does not match host name"), "{wrong_host}");
    for mode in ["require", "verify-ca", "verify-full"] {
        let refused = setting.refused("localhost", &format!("sslmode={mode}&sslrootcert={unknown}")).await;
        assert!(refused.contains("certificate verify failed"), "{mode}: {refused}");
    }
    let missing = setting.refused("localhost", "sslmode=verify-full&sslrootcert=/nowhere").await;
    assert!(missing.contains("/nowhere"), "{missing}");
}

#[tokio::test]
async fn an_expired_certificate_counts_only_where_none_is_checked() {
    let authority = Authority::new("Authority");
    let setting = Setting::new(&authority.issue_expired("localhost"), None);
    let known = setting.file("known.crt", authority.certificate());
    for mode in ["require", "verify-ca", "verify-full"] {
        let refused = setting.refused("localhost", &format!("sslmode={mode}&sslrootcert={known}")).await;
        assert!(refused.contains("certificate"), "{mode}: {refused}");
    }
    assert_eq!(setting.ask("localhost", "sslmode=require&sslrootcert=/nowhere").await.unwrap(), "true");
}

#[tokio::test]
async fn a_server_that_offers_no_tls_is_refused_where_it_is_required() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    let setting = Setting { server, files: tempfile::tempdir().unwrap() };
    let refused = setting.refused("127.0.0.1", "sslmode=require&sslrootcert=/nowhere").await;
    assert!(refused.contains("does not support SSL"), "{refused}");
}

#[tokio::test]
async fn a_client_shows_the_certificate_that_a_server_demands() {
    let (authority, other) = (Authority::new("Authority"), Authority::new("Other"));
    let setting = Setting::new(&authority.issue("localhost"), Some(&authority));
    let shown = |identity: &Identity, name: &str| {
        let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
        let files = (setting.file(&certificate, &identity.certificate), setting.file(&key, &identity.key));
        format!("sslmode=require&sslrootcert=/nowhere&sslcert={}&sslkey={}", files.0, files.1)
    };
    let own = shown(&authority.issue("app"), "own");
    assert_eq!(setting.ask("localhost", &own).await.unwrap(), "true");
    let refused = setting.refused("localhost", "sslmode=require&sslrootcert=/nowhere").await;
    assert!(refused.contains("certificate"), "{refused}");
    for (identity, name, words) in
        [(authority.issue("somebody"), "somebody", "certificate"), (other.issue("app"), "foreign", "unknown ca")]
    {
        let refused = setting.refused("localhost", &shown(&identity, name)).await;
        assert!(refused.contains(words), "{name}: {refused}");
    }
}
