//! `dbackup serve`

use std::path::PathBuf;
use std::time::Duration;

use channels::egress::Egress;
use ipnet::IpNet;
use serde_json::Value;
use server::{Clock, Config, FirstAdministrator, RedactedStderr, Server, WrongField};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use url::Url;

use super::apply::{Files, add_mistake, body, in_lines, read_secrets};
use super::store::Store;
use crate::cli::{LogFormat, ServeArguments};
use crate::failure::{Failure, Outcome};
use crate::remote::{Kind, REFRESH_TOKEN};
use crate::{environment, output, signals};

/// Time for the headers of a request, and again for its body.
pub(crate) const SLOWEST_REQUEST: Duration = Duration::from_secs(30);
/// Longest time until an answer begins; most operations have less.
pub(crate) const SLOWEST_ANSWER: Duration = Duration::from_secs(3600);
/// Time in which a client has to take a byte of an answer.
pub(crate) const STALLED_ANSWER: Duration = Duration::from_secs(120);

/// Lines of the log that wait to be written.
const MAX_LINES: usize = 4096;

pub(crate) async fn run(arguments: ServeArguments) -> Result<Outcome, Failure> {
    let _log = start_log(arguments.log_format, &arguments.log)?;
    // Somebody may have been first, with the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let stop = signals::cancelled_by_signals()?;
    let trusted_proxies = arguments.trusted_proxies.iter().map(|text| parse_network(text)).collect::<Result<_, _>>()?;
    let listen = arguments.listen;
    let public_url = match arguments.public_url {
        Some(url) => check_public_url(url)?,
        None => default_public_url(listen.tls_cert.is_some(), listen.listen.port())?,
    };
    let configuration = start_configuration(&arguments.config)?;
    let Store { data, database, keys } = Store::find(arguments.store)?;
    sources::set_data_folder(data.path().to_owned());
    let config = Config {
        listen: listen.listen,
        public_url,
        trusted_proxies,
        data: data.path().to_owned(),
        database,
        allowed_paths: arguments.allowed_paths,
        keys,
        secret_files: environment::secret_files(&["ENCRYPTION_KEY_FILE", "DATABASE_URL_FILE"])?,
        configuration: configuration.as_ref().map(|(_, wanted)| wanted.clone()),
        tls: listen.tls_cert.zip(listen.tls_key),
        adapters: server::Adapters::default(),
        egress: Egress {
            private: !arguments.notify_public_only,
            loopback: arguments.notify_loopback,
            ..Egress::default()
        },
        environment: environment::of_process(),
        stall_timeout: arguments.stall.timeout(),
        lease: server::LEASE,
        max_runs: usize::from(arguments.max_runs),
        grace: Duration::from_secs(arguments.grace),
        slowest_request: SLOWEST_REQUEST,
        slowest_answer: SLOWEST_ANSWER,
        stalled_answer: STALLED_ANSWER,
        allowed_hosts: arguments.allowed_hosts,
        housekeeping: arguments.keep.housekeeping(),
        scan_interval: Config::scan_interval(arguments.scan_interval),
        first_administrator: first_administrator()?,
    };
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let public_url = config.public_url.clone();
    let mut server = tokio::select! {
        started = Server::start(config, data, Clock::new(super::now)) => {
            started.map_err(|error| not_started(&error, configuration.as_ref().map(|(files, _)| files)))?
        }
        // A metadata database that does not answer keeps nobody from stopping the server.
        () = stop.cancelled() => return Ok(Outcome::Succeeded),
    };
    output::line(&format!("dbackup listens on {scheme}://{}", server.address()));
    match server.setup() {
        // The page takes the token from the address; a fragment is sent to no server and stands in no log of a proxy.
        Some((token, _)) => output::line(&format!(
            "Create the first administrator: {}/setup#token={token}",
            public_url.as_str().trim_end_matches('/')
        )),
        None => output::note(&format!("Open {public_url} in a browser")),
    }
    tokio::select! {
        () = stop.cancelled() => {}
        error = server.failed() => return Err(Failure::failed(error.to_string())),
    }
    if server.running() > 0 {
        output::note(&format!("Waiting up to {} s for {} running runs to finish", arguments.grace, server.running()));
    }
    server.stop().await;
    Ok(Outcome::Succeeded)
}

