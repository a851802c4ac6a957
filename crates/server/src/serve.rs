//! A server from its start to its end.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use adapter::authorization::Providers;
use axum_server::Handle;
use catalog::{Catalog, Token};
use runner::Signer;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::app::{App, Parts};
use crate::authorizations::Clients;
use crate::clock::Clock;
use crate::config::Config;
use crate::configuration::{self, WrongField};
use crate::connections::{Connections, raise_open_files};
use crate::credentials::Credentials;
use crate::data_folder::DataFolder;
use crate::host_paths::HostPaths;
use crate::http::{self, Gates, MAX_BODIES};
use crate::limiter::Limiters;
use crate::listen::Listening;
use crate::listings::Listings;
use crate::loops::{self, Loop, Loops};
use crate::metrics::Metrics;
use crate::notifications::Notifications;
use crate::passwords::Passwords;
use crate::readiness::Readiness;
use crate::runs::Runs;
use crate::runs::executor::CLEAN_UP;
use crate::scans::Scans;
use crate::tls::Certificate;

/// Requests get so long to end after everything else has.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// Maximum time for closing the metadata database, which may not answer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum time that stopping takes beyond the grace time: interrupted runs clean up, requests end, the metadata database is closed,
/// and the process leaves behind what hangs in the operating system (5 s).
pub const STOPPING: Duration =
    Duration::from_secs(CLEAN_UP.as_secs() + LAST_ANSWERS.as_secs() + CLOSE_TIMEOUT.as_secs() + 5);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The metadata database or the key.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// The configuration that was to be applied.
    #[error("the configuration was not applied: {}", in_words(.0))]
    Configuration(Vec<WrongField>),
    /// Anything else.
    #[error("{0}")]
    Start(String),
}

fn in_words(wrong: &[WrongField]) -> String {
    let words = wrong.iter().map(|WrongField { field, message }| format!("{field}: {message}"));
    words.collect::<Vec<_>>().join("; ")
}

/// A server that answers.
pub struct Server {
    app: App,
    address: SocketAddr,
    setup: Option<(Token, PathBuf)>,
    handle: Handle<SocketAddr>,
    listening: JoinHandle<Result<(), String>>,
    working: JoinHandle<()>,
    scheduling: JoinHandle<()>,
    tidying: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    scanning: JoinHandle<()>,
    checking: JoinHandle<()>,
    judging: JoinHandle<()>,
    delivering: JoinHandle<()>,
    _data: DataFolder,
}

