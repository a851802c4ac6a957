//! The connection test: name, connect, TLS, login, version, rights.

use domain::Warning;
use domain::probe::{Step, Steps};
use domain::size::counted;

use super::probe::{Server, execute, query};
use super::rights::Look;
use super::tools::Tool;
use super::{Postgres, listing, reach};
use crate::Databases;
use crate::error::Error;

/// Maximum number of databases that are looked into.
const MAX_DATABASES: usize = 20;
/// Maximum number of remarks in a detail.
const MAX_REMARKS: usize = 10;

const SESSION: &str = "SELECT current_setting('server_version_num'), current_setting('server_version'), \
    (SELECT version FROM pg_catalog.pg_stat_ssl WHERE ssl AND pid = pg_backend_pid())";

pub(super) async fn take(source: &Postgres, on_step: &(dyn Fn(Step) + Sync)) -> bool {
    let mut steps = Steps::new(on_step);
    let places = source.places();
    let addresses = steps.take("name", reach::resolve(&places)).await.unwrap_or_default();
    let address = steps.take("connect", reach::connect(&addresses, &places)).await.flatten();
    steps.take("tls", reach::tls(&source.ssl_mode(), address, &places)).await;
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

/// Logs in to the source's own database if it has one: another may be barred to the role.
async fn log_in(source: &Postgres) -> Result<(Server, Option<String>), Error> {
    let rows = match &source.database {
        Some(database) => query(source, database, SESSION).await?,
        None => execute(source, SESSION).await?,
    };
    let Some([number, version, tls]) = rows.first().map(Vec::as_slice) else {
        return Err(Error::failed("the server's version", "no answer"));
    };
    let server = Server::parse(number, version)?;
    let how = if tls.is_empty() { "not encrypted".to_owned() } else { format!("over {tls}") };
    let detail = format!("PostgreSQL {version}, {how}");
    Ok((server, Some(detail)))
}

/// pg_dump fails at the first table that it may not read, and leaves out some things without a word; better to know now.
async fn rights(source: &Postgres) -> Result<((), Option<String>), String> {
    let Databases { names, left_out } = match &source.database {
        Some(database) => Databases::all(vec![database.clone()]),
        None => listing::databases(source).await.map_err(|error| error.to_string())?,
    };
    let mut remarks: Vec<String> = left_out.iter().map(Warning::to_string).collect();
    for database in names.iter().take(MAX_DATABASES) {
        let look = Look::at_everything(source, database).await.map_err(|error| error.to_string())?;
        if let Some(obstacle) = look.obstacle() {
            return Err(format!("database '{database}' cannot be dumped: {obstacle}"));
        }
        let about = |warning: &Warning| format!("the backup of '{database}': {warning}");
        remarks.extend(look.warnings().iter().map(about));
    }
    let looked_into = names.len().min(MAX_DATABASES);
    let mut detail = format!("every table of {} can be read", counted(looked_into, "database"));
    if names.len() > looked_into {
        detail = format!("{detail} ({} more were not looked into)", names.len() - looked_into);
    }
    let more = remarks.len().saturating_sub(MAX_REMARKS);
    remarks.truncate(MAX_REMARKS);
    if more > 0 {
        remarks.push(format!("and {more} more remarks"));
    }
    if !remarks.is_empty() {
        detail = format!("{detail}. Left out: {}", remarks.join("; "));
    }
    Ok(((), Some(detail)))
}
