//! The connection test: name, connect, login, version, rights.

use std::net::SocketAddr;
use std::time::Duration;

use domain::probe::{Step, Steps};
use tokio::net::{TcpStream, lookup_host};

use super::probe::{any_server, databases, query};
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
    steps.take("connect", connect(addresses.unwrap_or_default())).await;
    let server = steps
        .take("login", async {
            let server = any_server(source).await?;
            let detail = format!("PostgreSQL {}", server.version);
            Ok::<_, Error>((server, Some(detail)))
        })
        .await;
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

async fn connect(addresses: Vec<SocketAddr>) -> Result<((), Option<String>), String> {
    let Some(first) = addresses.first() else { return Ok(((), None)) };
    let cure = "is PostgreSQL running there, does it listen on that address (listen_addresses), and does a firewall let us through?";
    let mut cause = "no answer".to_owned();
    for address in &addresses {
        match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok(((), Some(address.to_string()))),
            Ok(Err(error)) => cause = error.to_string(),
            Err(_) => {}
        }
    }
    Err(format!("nobody answers at {first} ({cause}): {cure}"))
}

/// pg_dump fails at the first table that it may not read; better to know now.
async fn rights(source: &Postgres) -> Result<((), Option<String>), Error> {
    let all = match &source.database {
        Some(database) => vec![database.clone()],
        None => databases(source).await?,
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
    Ok(((), Some(format!("every table of {} database(s) can be read", all.len()))))
}
