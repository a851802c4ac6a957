//! The client: every call with its token, its retries and its typed errors.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, RANGE};
use reqwest::{RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::{AuthError, Error, RouteError, UnspecifiedError};
use crate::header_arg::header_arg;
use crate::settings::Settings;
use crate::token::Tokens;
use crate::transport;

/// RPC answers come within this time.
const RPC_TIMEOUT: Duration = Duration::from_secs(100);
/// An upload request may take this long, and longer by what its body needs on the slowest line that is worth waiting for.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(300);
const SLOWEST_BYTES_PER_SECOND: u64 = 16 * 1024;

/// A client for one Dropbox account. Clones share connections and access token.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    settings: Settings,
    tokens: Tokens,
}

impl Client {
    /// Makes a client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Settings`] if the extra certificate authority is not PEM.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let http = transport::http_client(&settings)?;
        Ok(Self { inner: Arc::new(Inner { http, settings, tokens: Tokens::default() }) })
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Revokes the grant: the refresh token and every access token made from it.
    ///
    /// # Errors
    /// As every call.
    pub async fn revoke(&self) -> Result<(), Error> {
        let () = self.rpc::<_, _, UnspecifiedError>("auth/token/revoke", &()).await?;
        Ok(())
    }

    /// Calls an RPC route: JSON in, JSON out.
    pub(crate) async fn rpc<A, R, E>(&self, route: &str, argument: &A) -> Result<R, Error>
    where
        A: Serialize,
        R: DeserializeOwned,
        E: DeserializeOwned + Into<RouteError>,
    {
        let json = serde_json::to_vec(argument).map_err(|error| unserializable(route, &error.to_string()))?;
        self.retrying(async |token| {
            let request = self
                .post(&self.settings().endpoints.api, route, token)
                .timeout(RPC_TIMEOUT)
                .header(CONTENT_TYPE, "application/json")
                .body(json.clone());
            let response = transport::exchange::<E>(route, request).await?;
            transport::parse(route, &transport::body(route, response).await?)
        })
        .await
    }

    /// Calls an upload route: JSON in a header, data in the body, JSON out.
    pub(crate) async fn upload<A, R, E>(&self, route: &str, argument: &A, data: &Bytes) -> Result<R, Error>
    where
        A: Serialize,
        R: DeserializeOwned,
        E: DeserializeOwned + Into<RouteError>,
    {
        self.retrying(async |token| self.upload_with::<A, R, E>(route, argument, data, token).await).await
    }

    /// The same, tried once: for calls whose lost answer must be settled, not repeated.
    pub(crate) async fn upload_once<A, R, E>(&self, route: &str, argument: &A, data: &Bytes) -> Result<R, Error>
    where
        A: Serialize,
        R: DeserializeOwned,
        E: DeserializeOwned + Into<RouteError>,
    {
        self.authorized(async |token| self.upload_with::<A, R, E>(route, argument, data, token).await).await
    }

    async fn upload_with<A, R, E>(
        &self,
        route: &str,
        argument: &A,
        data: &Bytes,
        token: &SecretString,
    ) -> Result<R, Error>
    where
        A: Serialize,
        R: DeserializeOwned,
        E: DeserializeOwned + Into<RouteError>,
    {
        let slowest = Duration::from_secs(data.len() as u64 / SLOWEST_BYTES_PER_SECOND);
        let request = self
            .with_argument(route, argument, token)?
            .timeout(UPLOAD_TIMEOUT + slowest)
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(data.clone());
        let response = transport::exchange::<E>(route, request).await?;
        transport::parse(route, &transport::body(route, response).await?)
    }

    /// Calls a download route: JSON in a header; the answer's body is left to the caller. `from` is the first byte wanted,
    /// `to` the one after the last.
    pub(crate) async fn download<A, E>(
        &self,
        route: &str,
        argument: &A,
        from: u64,
        to: Option<u64>,
    ) -> Result<Response, Error>
    where
        A: Serialize,
        E: DeserializeOwned + Into<RouteError>,
    {
        self.retrying(async |token| {
            let mut request = self.with_argument(route, argument, token)?;
            if from > 0 || to.is_some() {
                let last = to.map(|to| (to - 1).to_string()).unwrap_or_default();
                request = request.header(RANGE, format!("bytes={from}-{last}"));
            }
            transport::exchange::<E>(route, request).await
        })
        .await
    }

    /// See [`crate::RetryPolicy`].
    pub(crate) async fn wait_after(&self, error: Error, retry: u32) -> Result<(), Error> {
        self.settings().retry.wait_after(error, retry).await
    }

    async fn retrying<T>(&self, mut call: impl AsyncFnMut(&SecretString) -> Result<T, Error>) -> Result<T, Error> {
        let mut retry = 0;
        loop {
            match self.authorized(&mut call).await {
                Ok(value) => return Ok(value),
                Err(error) => self.wait_after(error, retry).await?,
            }
            retry += 1;
        }
    }

    /// Calls with an access token; if Dropbox refuses that one, once more with a fresh one.
    async fn authorized<T>(&self, mut call: impl AsyncFnMut(&SecretString) -> Result<T, Error>) -> Result<T, Error> {
        let Inner { http, settings, tokens } = &*self.inner;
        let token = tokens.access(http, settings).await?;
        match call(&token).await {
            Err(Error::Auth(AuthError::ExpiredAccessToken | AuthError::InvalidAccessToken)) => {
                tokens.discard(&token).await;
                call(&tokens.access(http, settings).await?).await
            }
            result => result,
        }
    }

    fn with_argument<A: Serialize>(
        &self,
        route: &str,
        argument: &A,
        token: &SecretString,
    ) -> Result<RequestBuilder, Error> {
        let header = header_arg(argument).ok_or_else(|| unserializable(route, "not a header"))?;
        Ok(self.post(&self.settings().endpoints.content, route, token).header("Dropbox-API-Arg", header))
    }

    fn post(&self, base: &Url, route: &str, token: &SecretString) -> RequestBuilder {
        let mut url = base.clone();
        url.set_path(&format!("/2/{route}"));
        self.inner.http.post(url).bearer_auth(token.expose_secret())
    }
}

fn unserializable(route: &str, reason: &str) -> Error {
    Error::Settings(format!("the argument of {route} cannot be sent: {reason}"))
}
