//! The client: every call with its token, its retries and its typed errors.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue, RANGE};
use reqwest::{Body, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::body::{Flow, Payload};
use crate::error::{Error, RouteError, UnspecifiedError};
use crate::files::Gate;
use crate::files::gate::prepared;
use crate::grant::Grant;
use crate::header_arg::header_arg;
use crate::retry::Attempts;
use crate::settings::Settings;
use crate::throttle::{Throttle, Throttles};
use crate::transport;

mod space;

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
    grant: Arc<Grant>,
    throttles: Arc<Throttles>,
    space: space::TeamSpace,
}

impl Client {
    /// Makes a client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Settings`] if the extra certificate authority is not PEM, or a size cannot work.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        settings.check()?;
        let inner = Inner {
            http: transport::http_client(&settings)?,
            grant: Grant::of(&settings),
            throttles: Throttles::shared(settings.bandwidth),
            space: space::TeamSpace::default(),
            settings,
        };
        Ok(Self { inner: Arc::new(inner) })
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
        let body: Bytes =
            self.retrying::<_, E>(&Call { route, kind: Kind::Rpc { json: json.into() }, gate: None }).await?;
        transport::parse(route, &body)
    }

    /// The same, tried once: for a call whose lost answer must be settled, not repeated. `gate` is asked right before it is sent.
    pub(crate) async fn rpc_once<A, R, E>(&self, route: &str, argument: &A, gate: Option<&dyn Gate>) -> Result<R, Error>
    where
        A: Serialize,
        R: DeserializeOwned,
        E: DeserializeOwned + Into<RouteError>,
    {
        let json = serde_json::to_vec(argument).map_err(|error| unserializable(route, &error.to_string()))?;
        let body: Bytes = self.authorized::<_, E>(&Call { route, kind: Kind::Rpc { json: json.into() }, gate }).await?;
        transport::parse(route, &body)
    }

    /// Calls an upload route, once: JSON in a header, data in the body, JSON out. `flow` sees the data move; `gate` is
    /// asked right before it is sent.
    pub(crate) async fn upload_once<A, R, E>(
        &self,
        route: &str,
        argument: &A,
        data: &Payload,
        flow: &Arc<Flow>,
        gate: Option<&dyn Gate>,
    ) -> Result<R, Error>
    where
        A: Serialize,
        R: DeserializeOwned,
        E: DeserializeOwned + Into<RouteError>,
    {
        let kind = Kind::Upload { argument: serialized(route, argument)?, data: data.clone(), flow: Arc::clone(flow) };
        let body: Bytes = self.authorized::<_, E>(&Call { route, kind, gate }).await?;
        transport::parse(route, &body)
    }

    /// Calls a download route, once: JSON in a header; the answer's body is left to the caller. `range` is
    /// `bytes=first-last`.
    pub(crate) async fn download_once<A, E>(
        &self,
        route: &str,
        argument: &A,
        range: Option<String>,
    ) -> Result<Response, Error>
    where
        A: Serialize,
        E: DeserializeOwned + Into<RouteError>,
    {
        let kind = Kind::Download { argument: serialized(route, argument)?, range };
        self.authorized::<_, E>(&Call { route, kind, gate: None }).await
    }

    /// What is shared with all other clients of the grant.
    pub(crate) fn grant(&self) -> &Grant {
        &self.inner.grant
    }

    /// The limit on what is received.
    pub(crate) fn receiving(&self) -> &Throttle {
        &self.inner.throttles.receiving
    }

    /// See [`crate::RetryPolicy`].
    pub(crate) async fn wait_after(&self, error: Error, attempts: &mut Attempts) -> Result<(), Error> {
        self.settings().retry.wait_after(error, attempts).await
    }

    async fn retrying<T: Receive, E>(&self, call: &Call<'_>) -> Result<T, Error>
    where
        E: DeserializeOwned + Into<RouteError>,
    {
        let mut attempts = Attempts::new();
        loop {
            match self.authorized::<T, E>(call).await {
                Ok(value) => return Ok(value),
                Err(error) => self.wait_after(error, &mut attempts).await?,
            }
        }
    }

    /// Calls with an access token and in the right space; if Dropbox refuses the token, once more with a fresh one.
    async fn authorized<T: Receive, E>(&self, call: &Call<'_>) -> Result<T, Error>
    where
        E: DeserializeOwned + Into<RouteError>,
    {
        let Inner { http, settings, grant, .. } = &*self.inner;
        let mut renewed = false;
        loop {
            let preparing = async {
                let token = grant.tokens.access(http, settings).await?;
                let root = self.path_root(call.route).await?;
                let turn = if changes_namespace(call.route) { Some(grant.change.lock().await) } else { None };
                Ok((token, root, turn))
            };
            let (token, root, _turn) = match call.gate {
                Some(gate) => prepared(gate, preparing).await?,
                None => preparing.await?,
            };
            match self.exchange::<T, E>(call, &token, root.as_ref()).await {
                Err(Error::Auth(error)) if error.is_about_the_token() && !renewed => {
                    grant.tokens.discard(&token).await;
                    renewed = true;
                }
                result => return result,
            }
        }
    }

    async fn exchange<T: Receive, E>(
        &self,
        call: &Call<'_>,
        token: &SecretString,
        root: Option<&HeaderValue>,
    ) -> Result<T, Error>
    where
        E: DeserializeOwned + Into<RouteError>,
    {
        let request = self.request(call, token);
        let request = root.into_iter().fold(request, |request, root| request.header(space::HEADER, root));
        let exchange = transport::exchange::<E>(call.route, request);
        let timeouts = &self.settings().timeouts;
        match &call.kind {
            Kind::Rpc { .. } => {
                let whole = async { T::receive(call.route, exchange.await?).await };
                tokio::time::timeout(timeouts.answer, whole)
                    .await
                    .unwrap_or_else(|_| Err(transport::timed_out(call.route)))
            }
            Kind::Upload { data, flow, .. } => {
                flow.start();
                let whole = async { T::receive(call.route, exchange.await?).await };
                tokio::select! {
                    result = whole => result,
                    () = flow.stalled(data.len(), timeouts.idle, timeouts.answer) => Err(transport::timed_out(call.route)),
                }
            }
            // Only the beginning of a download is bounded here: its body takes as long as it takes.
            Kind::Download { .. } => {
                let begun = tokio::time::timeout(timeouts.idle, exchange).await;
                T::receive(call.route, begun.unwrap_or_else(|_| Err(transport::timed_out(call.route)))?).await
            }
        }
    }

    fn request(&self, call: &Call<'_>, token: &SecretString) -> RequestBuilder {
        let endpoints = &self.settings().endpoints;
        let mut url = if let Kind::Rpc { .. } = call.kind { endpoints.api.clone() } else { endpoints.content.clone() };
        url.set_path(&format!("/2/{}", call.route));
        let request = self.inner.http.post(url).bearer_auth(token.expose_secret());
        match &call.kind {
            Kind::Rpc { json } => request.header(CONTENT_TYPE, "application/json").body(json.clone()),
            Kind::Upload { argument, data, flow } => request
                .header(ARGUMENT, argument)
                .header(CONTENT_TYPE, "application/octet-stream")
                .body(Body::wrap(data.body(Arc::clone(flow), Arc::clone(&self.inner.throttles.sending)))),
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
    /// Asked right before the call is sent.
    gate: Option<&'a dyn Gate>,
}

enum Kind {
    Rpc { json: Bytes },
    Upload { argument: HeaderValue, data: Payload, flow: Arc<Flow> },
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

/// Two such calls at once get in each other's way at Dropbox, which answers one of them with `too_many_write_operations`.
fn changes_namespace(route: &str) -> bool {
    matches!(
        route,
        "files/upload"
            | "files/upload_session/finish"
            | "files/upload_session/finish_batch_v2"
            | "files/create_folder_v2"
            | "files/copy_v2"
            | "files/delete_v2"
    )
}

fn serialized(route: &str, argument: &impl Serialize) -> Result<HeaderValue, Error> {
    header_arg(argument).ok_or_else(|| unserializable(route, "not a header"))
}

fn unserializable(route: &str, reason: &str) -> Error {
    Error::Settings(format!("the argument of {route} cannot be sent: {reason}"))
}
