//! What a client needs to know before its first call.

use std::num::NonZeroU64;
use std::time::Duration;

use secrecy::SecretString;
use url::{Host, Url};

use crate::content_hash::BLOCK_SIZE;
use crate::error::Error;
use crate::retry::RetryPolicy;

/// Dropbox takes no larger request; this is the largest multiple of [`crate::BLOCK_SIZE`] below its 150 MiB.
pub(crate) const LARGEST_CHUNK: usize = 148 * 1024 * 1024;

/// A transfer that makes no progress for this long fails.
pub(crate) const DEFAULT_STALL: Duration = Duration::from_secs(30 * 60);

const MIB: usize = 1024 * 1024;

/// A client's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The app's key (OAuth client id), from the Dropbox App Console.
    pub app_key: String,
    /// The app's secret. Not needed with PKCE; a grant that was got with it needs it for every refresh too.
    pub app_secret: Option<SecretString>,
    /// The grant. None before the first authorization.
    pub refresh_token: Option<SecretString>,
    /// Where Dropbox is.
    pub endpoints: Endpoints,
    /// A certificate authority to trust besides the system's, as PEM.
    pub extra_ca: Option<Vec<u8>>,
    /// How often and how patiently a call is tried again.
    pub retry: RetryPolicy,
    /// Bytes per request of an upload session to begin with, a multiple of [`BLOCK_SIZE`]. Long files get larger chunks as
    /// far as `memory` allows.
    pub chunk_size: usize,
    /// Bytes that one transfer keeps in memory at most; at least two chunks.
    pub memory: usize,
    /// Connections that move content at once, at most.
    pub parallelism: usize,
    /// Bytes per second in each direction, shared by all clients of the process with the same limit. `None` is no limit.
    pub bandwidth: Option<NonZeroU64>,
    /// How long to wait for what does not come.
    pub timeouts: Timeouts,
    /// Which space paths are in.
    pub space: Space,
    /// The root namespace of the team space that was chosen ([`crate::users::RootInfo`]), to refuse any other one. `None` takes
    /// the account's at the client's first call, and refuses any other one from then on.
    pub team_root: Option<String>,
}

/// The root of all paths of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Space {
    /// The member's own folder, or the app's folder (what Dropbox gives to a call that says nothing).
    #[default]
    Home,
    /// The team's space, where team folders lie (DOC: team files guide). Apps with app folder access cannot see it.
    Team,
}

/// Bounds for waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Maximum time to connect.
    pub connect: Duration,
    /// A connection over which no byte moves for so long is given up, and the call tried again.
    pub idle: Duration,
    /// So long Dropbox may take to answer once a request is sent.
    pub answer: Duration,
    /// A transfer that gets nowhere for so long fails, with the cause.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            answer: Duration::from_secs(120),
            stall: DEFAULT_STALL,
        }
    }
}

/// Whether a user waits for a client's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Patience {
    /// A user waits: a Dropbox that cannot be reached fails within seconds.
    Interactive,
    /// A scheduled run: its first call is retried for as long as a transfer is.
    Unattended,
}

impl Settings {
    /// Settings for Dropbox itself.
    pub fn new(app_key: impl Into<String>) -> Self {
        Self {
            app_key: app_key.into(),
            app_secret: None,
            refresh_token: None,
            endpoints: Endpoints::default(),
            extra_ca: None,
            retry: RetryPolicy::default(),
            chunk_size: BLOCK_SIZE,
            memory: 128 * 1024 * 1024,
            parallelism: 32,
            bandwidth: None,
            timeouts: Timeouts::default(),
            space: Space::default(),
            team_root: None,
        }
    }

    /// Sets the retries and timeouts that belong to a patience. Callbacks are kept.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        let (retry, timeouts) = match patience {
            Patience::Interactive => (
                RetryPolicy::interactive(),
                Timeouts { connect: Duration::from_secs(5), answer: Duration::from_secs(30), ..Timeouts::default() },
            ),
            Patience::Unattended => (RetryPolicy::unattended(), Timeouts::default()),
        };
        let RetryPolicy { jitter, on_wait, .. } = self.retry;
        Self { retry: RetryPolicy { jitter, on_wait, ..retry }, timeouts, ..self }
    }

    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Settings(reason));
        if self.chunk_size == 0 || !self.chunk_size.is_multiple_of(BLOCK_SIZE) || self.chunk_size > LARGEST_CHUNK {
            return refuse(format!(
                "a chunk must be a multiple of 4 MiB, 148 MiB at most, not {} bytes",
                self.chunk_size
            ));
        }
        if self.memory < 2 * self.chunk_size {
            let needed = 2 * self.chunk_size / MIB;
            return refuse(format!("a transfer to Dropbox needs {needed} MiB of memory at least: allow that much"));
        }
        if self.parallelism == 0 {
            return refuse("at least one connection must be allowed".to_owned());
        }
        Ok(())
    }
}

/// Base addresses, without a path. Plain HTTP is accepted for loopback addresses only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// RPC routes and the token endpoint.
    pub api: Url,
    /// Uploads and downloads.
    pub content: Url,
    /// The consent page.
    pub web: Url,
}

impl Default for Endpoints {
    #[expect(clippy::expect_used, reason = "three constant addresses that a test parses")]
    fn default() -> Self {
        Self::parse("https://api.dropboxapi.com", "https://content.dropboxapi.com", "https://www.dropbox.com")
            .expect("constant addresses are valid")
    }
}

impl Endpoints {
    /// Reads three base addresses.
    ///
    /// # Errors
    /// [`Error::Settings`] names the address that is no URL, or would send tokens unencrypted over a network.
    pub fn parse(api: &str, content: &str, web: &str) -> Result<Self, Error> {
        Ok(Self { api: base_url(api)?, content: base_url(content)?, web: base_url(web)? })
    }
}

fn base_url(text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).map_err(|error| Error::Settings(format!("'{text}' is not a web address: {error}")))?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err(Error::Settings(format!("'{text}' would send tokens over the network unencrypted: use https"))),
        _ => Err(Error::Settings(format!("'{text}' must start with https://"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_only_on_loopback() {
        for good in ["https://api.example", "http://localhost:1", "http://127.0.0.1:80", "http://[::1]:5"] {
            assert!(Endpoints::parse(good, good, good).is_ok(), "{good}");
        }
        for bad in
            ["http://api.example", "http://192.168.1.1", "ftp://localhost", "nonsense", "http://localhost.evil.example"]
        {
            assert!(Endpoints::parse(bad, "https://a", "https://a").is_err(), "{bad}");
        }
        assert_eq!(Endpoints::default().api.host_str(), Some("api.dropboxapi.com"));
    }
}
