//! How an app says who it is at the token endpoint: HTTP Basic, form fields, or the query string.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::AUTHORIZATION;

use crate::http::request::{Head, decode_form};

/// The parameters of a token request, wherever they came.
pub(crate) struct Parameters {
    pairs: Vec<(String, String)>,
}

impl Parameters {
    /// Gathers them: Basic first (rclone), then the form (most), then the query string (the JS SDK, which sends an
    /// empty body of type JSON).
    pub(crate) fn gather(head: &Head, body: &str) -> Parameters {
        let mut pairs = Vec::new();
        if let Some((id, secret)) = head.header(AUTHORIZATION).and_then(basic) {
            pairs.push(("client_id".to_owned(), id));
            pairs.push(("client_secret".to_owned(), secret));
        }
        if head.content_type().starts_with("application/x-www-form-urlencoded") {
            pairs.extend(decode_form(body));
        }
        pairs.extend(head.query());
        Parameters { pairs }
    }

    /// The first of that name that is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }
}

fn basic(authorization: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(authorization.strip_prefix("Basic ")?.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    // RFC 6749 2.3.1: both are form-encoded before they are joined.
    let decode = |word: &str| decode_form(&format!("word={word}")).pop().map(|(_, value)| value);
    Some((decode(id)?, decode(secret)?))
}
