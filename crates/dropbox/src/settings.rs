//! What a client needs to know before its first call.

use secrecy::SecretString;
use url::{Host, Url};

use crate::error::Error;
use crate::retry::RetryPolicy;

/// Bytes sent in one request of an upload session unless set otherwise; a multiple of [`crate::BLOCK_SIZE`].
pub(crate) const DEFAULT_CHUNK_SIZE: usize = 16 * 1024 * 1024;

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
    /// Bytes per request of an upload session.
    pub chunk_size: usize,
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
            chunk_size: DEFAULT_CHUNK_SIZE,
        }
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
