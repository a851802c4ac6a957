//! A webhook: the message as JSON, signed.
//!
//! The signature is the HMAC-SHA256 of `<timestamp>.<body>`, in hexadecimal, as `X-Dbackup-Signature: sha256=…`; the timestamp is in
//! `X-Dbackup-Timestamp`, in seconds since 1970. A receiver refuses old timestamps, and drops an `Idempotency-Key` that it has seen.

pub(crate) mod manifest;
mod template;

use adapter::Error;
use adapter::channel::{Channel, Message, Receipt};
use async_trait::async_trait;
use aws_lc_rs::hmac;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, InvalidHeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::http;
use crate::registry::Context;

/// A webhook.
struct Webhook {
    url: Url,
    method: Method,
    /// Headers that the user added. Their values are secrets.
    headers: HeaderMap,
    template: Option<String>,
    key: Option<SecretString>,
    context: Context,
}

#[async_trait]
impl Channel for Webhook {
    fn name(&self) -> String {
        format!("webhook at {}", self.url.host_str().unwrap_or_default())
    }

    async fn send(&self, message: &Message) -> Result<Receipt, Error> {
        let name = self.name();
        let unfit = |error: String| Error::failed(format!("could not send to {name}"), error);
        let body = match &self.template {
            Some(template) => template::fill(template, message).into_bytes(),
            None => serde_json::to_vec(message).map_err(|error| unfit(error.to_string()))?,
        };
        let headers = self.headers(message, &body).map_err(|error| unfit(error.to_string()))?;
        let mut secrets = http::url_secrets(&self.url);
        secrets.extend(self.key.iter().map(ExposeSecret::expose_secret));
        secrets.extend(self.headers.values().filter_map(|value| value.to_str().ok()));
        let request = http::Request {
            service: &name,
            method: self.method.clone(),
            url: self.url.clone(),
            headers,
            body,
            secrets,
        };
        http::send(&self.context.egress, request).await.map(|answer| Receipt::new(&answer))
    }
}

impl Webhook {
    fn headers(&self, message: &Message, body: &[u8]) -> Result<HeaderMap, InvalidHeaderValue> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.extend(self.headers.clone());
        headers.insert("idempotency-key", HeaderValue::from_str(&message.id)?);
        let Some(key) = &self.key else { return Ok(headers) };
        let timestamp = (self.context.clock)().as_second().to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret().as_bytes());
        let tag = hmac::sign(&key, &[timestamp.as_bytes(), b".", body].concat());
        headers.insert("x-dbackup-timestamp", HeaderValue::from_str(&timestamp)?);
        let signature = format!("sha256={}", base16ct::lower::encode_string(tag.as_ref()));
        headers.insert("x-dbackup-signature", HeaderValue::from_str(&signature)?);
        Ok(headers)
    }
}
