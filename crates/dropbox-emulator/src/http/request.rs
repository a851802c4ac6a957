//! A request's head, and the few things that every route asks of it.

use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::http::request::Parts;

/// A request without its body.
pub(crate) struct Head {
    parts: Parts,
}

impl Head {
    /// Takes a request's head.
    pub(crate) fn new(parts: Parts) -> Head {
        Head { parts }
    }

    /// `/2/files/upload`.
    pub(crate) fn path(&self) -> &str {
        self.parts.uri.path()
    }

    /// `GET`, `POST`, ...
    pub(crate) fn method(&self) -> &hyper::Method {
        &self.parts.method
    }

    /// All headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// A header's text; `None` if it is missing or not UTF-8.
    pub(crate) fn header(&self, name: impl hyper::header::AsHeaderName) -> Option<&str> {
        // Not `to_str`, which takes ASCII only: rclone sends file names as raw UTF-8.
        std::str::from_utf8(self.parts.headers.get(name)?.as_bytes()).ok()
    }

    /// The host that the caller believes to be talking to, without the port.
    pub(crate) fn host(&self) -> Option<&str> {
        self.header(HOST)?.split(':').next()
    }

    /// The content type as sent; empty if there is none.
    pub(crate) fn content_type(&self) -> &str {
        self.header(CONTENT_TYPE).unwrap_or_default()
    }

    /// The URL's parameters, decoded.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        decode_form(self.parts.uri.query().unwrap_or_default())
    }

    /// One of the URL's parameters.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.query().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// The pairs of a form or of a query string.
pub(crate) fn decode_form(text: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}
