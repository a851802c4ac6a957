//! Logging in through the driver: the hosts in their order, each with its addresses, password and encryption.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::net::lookup_host;
use tokio_postgres::config::{ChannelBinding, TargetSessionAttrs};
use tokio_postgres::{Client, Config};

use super::config::{CONNECT_TIMEOUT, DEFAULT_PORT, KEEPALIVES, Postgres, USER_TIMEOUT};
use super::connection::Connection;
use super::passfile;
use super::settings::{self, Settings};
use super::tls::Encryption;

/// Folders for which libpq looks a password up under `localhost`: its default, which distributions change.
const DEFAULT_SOCKET_FOLDERS: [&str; 3] = ["/tmp", "/var/run/postgresql", "/run/postgresql"];
/// SQLSTATE of a server that is starting or shutting down: libpq tries the next host, as after a failed connection.
const CANNOT_CONNECT_NOW: &str = "57P03";
/// SQLSTATE of what the server's access rules refuse: another way to encrypt may be allowed.
const INVALID_AUTHORIZATION: &str = "28000";
/// SQLSTATE of an encoding that cannot be converted to UTF-8, which the driver asks for (`MULE_INTERNAL`).
const NOT_SUPPORTED: &str = "0A000";

/// How to log in to a source.
pub(super) struct Login {
    config: Config,
    hosts: Vec<Host>,
    user: String,
    password: Option<SecretString>,
    passfile: Option<PathBuf>,
    /// For an address and its login; none has no limit.
    timeout: Option<Duration>,
    encryption: Encryption,
}

/// A host as libpq's parameters name it.
struct Host {
    /// Name, address or folder of a socket.
    name: String,
    /// Address that goes before the name.
    address: Option<IpAddr>,
    port: u16,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Refused {
    /// The server's words or the network's, in libpq's form.
    Said { words: String, sqlstate: Option<String> },
    /// The driver cannot tell, or cannot do that.
    LeftToLibpq(String),
}

impl Login {
    /// Resolves a source's parameters. `Err` names what only libpq can carry out.
    pub(super) fn of(source: &Postgres) -> Result<Self, String> {
        let settings = Settings::of(source)?;
        let number = |name: &str, default: &str| -> Result<Option<u64>, String> {
            Ok(if settings.get(name).is_some() { settings.number(name)? } else { default.parse().ok() })
        };
        let user = settings.get("user").map(str::to_owned).or_else(settings::user_name).ok_or("no user")?;
        let mut config = Config::new();
        config.user(&user).application_name(settings.get("application_name").unwrap_or("dbackup"));
        config.keepalives(settings.get("keepalives") != Some("0"));
        for (name, default) in KEEPALIVES {
            let Some(value) = number(name, default)? else { continue };
            match name {
                "keepalives_idle" => config.keepalives_idle(Duration::from_secs(value)),
                "keepalives_interval" => config.keepalives_interval(Duration::from_secs(value)),
                _ => config.keepalives_retries(u32::try_from(value).map_err(|_| name.to_owned())?),
            };
        }
        if let Some(milliseconds) = number(USER_TIMEOUT.0, USER_TIMEOUT.1)? {
            config.tcp_user_timeout(Duration::from_millis(milliseconds));
        }
        if let Some(options) = settings.get("options") {
            config.options(options);
        }
        config.target_session_attrs(match settings.get("target_session_attrs") {
            Some("read-write") => TargetSessionAttrs::ReadWrite,
            Some("read-only") => TargetSessionAttrs::ReadOnly,
            _ => TargetSessionAttrs::Any,
        });
        config.channel_binding(match settings.get("channel_binding") {
            Some("disable") => ChannelBinding::Disable,
            Some("require") => ChannelBinding::Require,
            _ => ChannelBinding::Prefer,
        });
        // libpq waits at least two seconds.
        let timeout = number("connect_timeout", CONNECT_TIMEOUT)?.map(|seconds| Duration::from_secs(seconds.max(2)));
        let default_passfile = || Some(settings::home()?.join(".pgpass"));
        Ok(Self {
            config,
            hosts: hosts(&settings)?,
            user,
            password: settings.get("password").map(SecretString::from),
            passfile: settings.get("passfile").map(PathBuf::from).or_else(default_passfile),
            timeout,
            encryption: Encryption::of(&settings)?,
        })
    }