/// Reads the files of the configuration that is applied at the start, with their secrets.
fn start_configuration(paths: &[PathBuf]) -> Result<Option<(Files, Value)>, Failure> {
    if paths.is_empty() {
        return Ok(None);
    }
    let mut files = Files::read(paths).map_err(|wrong| Failure::failed(in_lines(wrong)))?;
    let wrong = read_secrets(&mut files, secret_fields);
    if !wrong.is_empty() {
        return Err(Failure::failed(in_lines(wrong)));
    }
    let wanted = Value::Object(body(&files));
    Ok(Some((files, wanted)))
}

/// Returns the fields of an entry that hold secrets in any adapter.
fn secret_fields(kind: Kind) -> Vec<String> {
    let adapters = server::Adapters::default();
    let names = |manifest: &'static adapter::Manifest| manifest.secrets().map(|field| field.name.to_owned());
    match kind {
        Kind::Source => adapters.sources.manifests().flat_map(names).collect(),
        Kind::Destination => {
            let own = adapters.destinations.manifests().flat_map(names);
            own.chain([REFRESH_TOKEN.to_owned()]).collect()
        }
        Kind::Profile => vec!["identity".to_owned()],
        Kind::Channel => adapters.channels.manifests().flat_map(names).collect(),
        Kind::RetentionPolicy | Kind::Job | Kind::NotificationRule => Vec::new(),
    }
}

/// Says why the server did not start; of a configuration that is wrong, with the lines that are.
fn not_started(error: &server::Error, files: Option<&Files>) -> Failure {
    let (server::Error::Configuration(errors), Some(files)) = (error, files) else {
        return Failure::failed(error.to_string());
    };
    let mut wrong = Vec::new();
    for WrongField { field, message } in errors {
        add_mistake(files, field, message, &mut wrong);
    }
    Failure::failed(format!("the configuration was not applied, and the server not started:\n{}", in_lines(wrong)))
}

/// Reads who becomes the first administrator, and from which files their secrets come.
fn first_administrator() -> Result<Option<FirstAdministrator>, Failure> {
    const NAME: &str = "DBACKUP_ADMIN_NAME";
    const PASSWORD: &str = "DBACKUP_ADMIN_PASSWORD_FILE";
    const TOKEN: &str = "DBACKUP_BOOTSTRAP_TOKEN_FILE";
    let (name, password_file, token_file) =
        (environment::variable(NAME)?, environment::variable(PASSWORD)?, environment::variable(TOKEN)?);
    match (name, password_file) {
        (Some(name), Some(password_file)) => Ok(Some(FirstAdministrator {
            name,
            password_file: password_file.into(),
            token_file: token_file.map(Into::into),
        })),
        (None, None) if token_file.is_none() => Ok(None),
        _ => Err(Failure::usage(format!("{NAME} and {PASSWORD} belong together, and {TOKEN} needs both"))),
    }
}

/// Starts the log on standard error. Lines are written by a thread of their own: a log that cannot be written, or that nobody reads,
/// loses lines and stops nothing. The guard writes the last ones when it is dropped.
fn start_log(format: LogFormat, filter: &str) -> Result<WorkerGuard, Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::usage(format!("--log {filter}: {error}. Write error, warn, info, debug, trace, or server=debug"))
    })?;
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(MAX_LINES).lossy(true).finish(RedactedStderr);
    // Where the log cannot be written, there is no place to say so.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).log_internal_errors(false);
    match format {
        LogFormat::Text => log.with_ansi(false).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(guard)
}

fn parse_network(text: &str) -> Result<IpNet, Failure> {
    let text = text.trim();
    let one = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| one()).map_err(|_| {
        Failure::usage(format!("--trusted-proxy '{text}' is neither a network (10.0.0.0/8) nor an address"))
    })
}

fn check_public_url(url: Url) -> Result<Url, Failure> {
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !matches!(url.scheme(), "http" | "https") || !plain || url.host().is_none() {
        return Err(Failure::usage(format!(
            "the public URL is '{url}': write scheme and host, and no path: https://backup.example"
        )));
    }
    Ok(url)
}

fn default_public_url(tls: bool, port: u16) -> Result<Url, Failure> {
    let scheme = if tls { "https" } else { "http" };
    Url::parse(&format!("{scheme}://localhost:{port}")).map_err(|error| Failure::usage(error.to_string()))
}
