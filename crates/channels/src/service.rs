//! A service that takes a message as one JSON request: what all chats and pushes share. Each of them adds its settings and the body.

use std::sync::Arc;

use adapter::channel::{Channel, Message, Receipt};
use adapter::{Error, FieldError, Secrets, Settings};
use async_trait::async_trait;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use crate::egress::{Egress, check_url};
use crate::http;
use crate::registry::Context;

/// The name of the secret field that holds a URL.
pub(crate) const URL: &str = "url";
/// The name of the field that holds a server's base URL.
pub(crate) const SERVER: &str = "server";
/// The name of the secret field that holds a token.
pub(crate) const TOKEN: &str = "token";

/// Minimum length in bytes of a part of a URL that is removed from answers. Shorter parts are words such as `workflows`.
const MIN_SECRET_LEN: usize = 10;

/// Returns the JSON of a message.
pub(crate) type Body = Box<dyn Fn(&Message) -> Value + Send + Sync>;

/// A service.
pub(crate) struct Service {
    name: &'static str,
    url: Url,
    headers: HeaderMap,
    secrets: Vec<SecretString>,
    body: Body,
    judge: fn(Result<String, Error>) -> Result<String, Error>,
    egress: Egress,
}

impl Service {
    /// Creates a service. Its URL is not taken for a secret.
    pub(crate) fn new(name: &'static str, url: Url, context: &Context, body: Body) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Self { name, url, headers, secrets: Vec::new(), body, judge: |answer| answer, egress: context.egress.clone() }
    }

    /// Creates a service whose URL, a field of its own, is a secret.
    ///
    /// # Errors
    /// If the URL is missing or cannot be used.
    pub(crate) fn at_secret_url(
        name: &'static str,
        secrets: &mut Secrets,
        context: &Context,
        body: Body,
    ) -> Result<Self, Error> {
        let url = required(name, URL, secrets)?;
        let url =
            check_url(url.expose_secret()).map_err(|problem| Error::invalid(format!("the URL of {name} {problem}")))?;
        let service = Self::new(name, url, context, body);
        let parts = secret_parts(&service.url);
        Ok(parts.into_iter().fold(service, Self::hiding))
    }

    /// Removes a secret from answers.
    #[must_use]
    pub(crate) fn hiding(mut self, secret: SecretString) -> Self {
        self.secrets.push(secret);
        self
    }

    /// Sends a secret in a header, and removes it from answers.
    ///
    /// # Errors
    /// If the secret cannot stand in a header.
    pub(crate) fn with_header(mut self, name: HeaderName, prefix: &str, secret: SecretString) -> Result<Self, Error> {
        let value = HeaderValue::from_str(&format!("{prefix}{}", secret.expose_secret()));
        let mut value =
            value.map_err(|_| Error::invalid(format!("the token of {} holds characters no token has", self.name)))?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self.hiding(secret))
    }

    /// Judges answers by more than their status.
    #[must_use]
    pub(crate) fn judged_by(mut self, judge: fn(Result<String, Error>) -> Result<String, Error>) -> Self {
        self.judge = judge;
        self
    }

    /// Adds a parameter to the URL.
    #[must_use]
    pub(crate) fn with_parameter(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// Completes the service.
    pub(crate) fn build(self) -> Arc<dyn Channel> {
        Arc::new(self)
    }
}

#[async_trait]
impl Channel for Service {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn send(&self, message: &Message) -> Result<Receipt, Error> {
        let request = http::Request {
            service: self.name,
            method: Method::POST,
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: (self.body)(message).to_string().into_bytes(),
            secrets: self.secrets.iter().map(ExposeSecret::expose_secret).collect(),
        };
        let answer = http::send(&self.egress, request).await;
        (self.judge)(answer).map(|answer| Receipt::new(&answer))
    }
}

/// Returns the parts of a URL that may be secrets.
fn secret_parts(url: &Url) -> Vec<SecretString> {
    let segments = url.path().split('/').map(str::to_owned);
    let parameters = url.query_pairs().map(|(_, value)| value.into_owned());
    segments.chain(parameters).filter(|part| part.len() >= MIN_SECRET_LEN).map(SecretString::from).collect()
}

/// Returns a secret that the service needs.
///
/// # Errors
/// If it is missing.
pub(crate) fn required(service: &str, name: &str, secrets: &mut Secrets) -> Result<SecretString, Error> {
    secrets.remove(name).ok_or_else(|| Error::invalid(format!("{service} has no '{name}'")))
}

/// Returns the URL of a path on the server that the settings name, below the server's own path.
///
/// # Errors
/// If the server's URL cannot be used.
pub(crate) fn endpoint(settings: &Settings, path: &[&str]) -> Result<Url, Error> {
    let server = settings.text(SERVER).unwrap_or_default();
    let unusable = |problem| Error::invalid(format!("the server's URL {problem}"));
    let mut url = check_server_url(server).map_err(unusable)?;
    url.path_segments_mut().map_err(|()| unusable("must start with https:// or http://"))?.pop_if_empty().extend(path);
    Ok(url)
}

/// Checks the field [`SERVER`].
pub(crate) fn check_server(settings: &mut Settings, errors: &mut Vec<FieldError>) {
    if let Err(problem) = check_server_url(settings.text(SERVER).unwrap_or_default()) {
        errors.push(FieldError::new(SERVER, problem));
    }
}

fn check_server_url(text: &str) -> Result<Url, &'static str> {
    let url = check_url(text)?;
    if url.query().is_some() || url.fragment().is_some() { Err("must not hold ? or #") } else { Ok(url) }
}
