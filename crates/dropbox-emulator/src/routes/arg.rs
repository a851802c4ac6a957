//! A call's argument: JSON in the body, in the header `Dropbox-API-Arg`, or in the URL parameter `arg`.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::failure::Failure;
use crate::http::request::Head;

/// The content types that a style takes, as 400 answers list them.
pub(super) struct ContentTypes {
    listed: &'static [&'static str],
    /// Whether there may be none.
    optional: bool,
}

pub(super) const RPC: ContentTypes = ContentTypes {
    listed: &["application/json", "application/json; charset=utf-8", "text/plain; charset=dropbox-cors-hack"],
    optional: true,
};
pub(super) const UPLOAD: ContentTypes =
    ContentTypes { listed: &["application/octet-stream", "text/plain; charset=dropbox-cors-hack"], optional: false };
pub(super) const DOWNLOAD: ContentTypes = ContentTypes {
    listed: &[
        "application/octet-stream",
        "application/octet-stream; charset=utf-8",
        "text/plain",
        "text/plain; charset=utf-8",
        "text/plain; charset=dropbox-cors-hack",
    ],
    optional: true,
};

/// Refuses what the style does not take.
pub(super) fn check_content_type(head: &Head, types: &ContentTypes) -> Result<(), Failure> {
    let sent = head.content_type();
    let is_good = types.optional && sent.is_empty() || types.listed.contains(&sent.to_lowercase().as_str());
    if is_good {
        return Ok(());
    }
    let listed: Vec<String> = types.listed.iter().map(|listed| format!("\"{listed}\"")).collect();
    let problem = format!("Bad HTTP \"Content-Type\" header: \"{sent}\". Expecting one of {}.", listed.join(", "));
    Err(Failure::BadInput(problem))
}

/// An argument that is not read yet.
pub(crate) struct Arg {
    text: String,
    /// How 400 answers call the place where it was.
    pub(crate) place: &'static str,
}

impl Arg {
    /// From the body.
    pub(super) fn body(text: String) -> Arg {
        Arg { text, place: "request body" }
    }

    /// From the header, raw UTF-8 or escaped, or from the URL.
    pub(super) fn header(head: &Head) -> Result<Arg, Failure> {
        const HEADER: &str = "HTTP header \"Dropbox-API-Arg\"";
        const PARAMETER: &str = "URL parameter \"arg\"";
        let is_sent = head.headers().contains_key("dropbox-api-arg");
        let (text, place) = match (head.header("dropbox-api-arg"), head.parameter("arg")) {
            (None, _) if is_sent => return Err(Failure::BadInput(format!("{HEADER}: not UTF-8"))),
            (Some(_), Some(_)) => {
                return Err(Failure::BadInput(format!("Must not provide both {HEADER} and {PARAMETER}.")));
            }
            (None, None) => return Err(Failure::BadInput(format!("Must provide {HEADER} or {PARAMETER}."))),
            (Some(text), None) => (text.to_owned(), HEADER),
            (None, Some(text)) => (text, PARAMETER),
        };
        Ok(Arg { text, place })
    }

    /// The argument as `T`, which names every field that the route knows.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.text).map_err(|error| match error.classify() {
            Category::Data => self.refuse(&error.to_string()),
            Category::Io | Category::Syntax | Category::Eof => self.refuse("could not decode input as JSON"),
        })
    }

    /// Checks the argument of a route that takes none: nothing at all (Go, JS) or `null` (Python).
    pub(crate) fn expect_void(&self) -> Result<(), Failure> {
        match self.text.trim() {
            "" | "null" => Ok(()),
            _ => Err(self.refuse("expected null")),
        }
    }

    /// A 400 that says what is wrong with it.
    pub(crate) fn refuse(&self, problem: &str) -> Failure {
        Failure::BadInput(format!("{}: {problem}", self.place))
    }
}
