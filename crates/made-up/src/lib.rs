//! A source and a destination that no other file of this repository names, each in one file: what the program does with them, it does
//! for every adapter. Tests register them as a version with more adapters would.

mod cabinet;
mod shelf;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use catalog::{KeyFile, KeySource, Location};
use server::{Adapters, Clock, Config, DataFolder, FirstAdministrator, Server};

pub use cabinet::ADAPTER as SOURCE;
pub use shelf::ADAPTER as DESTINATION;

/// Adds both.
#[must_use]
pub fn with_both(Adapters { sources, destinations, channels }: Adapters) -> Adapters {
    Adapters { sources: sources.with(SOURCE), destinations: destinations.with(DESTINATION), channels }
}

/// Starts a server that has both. Browsers reach it by `localhost` and the port of `listen`.
///
/// # Errors
/// What the server says.
pub async fn serve(
    data: &Path,
    listen: SocketAddr,
    clock: Clock,
    first_administrator: Option<FirstAdministrator>,
) -> Result<Server, String> {
    // Somebody may have been first, with the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let data = DataFolder::open(data)?;
    let public_url = format!("http://localhost:{}", listen.port());
    let config = Config {
        configuration: None,
        secret_files: Vec::new(),
        listen,
        public_url: public_url.parse().map_err(|error| format!("{public_url}: {error}"))?,
        trusted_proxies: Vec::new(),
        data: data.path().to_owned(),
        database: Location::Sqlite(data.path().join("dbackup.db")),
        allowed_paths: Vec::new(),
        keys: KeySource::File(KeyFile::new(data.path())),
        tls: None,
        adapters: with_both(Adapters::default()),
        egress: channels::egress::Egress::default(),
        environment: adapter::authorization::Environment::default(),
        max_runs: 2,
        stall_timeout: Duration::from_secs(1800),
        lease: server::LEASE,
        grace: Duration::ZERO,
        slowest_request: Duration::from_secs(30),
        slowest_answer: Duration::from_secs(60),
        stalled_answer: Duration::from_secs(60),
        allowed_hosts: Vec::new(),
        housekeeping: server::Housekeeping::default(),
        scan_interval: Config::scan_interval(server::SCAN_HOURS),
        first_administrator,
    };
    Server::start(config, data, clock).await.map_err(|error| error.to_string())
}
