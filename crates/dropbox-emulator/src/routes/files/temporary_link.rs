//! `files/get_temporary_link`, and the link itself, which needs no token and lives for four hours.

use hyper::StatusCode;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use super::download;
use crate::app::{App, Link};
use crate::failure::Failure;
use crate::http::answer::{self, Answer};
use crate::http::request::Head;
use crate::random;
use crate::routes::{Arg, Caller};

/// What links begin with, after the host and a slash.
pub(crate) const PREFIX: &str = "apitl/1/";

/// How long a link can be opened; then 410.
const LIFETIME: SignedDuration = SignedDuration::from_hours(4);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TemporaryLinkArg {
    path: String,
}

/// Makes a link to the file as it is now.
pub(crate) fn create(caller: &Caller, arg: &Arg) -> Result<Value, Failure> {
    let TemporaryLinkArg { path } = arg.parse()?;
    let (content, fields) = download::find(caller, arg, &path)?;
    let word = random::secret();
    let link = format!("{}/{PREFIX}{word}", caller.app.base_url());
    let expires = caller.app.clock.now() + LIFETIME;
    caller.app.change(|account| account.links.insert(word, Link { content, expires }));
    Ok(json!({ "metadata": fields, "link": link }))
}

/// Opens a link.
pub(crate) fn open(app: &App, head: &Head, word: &str) -> Result<Answer, Failure> {
    let link = app.account().links.get(word).cloned();
    match link {
        None => Ok(answer::text(StatusCode::NOT_FOUND, "There is no such link.".to_owned())),
        Some(link) if link.expires <= app.clock.now() => {
            Ok(answer::text(StatusCode::GONE, "This link has expired.".to_owned()))
        }
        Some(link) => download::serve(&link.content, head.headers(), app.config.store),
    }
}
