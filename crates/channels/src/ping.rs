//! A ping URL in the style of Healthchecks: <https://healthchecks.io/docs/http_api/>.
//!
//! A run pings `<url>/start` at its start, `<url>` when it has succeeded, and `<url>/fail` with the end of its log when it has failed.
//! `rid` ties the two pings of a run together. What is no sign of life of a run goes to `<url>/log`, which changes no state.

pub(crate) mod manifest;

use adapter::channel::{Channel, MAX_LOG_END, Message, Receipt, Signal};
use adapter::{Error, Kind, Retry};
use async_trait::async_trait;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use url::Url;

use crate::http;
use crate::registry::Context;

/// A ping URL.
struct PingUrl {
    url: Url,
    context: Context,
}

#[async_trait]
impl Channel for PingUrl {
    fn name(&self) -> String {
        format!("ping URL at {}", self.url.host_str().unwrap_or_default())
    }

    async fn send(&self, message: &Message) -> Result<Receipt, Error> {
        let name = self.name();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        let request = http::Request {
            service: &name,
            method: Method::POST,
            url: address(&self.url, message),
            headers: HeaderMap::from_iter([(CONTENT_TYPE, text)]),
            body: body(message).into_bytes(),
            secrets: http::url_secrets(&self.url),
        };
        let answer = http::send(&self.context.egress, request).await?;
        ignored(&name, &answer).map_or_else(|| Ok(Receipt::new(&answer)), Err)
    }
}

fn address(url: &Url, message: &Message) -> Url {
    let suffix = match &message.ping {
        None => "/log",
        Some(ping) => match ping.signal {
            Signal::Start => "/start",
            Signal::Success => "",
            Signal::Fail => "/fail",
        },
    };
    let mut address = url.clone();
    address.set_path(&format!("{}{suffix}", url.path().trim_end_matches('/')));
    if let Some(ping) = &message.ping {
        address.query_pairs_mut().append_pair("rid", &ping.run);
    }
    address
}

fn body(message: &Message) -> String {
    match &message.ping {
        None => message.title.clone(),
        Some(ping) if ping.signal == Signal::Fail => end(&ping.log_end).to_owned(),
        Some(_) => String::new(),
    }
}

/// Returns the last [`MAX_LOG_END`] bytes of a log, from the start of a character.
fn end(log: &str) -> &str {
    let start = log.len().saturating_sub(MAX_LOG_END);
    let start = (start..=log.len()).find(|index| log.is_char_boundary(*index));
    start.map_or("", |start| &log[start..])
}

/// Returns the error of a ping that Healthchecks ignored: it answers those with status 200, too.
fn ignored(name: &str, answer: &str) -> Option<Error> {
    let what = || format!("could not send to {name}");
    match answer.trim() {
        "OK (not found)" => {
            let error = Error::new(Kind::NotFound, what(), "there is no such check");
            Some(error.cure("Create the check there, then enter its ping URL again."))
        }
        "OK (rate limited)" => {
            Some(Error::new(Kind::Unavailable, what(), "it asks to send less often").retry(Retry::Later))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_starts_with_a_character() {
        let log = format!("ü{}", "a".repeat(MAX_LOG_END - 1));
        assert_eq!(end(&log), &log[2..]);
        assert_eq!((end("short"), end("")), ("short", ""));
    }
}
