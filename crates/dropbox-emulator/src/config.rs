//! What an emulator is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::weather::Weather;

/// The five scopes of the emulated app, as its permissions page would have them ticked.
pub const SCOPES: [&str; 5] =
    ["account_info.read", "files.content.read", "files.content.write", "files.metadata.read", "files.metadata.write"];

/// What is kept of a file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// Everything, on disk.
    Bytes,
    /// Only length and content hash, so that a benchmark can send any amount. Downloads answer 400 with a sentence that
    /// says so: made-up content would fail the caller's own hash check and look like damage.
    Hash,
}

/// How an emulator starts. The default is plain HTTP on a free port of 127.0.0.1, with an app and a refresh token
/// ready to use.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Serve TLS, and write the authority's certificate to `ca.pem` in this folder. `None` serves plain HTTP.
    pub tls_dir: Option<PathBuf>,
    /// The app's key, also called client id.
    pub app_key: String,
    /// The app's secret.
    pub app_secret: String,
    /// A refresh token that is good from the start, with all of [`SCOPES`], with or without the secret.
    pub refresh_token: String,
    /// How long an access token lives. Dropbox: 14,400 s.
    pub token_lifetime: Duration,
    /// The account's allowance in bytes. In a team it is the team's and the member's.
    pub quota: u64,
    /// Keep files and metadata here across restarts. `None` keeps bytes in a temporary folder.
    pub state: Option<PathBuf>,
    /// What is kept of the files' bytes.
    pub store: Store,
    /// Also open a CONNECT proxy here that leads Dropbox's host names to this emulator. Only with TLS.
    pub proxy: Option<SocketAddr>,
    /// The redirect URIs registered for the app, compared exactly. If there are none, any `http://localhost` and
    /// `http://127.0.0.1` passes.
    pub redirect_uris: Vec<String>,
    /// Be a team account, whose root namespace is not the member's home.
    pub team_root: bool,
    /// Network conditions from the start.
    pub weather: Weather,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls_dir: None,
            app_key: "emulator-app-key".to_owned(),
            app_secret: "emulator-app-secret".to_owned(),
            refresh_token: "emulator-refresh-token".to_owned(),
            token_lifetime: Duration::from_secs(14_400),
            quota: 2 << 30,
            state: None,
            store: Store::Bytes,
            proxy: None,
            redirect_uris: Vec::new(),
            team_root: false,
            weather: Weather::default(),
        }
    }
}
