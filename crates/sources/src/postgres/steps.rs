//! The connection test: name, connect, TLS, login, version, rights.

use std::net::SocketAddr;
use std::time::Duration;

use domain::probe::{Step, Steps};
use domain::size::counted;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};

use super::probe::{Server, any_server, databases, execute, query};
use super::tools::Tool;
use super::{Postgres, config};
use crate::error::Error;

/// A server that takes longer to answer is not there.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many tables are named.
const NAMED: usize = 5;
/// So many databases are looked into.
const MOST_DATABASES: usize = 20;

pub(super) async fn take(source: &Postgres, on_step: &(dyn Fn(Step) + Sync)) -> bool {
    let mut steps = Steps::new(on_step);
    let addresses = steps.take("name", resolve(source)).await;
    let address = steps.take("connect", connect(addresses.unwrap_or_default())).await.flatten();
    steps.take("tls", tls(&source.ssl_mode(), address)).await;
    let server = steps.take("login", log_in(source)).await;
    let major = server.map_or(0, |server| server.major);
    steps
        .take("version", async {
            let tool = Tool::find("pg_dump", major, major).await?;
            Ok::<_, Error>(((), Some(tool.version)))
        })
        .await;
    steps.take("rights", rights(source)).await;
    steps.passed()
}

async fn resolve(source: &Postgres) -> Result<(Vec<SocketAddr>, Option<String>), String> {
    let Some((host, port)) = source.server() else {
        return Ok((Vec::new(), Some("a socket on this machine".to_owned())));
    };
    let wrong = |cause: String| {
        format!("the name '{host}' cannot be resolved ({cause}): check its spelling and this machine's DNS")
    };
    let looked_up = tokio::time::timeout(PATIENCE, lookup_host((host.as_str(), port))).await;
    let found = looked_up.map_err(|_| wrong("no answer".to_owned()))?.map_err(|error| wrong(error.to_string()))?;
    let addresses: Vec<SocketAddr> = found.collect();
    let detail = addresses.first().map(|address| address.ip().to_string());
    Ok((addresses, detail))
}

async fn connect(addresses: Vec<SocketAddr>) -> Result<(Option<SocketAddr>, Option<String>), String> {
    let Some(first) = addresses.first() else { return Ok((None, None)) };
    let cure = "is PostgreSQL running there, does it listen on that address (listen_addresses), and does a firewall let us through?";
    let mut cause = "no answer".to_owned();
    for address in &addresses {
        match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok((Some(*address), Some(address.to_string()))),
            Ok(Err(error)) => cause = error.to_string(),
            Err(_) => {}
        }
    }
    Err(format!("nobody answers at {first} ({cause}): {cure}"))
}

/// Whether what travels is encrypted, as far as that shows before the login, which also checks the certificate.
async fn tls(mode: &str, address: Option<SocketAddr>) -> Result<((), Option<String>), String> {
    let found = |detail: &str| Ok(((), Some(detail.to_owned())));
    let Some(address) = address else { return found("not needed on a socket") };
    if mode == "disable" {
        return found("switched off for this source");
    }
    let offered = match tokio::time::timeout(PATIENCE, offers_tls(address)).await {
        Ok(answer) => answer.map_err(|error| format!("{address} broke off when asked for TLS: {error}"))?,
        Err(_) => return Err(format!("{address} did not answer when asked for TLS: is PostgreSQL listening there?")),
    };
    match (offered, mode) {
        (true, "verify-ca" | "verify-full") => found("offered; the login checks the certificate"),
        (true, _) => found("offered; the certificate is not checked"),
        (false, "require" | "verify-ca" | "verify-full") => Err(format!(
            "{address} offers no TLS, and this source wants it: switch it on there (ssl = on), or do without encryption"
        )),
        (false, _) => found("not offered: what is read travels in the clear"),
    }
}

/// Sends an `SSLRequest`, which a server answers with one byte, `S` or `N`
/// (<https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL>).
async fn offers_tls(address: SocketAddr) -> std::io::Result<bool> {
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(&SSL_REQUEST).await?;
    Ok(connection.read_u8().await? == b'S')
}

async fn log_in(source: &Postgres) -> Result<(Server, Option<String>), Error> {
    let server = any_server(source).await?;
    let sql = "SELECT version FROM pg_catalog.pg_stat_ssl WHERE ssl AND pid = pg_backend_pid()";
    let tls = execute(source, sql).await?.into_iter().flatten().next();
    let how = tls.map_or_else(|| "not encrypted".to_owned(), |version| format!("over {version}"));
    let detail = format!("PostgreSQL {}, {how}", server.version);
    Ok((server, Some(detail)))
}

/// pg_dump fails at the first table that it may not read; better to know now.
async fn rights(source: &Postgres) -> Result<((), Option<String>), Error> {
    let all = match &source.database {
        Some(database) => vec![database.clone()],
        None => databases(source).await?.names,
    };
    let unreadable = "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_catalog.pg_class c \
                      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                      WHERE c.relkind IN ('r', 'p', 'm', 'S') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
                      AND NOT (has_schema_privilege(n.oid, 'USAGE') AND CASE c.relkind WHEN 'S' \
                      THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END) ORDER BY 1";
    for database in all.iter().take(MOST_DATABASES) {
        let rows = query(source, database, unreadable).await?;
        if !rows.is_empty() {
            let named: Vec<String> = rows.iter().flatten().take(NAMED).cloned().collect();
            let more = rows.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            return Err(Error::Failed {
                what: format!("database '{database}' cannot be dumped"),
                cause: format!("the role may not read {}{more}", named.join(", ")),
                cure: Some(config::GRANT),
            });
        }
    }
    Ok(((), Some(format!("every table of {} can be read", counted(all.len(), "database")))))
}