impl Server {
    /// Starts one.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn start(config: Config, data: DataFolder, clock: Clock) -> Result<Self, Error> {
        let catalog = Catalog::open(&config.database, &config.keys).await?;
        let signer = signer(&catalog).await?;
        let (listener, address) = bind(config.listen)?;
        let tls = config.tls.as_ref().map(|(chain, key)| Certificate::read(chain, key));
        let certificate = tls.transpose().map_err(Error::Start)?;
        let providers = Providers::of(config.adapters.destinations.manifests(), &config.environment);
        let providers = providers.map_err(|error| Error::Start(error.to_string()))?;
        crate::private_files::warn_of_readable(&config);
        let (patience, stalled) = (config.slowest_request, config.stalled_answer);
        let connections = Connections::new(raise_open_files(), config.trusted_proxies.clone(), stalled);
        let app = App::new(Parts {
            runs: Runs::new(catalog::new_id(clock.now())),
            scans: Scans::default(),
            applying: tokio::sync::Mutex::default(),
            passwords: Passwords::new().map_err(Error::Start)?,
            limiters: Limiters::default(),
            gates: Gates::default(),
            bodies: Arc::new(Semaphore::new(MAX_BODIES)),
            credentials: Credentials::default(),
            providers,
            clients: Clients::default(),
            metrics: Metrics::new(),
            notifications: Notifications::default(),
            readiness: Readiness::default(),
            loops: Loops::default(),
            listings: Listings::default(),
            folders: Listings::default(),
            signer: Arc::new(signer),
            host_paths: HostPaths::new(&config.data, &config.database, &config.allowed_paths),
            catalog,
            clock,
            config,
        });
        let setup = prepare_setup(&app).await?;
        app.recover_ends().await?;
        if app.catalog.is_private() {
            app.settle_abandoned().await?;
            app.catalog.end_abandoned_scans(app.now()).await?;
            app.catalog.release_messages().await?;
        }
        if let Some(wanted) = &app.config.configuration {
            Box::pin(configuration::apply_at_start(&app, wanted.clone())).await.map_err(Error::Configuration)?;
        }
        let handle = Handle::new();
        let router =
            http::router(&app).map_err(|error| Error::Start(format!("the API cannot be described: {error}")))?;
        let listening = Listening { listener, connections, patience, certificate, handle: handle.clone() };
        let listening = tokio::spawn(listening.serve(router));
        let working = background(&app, Loop::Worker, App::work);
        let scheduling = background(&app, Loop::Scheduler, App::schedule);
        let tidying = background(&app, Loop::Housekeeping, App::tidy);
        let sweeping = background(&app, Loop::Leftovers, App::sweep_sources);
        let scanning = background(&app, Loop::Scans, App::scan_destinations);
        let checking = background(&app, Loop::Authorizations, |app| app.check_authorizations(drawn));
        let judging = background(&app, Loop::Notifications, App::judge);
        let delivering = background(&app, Loop::Delivery, App::deliver);
        Ok(Self {
            app,
            address,
            setup,
            handle,
            listening,
            working,
            scheduling,
            tidying,
            sweeping,
            scanning,
            checking,
            judging,
            delivering,
            _data: data,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The setup token and its file, as long as there is no administrator.
    pub fn setup(&self) -> Option<(&str, &std::path::Path)> {
        self.setup.as_ref().map(|(token, path)| (token.expose(), path.as_path()))
    }

    /// Waits until it fails, which it does not as long as all is well.
    ///
    /// # Errors
    /// Why it no longer answers.
    pub async fn failed(&mut self) -> Error {
        match (&mut self.listening).await {
            Ok(Ok(())) => Error::Start("the server has stopped listening".to_owned()),
            Ok(Err(error)) => Error::Start(error),
            Err(error) => Error::Start(error.to_string()),
        }
    }

    /// Stops: no new runs; running ones have their time of grace, and are then stopped and marked interrupted. Each step has a limit,
    /// so that a metadata database that does not answer cannot keep the process.
    pub async fn stop(self) {
        self.app.runs.draining.cancel();
        let drained = async {
            let _ = self.working.await;
            let _ = self.scheduling.await;
            let _ = self.scanning.await;
            let _ = self.checking.await;
            let _ = self.judging.await;
            let _ = self.delivering.await;
            self.app.scans.ended().await;
        };
        if tokio::time::timeout(self.app.config.grace + CLEAN_UP, drained).await.is_err() {
            tracing::error!("runs did not stop in time; they are marked at the next start");
        }
        self.tidying.abort();
        self.sweeping.abort();
        self.handle.graceful_shutdown(Some(LAST_ANSWERS));
        if !self.listening.is_finished() && tokio::time::timeout(LAST_ANSWERS, self.listening).await.is_err() {
            tracing::warn!("requests did not end in time");
        }
        match tokio::time::timeout(CLOSE_TIMEOUT, self.app.catalog.clone().close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the metadata database was not closed properly"),
            Err(_) => tracing::error!("the metadata database does not answer: its connections were left open"),
        }
    }

    /// How many runs are going on.
    pub fn running(&self) -> usize {
        self.app.runs.count()
    }
}

fn background<F>(app: &App, which: Loop, run: fn(App) -> F) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (draining, app) = (app.runs.draining.clone(), app.clone());
    loops::watch(which, draining, move || run(app.clone()))
}

/// Draws a number for jitter. Without randomness there is none.
fn drawn() -> u32 {
    getrandom::u32().unwrap_or_default()
}

fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |error: std::io::Error| {
        Error::Start(format!("could not listen on {address}: {error}. Choose another address with --listen"))
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// The key of this installation, drawn at its first start.
async fn signer(catalog: &Catalog) -> Result<Signer, Error> {
    let unusable = |error: runner::UnusableKey| Error::Start(error.to_string());
    let drawn = Signer::generate().map_err(unusable)?;
    let key = catalog.signing_key(|| Ok(drawn.into())).await?;
    Signer::new(secrecy::ExposeSecret::expose_secret(&key)).map_err(unusable)
}

async fn prepare_setup(app: &App) -> Result<Option<(Token, PathBuf)>, Error> {
    if !app.catalog.has_no_users().await? {
        return Ok(None);
    }
    if let Some(first) = &app.config.first_administrator {
        first.create(app).await?;
        return Ok(None);
    }
    // What an earlier start printed stays good.
    if let Some((token, path)) = crate::setup_token::read(&app.config.data)
        && app.catalog.is_setup_token(&token).await?
    {
        return Ok(Some((token, path)));
    }
    let token = Token::new("")?;
    app.catalog.add_setup_token(&token).await?;
    let path = crate::setup_token::write(&app.config.data, &token).map_err(|error| {
        Error::Start(format!("could not write the setup token into {}: {error}", app.config.data.display()))
    })?;
    Ok(Some((token, path)))
}