    /// Connects to the first host that can be reached. A server that answers and refuses is the last one that is tried, as in libpq.
    pub(super) async fn connect(&self, database: &str) -> Result<Connection, Refused> {
        let mut failures = Vec::new();
        let mut last = None;
        for host in &self.hosts {
            let addresses = match self.addresses(host).await {
                Ok(addresses) => addresses,
                Err(words) => {
                    failures.push(words);
                    continue;
                }
            };
            for address in addresses {
                match self.log_in(host, address, database).await {
                    Ok(connection) => return Ok(connection),
                    Err(Refused::Said { words, sqlstate }) if is_passing(sqlstate.as_deref()) => {
                        failures.push(words);
                        last = sqlstate;
                    }
                    Err(refused) => return Err(refused),
                }
            }
        }
        Err(Refused::Said { words: failures.join("\n"), sqlstate: last })
    }

    /// Returns the addresses of a host; `None` is a socket's.
    async fn addresses(&self, host: &Host) -> Result<Vec<Option<IpAddr>>, String> {
        if host.is_socket() {
            return Ok(vec![None]);
        }
        if let Some(address) = host.address {
            return Ok(vec![Some(address)]);
        }
        let failed = |cause: &str| format!("could not translate host name \"{}\" to address: {cause}", host.name);
        let looked_up = within(self.timeout, lookup_host((host.name.as_str(), host.port))).await;
        let found = looked_up.ok_or_else(|| failed("timeout expired"))?;
        let found = found.map_err(|error| failed(&error.to_string()))?;
        Ok(found.map(|address| Some(address.ip())).collect())
    }

    /// Tries the ways to encrypt in their order.
    async fn log_in(&self, host: &Host, address: Option<IpAddr>, database: &str) -> Result<Connection, Refused> {
        let mut config = self.config.clone();
        config.dbname(database).port(host.port).host(host.tls_name());
        if let Some(address) = address {
            config.hostaddr(address);
        }
        if let Some(password) = self.password_for(host, database) {
            config.password(password.expose_secret());
        }
        let modes = if host.is_socket() { &[tokio_postgres::config::SslMode::Disable] } else { self.encryption.modes };
        let mut refused = None;
        for mode in modes {
            config.ssl_mode(*mode);
            let connecting = config.connect(self.encryption.connector.clone());
            let error = match within(self.timeout, connecting).await {
                Some(Ok((client, connection))) => {
                    return Ok(self.opened(client, async move { drop(connection.await) }));
                }
                Some(Err(error)) => self.refusal(&error, host, address),
                None => Refused::Said { words: format!("{}timeout expired", host.prefix(address)), sqlstate: None },
            };
            let is_last =
                !matches!(&error, Refused::Said { sqlstate: Some(code), .. } if code == INVALID_AUTHORIZATION);
            if is_last {
                return Err(error);
            }
            // The first refusal is about the encryption that was wanted most.
            refused = refused.or(Some(error));
        }
        Err(refused.unwrap_or_else(|| Refused::LeftToLibpq("no way to encrypt".to_owned())))
    }

    fn opened(&self, client: Client, running: impl Future<Output = ()> + Send + 'static) -> Connection {
        Connection::new(client, running, self.encryption.connector.clone())
    }

    fn password_for(&self, host: &Host, database: &str) -> Option<SecretString> {
        if let Some(password) = &self.password {
            return Some(password.clone());
        }
        let (file, port) = (self.passfile.as_ref()?, host.port.to_string());
        let look_up = |name: &str| passfile::look_up(file, [name, &port, database, &self.user]);
        let is_default = DEFAULT_SOCKET_FOLDERS.contains(&host.name.as_str());
        look_up(&host.name).or_else(|| is_default.then(|| look_up("localhost"))?)
    }

