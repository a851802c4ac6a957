//! The client: every call with its token, its retries and its typed errors.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue, RANGE};
use reqwest::{RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

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

/// The header that carries a content route's argument.
const ARGUMENT: &str = "Dropbox-API-Arg";

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
        let body: Bytes = self.retrying::<_, E>(&Call { route, kind: Kind::Rpc { json: json.into() } }).await?;
        transport::parse(route, &body)
    }

    /// Calls an upload route: JSON in a header, data in the body, JSON out.
    pub(crate) async fn upload<A, R, E>(&self, route: &str, argument: &A, data: &Bytes) -> Result<R, Error>
    where
        A: Serialize,
        R: DeserializeOwned,
        E: DeserializeOwned + Into<RouteError>,
    {
        let body: Bytes = self.retrying::<_, E>(&upload_call(route, argument, data)?).await?;
        transport::parse(route, &body)
    }

    /// The same, tried once: for calls whose lost answer must be settled, not repeated.
    pub(crate) async fn upload_once<A, R, E>(&self, route: &str, argument: &A, data: &Bytes) -> Result<R, Error>
    where
        A: Serialize,
        R: DeserializeOwned,
        E: DeserializeOwned + Into<RouteError>,
    {
        let body: Bytes = self.authorized::<_, E>(&upload_call(route, argument, data)?).await?;
        transport::parse(route, &body)
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
        let last = to.map(|to| (to - 1).to_string()).unwrap_or_default();
        let range = (from > 0 || to.is_some()).then(|| format!("bytes={from}-{last}"));
        let kind = Kind::Download { argument: serialized(route, argument)?, range };
        self.retrying::<_, E>(&Call { route, kind }).await
    }

    /// See [`crate::RetryPolicy`].
    pub(crate) async fn wait_after(&self, error: Error, retry: u32) -> Result<(), Error> {
        self.settings().retry.wait_after(error, retry).await
    }

    async fn retrying<T: Receive, E>(&self, call: &Call<'_>) -> Result<T, Error>
    where
        E: DeserializeOwned + Into<RouteError>,
    {
        let mut retry = 0;
        loop {
            match self.authorized::<T, E>(call).await {
                Ok(value) => return Ok(value),
                Err(error) => self.wait_after(error, retry).await?,
            }
            retry += 1;
        }
    }

    /// Calls with an access token; if Dropbox refuses that one, once more with a fresh one.
    async fn authorized<T: Receive, E>(&self, call: &Call<'_>) -> Result<T, Error>
    where
        E: DeserializeOwned + Into<RouteError>,
    {
        let Inner { http, settings, tokens } = &*self.inner;
        let token = tokens.access(http, settings).await?;
        match self.exchange::<T, E>(call, &token).await {
            Err(Error::Auth(AuthError::ExpiredAccessToken | AuthError::InvalidAccessToken)) => {
                tokens.discard(&token).await;
                self.exchange::<T, E>(call, &tokens.access(http, settings).await?).await
            }
            result => result,
        }
    }

    async fn exchange<T: Receive, E>(&self, call: &Call<'_>, token: &SecretString) -> Result<T, Error>
    where
        E: DeserializeOwned + Into<RouteError>,
    {
        let exchange = transport::exchange::<E>(call.route, self.request(call, token));
        let response = match call.kind {
            // Only the beginning of a download is bounded here: its body takes as long as it takes.
            Kind::Download { .. } => tokio::time::timeout(transport::READ_TIMEOUT, exchange)
                .await
                .unwrap_or_else(|_| Err(transport::timed_out(call.route)))?,
            Kind::Rpc { .. } | Kind::Upload { .. } => exchange.await?,
        };
        T::receive(call.route, response).await
    }

    fn request(&self, call: &Call<'_>, token: &SecretString) -> RequestBuilder {
        let endpoints = &self.settings().endpoints;
        let mut url = if let Kind::Rpc { .. } = call.kind { endpoints.api.clone() } else { endpoints.content.clone() };
        url.set_path(&format!("/2/{}", call.route));
        let request = self.inner.http.post(url).bearer_auth(token.expose_secret());
        match &call.kind {
            Kind::Rpc { json } => {
                request.timeout(RPC_TIMEOUT).header(CONTENT_TYPE, "application/json").body(json.clone())
            }
            Kind::Upload { argument, data } => {
                let slowest = Duration::from_secs(data.len() as u64 / SLOWEST_BYTES_PER_SECOND);
                request
                    .timeout(UPLOAD_TIMEOUT + slowest)
                    .header(ARGUMENT, argument)
                    .header(CONTENT_TYPE, "application/octet-stream")
                    .body(data.clone())
            }
            Kind::Download { argument, range } => {
                let request = request.header(ARGUMENT, argument);
                range.iter().fold(request, |request, range| request.header(RANGE, range))
            }
        }
    }
}

/// One call, ready to be sent as often as need be.
struct Call<'a> {
    route: &'a str,
    kind: Kind,
}

enum Kind {
    Rpc { json: Bytes },
    Upload { argument: HeaderValue, data: Bytes },
    Download { argument: HeaderValue, range: Option<String> },
}

/// What a call hands to its caller: the whole body (broken off, the call is tried again), or the answer as it streams.
trait Receive: Sized + Send {
    fn receive(route: &str, response: Response) -> impl Future<Output = Result<Self, Error>> + Send;
}

impl Receive for Bytes {
    async fn receive(route: &str, response: Response) -> Result<Self, Error> {
        transport::body(route, response).await
    }
}

impl Receive for Response {
    async fn receive(_: &str, response: Response) -> Result<Self, Error> {
        Ok(response)
    }
}

fn upload_call<'a>(route: &'a str, argument: &impl Serialize, data: &Bytes) -> Result<Call<'a>, Error> {
    Ok(Call { route, kind: Kind::Upload { argument: serialized(route, argument)?, data: data.clone() } })
}

fn serialized(route: &str, argument: &impl Serialize) -> Result<HeaderValue, Error> {
    header_arg(argument).ok_or_else(|| unserializable(route, "not a header"))
}

fn unserializable(route: &str, reason: &str) -> Error {
    Error::Settings(format!("the argument of {route} cannot be sent: {reason}"))
}
