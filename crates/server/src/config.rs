//! What a server is told at its start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use adapter::Registry;
use adapter::authorization::Environment;
use catalog::{KeySource, Location};
use channels::ChannelAdapter;
use channels::egress::Egress;
use destinations::DestinationAdapter;
use ipnet::IpNet;
use jiff::SignedDuration;
use sources::SourceAdapter;
use url::Url;

/// A server's settings.
#[derive(Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The address under which browsers reach it: what redirect URIs start with.
    pub public_url: Url,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The folder of the database, the key and the setup token.
    pub data: PathBuf,
    /// The metadata database.
    pub database: Location,
    /// Folders of this machine that may be used without the permission `administer`.
    pub allowed_paths: Vec<PathBuf>,
    /// Where the master key comes from.
    pub keys: KeySource,
    /// The files that other secrets were read from: a warning tells if others can read them.
    pub secret_files: Vec<PathBuf>,
    /// A configuration that is applied before anything else happens, as `POST /api/configuration` takes it. If it is wrong, the server does not
    /// start.
    pub configuration: Option<serde_json::Value>,
    /// Certificate chain and private key, as PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The kinds of sources and destinations.
    pub adapters: Adapters,
    /// Which addresses channels may connect to.
    pub egress: Egress,
    /// What operators set for adapters, such as how a provider is reached.
    pub environment: Environment,
    /// Runs at once.
    pub max_runs: usize,
    /// How long a database may give or take nothing in a run, and a destination likewise.
    pub stall_timeout: Duration,
    /// A run whose server has said nothing of it for so long is taken from it, where several servers share a database.
    pub lease: Duration,
    /// How long runs may go on after the server was asked to stop.
    pub grace: Duration,
    /// The headers of a request have to arrive in this time, and its body again.
    pub slowest_request: Duration,
    /// No answer takes longer to begin, whatever its operation may take.
    pub slowest_answer: Duration,
    /// A client that takes no byte of an answer for so long is disconnected.
    pub stalled_answer: Duration,
    /// What grows, and how long it is kept.
    pub housekeeping: Housekeeping,
    /// How old the last scan of a destination may be.
    pub scan_interval: SignedDuration,
    /// Names of this server besides the public URL's, `localhost` and addresses, under which browsers may sign in.
    pub allowed_hosts: Vec<String>,
    /// Who becomes the first administrator of a server without users. Without one, a setup token is printed.
    pub first_administrator: Option<FirstAdministrator>,
}

/// Where the first administrator comes from.
#[derive(Debug, Clone)]
pub struct FirstAdministrator {
    /// The name to sign in with.
    pub name: String,
    /// A file whose first line is the password.
    pub password_file: PathBuf,
    /// A file whose first line becomes an API token with every scope.
    pub token_file: Option<PathBuf>,
}

/// How long things are kept that grow with every run or request.
#[derive(Debug, Clone, Copy)]
pub struct Housekeeping {
    /// The logs of runs.
    pub run_logs: SignedDuration,
    /// Runs, but never the last good one of a job. Also what is known of backups that were deleted.
    pub runs: SignedDuration,
    /// The audit log.
    pub audit: SignedDuration,
    /// Sessions that are not used.
    pub session_idle: SignedDuration,
    /// Sessions that are used.
    pub session_age: SignedDuration,
}

impl Housekeeping {
    /// Days that the logs of runs are kept by default.
    pub const RUN_LOG_DAYS: u16 = 90;
    /// Days that runs are kept by default.
    pub const RUN_DAYS: u16 = 400;
    /// Days that the audit log is kept by default.
    pub const AUDIT_DAYS: u16 = 400;

    /// Days after which a session ends that is not used, by default.
    pub const SESSION_IDLE_DAYS: u16 = 3;
    /// Days after which every session ends, by default.
    pub const SESSION_DAYS: u16 = 30;

    /// Makes one of days: for the logs of runs, runs, and the audit log. Sessions have their defaults.
    pub fn of_days(run_logs: u16, runs: u16, audit: u16) -> Self {
        Self {
            run_logs: days(run_logs),
            runs: days(runs),
            audit: days(audit),
            session_idle: days(Self::SESSION_IDLE_DAYS),
            session_age: days(Self::SESSION_DAYS),
        }
    }

    /// Returns the same with other lives of sessions, in days.
    #[must_use]
    pub fn with_sessions(self, idle: u16, age: u16) -> Self {
        Self { session_idle: days(idle), session_age: days(age), ..self }
    }
}

fn days(days: u16) -> SignedDuration {
    SignedDuration::from_hours(i64::from(days) * 24)
}

impl Default for Housekeeping {
    fn default() -> Self {
        Self::of_days(Self::RUN_LOG_DAYS, Self::RUN_DAYS, Self::AUDIT_DAYS)
    }
}

/// The kinds of sources, destinations and channels that a server knows.
#[derive(Debug, Clone)]
pub struct Adapters {
    /// Of sources.
    pub sources: Registry<SourceAdapter>,
    /// Of destinations.
    pub destinations: Registry<DestinationAdapter>,
    /// Of channels.
    pub channels: Registry<ChannelAdapter>,
}

impl Default for Adapters {
    /// Those of this version.
    fn default() -> Self {
        Self { sources: sources::registry(), destinations: destinations::registry(), channels: channels::registry() }
    }
}

/// Hours between scans of a destination, by default.
pub const SCAN_HOURS: u16 = 24;

impl Config {
    /// Hours between scans of a destination as a time.
    pub fn scan_interval(hours: u16) -> SignedDuration {
        SignedDuration::from_hours(hours.into())
    }

    /// Whether browsers reach it by HTTPS, so that cookies can be bound to it.
    pub(crate) fn is_secure(&self) -> bool {
        self.tls.is_some() || self.public_url.scheme() == "https"
    }
}