    /// What an error of the driver means. Only the server's own errors and the operating system's are told from others here.
    fn refusal(&self, error: &tokio_postgres::Error, host: &Host, address: Option<IpAddr>) -> Refused {
        let prefix = host.prefix(address);
        if let Some(said) = error.as_db_error() {
            let detail = said.detail().map(|detail| format!("\nDETAIL:  {detail}")).unwrap_or_default();
            let sqlstate = said.code().code().to_owned();
            let words = format!("{prefix}{}:  {}{detail}", said.severity(), said.message());
            return if sqlstate == NOT_SUPPORTED {
                Refused::LeftToLibpq(words)
            } else {
                Refused::Said { words, sqlstate: Some(sqlstate) }
            };
        }
        let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
        let words = match source {
            Some(source) if source.raw_os_error().is_some() => {
                let missing = host.is_socket() && source.kind() == io::ErrorKind::NotFound;
                let hint = if missing {
                    "\n\tIs the server running locally and accepting connections on that socket?"
                } else {
                    ""
                };
                format!("{prefix}{source}{hint}")
            }
            // The driver's own, for a server that is not what target_session_attrs asks for.
            Some(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                let is = self.config.get_target_session_attrs() == TargetSessionAttrs::ReadWrite;
                format!("{prefix}session is {}", if is { "read-only" } else { "not read-only" })
            }
            Some(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
                format!("{prefix}server closed the connection unexpectedly")
            }
            _ => return Refused::LeftToLibpq(error.to_string()),
        };
        Refused::Said { words, sqlstate: None }
    }
}

impl Host {
    fn is_socket(&self) -> bool {
        self.address.is_none() && self.name.starts_with('/')
    }

    /// What the certificate has to be for.
    fn tls_name(&self) -> String {
        match self.address {
            Some(address) if self.name.is_empty() => address.to_string(),
            _ => self.name.clone(),
        }
    }

    fn prefix(&self, address: Option<IpAddr>) -> String {
        let (name, port) = (self.tls_name(), self.port);
        match address {
            None => format!("connection to server on socket \"{name}/.s.PGSQL.{port}\" failed: "),
            Some(address) if address.to_string() == name => {
                format!("connection to server at \"{name}\", port {port} failed: ")
            }
            Some(address) => format!("connection to server at \"{name}\" ({address}), port {port} failed: "),
        }
    }
}

fn hosts(settings: &Settings) -> Result<Vec<Host>, String> {
    let (names, addresses, ports) = (settings.list("host"), settings.list("hostaddr"), settings.list("port"));
    let count = names.len().max(addresses.len());
    if [names.len(), addresses.len()].iter().any(|length| *length > 0 && *length != count)
        || ports.len() > 1 && ports.len() != count
    {
        return Err("lists of different lengths".to_owned());
    }
    let host = |index: usize| {
        let name = names.get(index).copied().unwrap_or_default();
        let address = addresses.get(index).copied().filter(|address| !address.is_empty());
        let address = address.map(str::parse).transpose().map_err(|_| "an address that is none".to_owned())?;
        // libpq's default is a folder that was chosen when it was built; @ is an abstract socket.
        if (name.is_empty() && address.is_none()) || name.starts_with('@') {
            return Err("libpq's own socket".to_owned());
        }
        let port = ports.get(index).or_else(|| ports.first().filter(|_| ports.len() == 1)).copied().unwrap_or_default();
        let port = if port.is_empty() { DEFAULT_PORT } else { port.parse().map_err(|_| format!("port={port}"))? };
        Ok(Host { name: name.to_owned(), address, port })
    };
    if count == 0 {
        return Err("libpq's own socket".to_owned());
    }
    (0..count).map(host).collect()
}

/// Whether the next host may do: nobody answered, or not yet.
fn is_passing(sqlstate: Option<&str>) -> bool {
    sqlstate.is_none_or(|code| code == CANNOT_CONNECT_NOW)
}

async fn within<T>(limit: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, work).await.ok(),
        None => Some(work.await),
    }
}
