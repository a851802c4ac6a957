//! What can be set for a webhook.

use std::collections::BTreeMap;
use std::sync::Arc;

use adapter::channel::Channel;
use adapter::{Choice, Default, Error, Field, FieldError, Input, Manifest, Required, Secrets, Settings};
use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use secrecy::ExposeSecret;

use super::{Webhook, template};
use crate::endpoint;
use crate::registry::{ChannelAdapter, Context};

pub(crate) const ADAPTER: ChannelAdapter = ChannelAdapter { manifest: &MANIFEST, open };

const METHOD: &str = "method";
const HEADERS: &str = "headers";
const TEMPLATE: &str = "template";
const KEY: &str = "signingKey";

/// Maximum number of headers that can be added.
const MAX_HEADERS: usize = 20;

static MANIFEST: Manifest = Manifest {
    id: "webhook",
    title: "Webhook",
    summary: "An HTTP request with the message as signed JSON.",
    guide: "channels.md",
    icon: include_str!("icon.svg"),
    schemes: &[],
    addresses: "",
    fields: &[
        endpoint::server("https://example.com"),
        Field {
            required: Required::Never,
            ..endpoint::path("The rest of the URL, with its query. It often holds a token.", "/hooks/dbackup")
        },
        Field {
            name: METHOD,
            label: "Method",
            help: "How messages are sent.",
            input: Input::Choice(&[Choice { value: "post", label: "POST" }, Choice { value: "put", label: "PUT" }]),
            default: Default::Text("post"),
            advanced: true,
            ..Field::TEXT
        },
        Field {
            name: HEADERS,
            label: "Headers",
            help: "HTTP headers to add, as a JSON object of texts.",
            input: Input::Secret { shown: true },
            advanced: true,
            max_len: 4096,
            example: r#"{"Authorization": "Bearer …"}"#,
            ..Field::TEXT
        },
        Field {
            name: TEMPLATE,
            label: "Body template",
            help: "JSON to send instead of the whole message. Placeholders such as {title} are replaced.",
            guide: "JSON to send instead of the whole message. `{title}`, `{text}`, `{severity}`, `{state}`, `{link}`, `{event}`, \
                    `{server}`, `{time}` and `{id}` are replaced within its texts.",
            default: Default::Unset("the whole message"),
            advanced: true,
            max_len: 4096,
            example: r#"{"text": "{title}: {text} {link}"}"#,
            ..Field::TEXT
        },
        Field {
            name: KEY,
            label: "Signing key",
            help: "Signs each message with HMAC-SHA256, so that the receiver can check where it comes from.",
            input: Input::Secret { shown: false },
            ..Field::TEXT
        },
    ],
    database_field: None,
    effect: "",
    authorization: None,
    capabilities: &[],
    tools: &[],
    setup: None,
    check,
};

fn check(settings: &mut Settings, errors: &mut Vec<FieldError>) {
    endpoint::check_server(settings, errors);
    if settings.text(TEMPLATE).is_some_and(|template| !template::is_json(template)) {
        errors.push(FieldError::new(TEMPLATE, "must be JSON, with the placeholders inside of its texts"));
    }
}

fn open(settings: &Settings, mut secrets: Secrets, context: &Context) -> Result<Arc<dyn Channel>, Error> {
    let url = endpoint::url(settings, secrets.get(endpoint::PATH))?;
    let headers = secrets.get(HEADERS).map_or("{}", |text| text.expose_secret());
    Ok(Arc::new(Webhook {
        url,
        method: if settings.text(METHOD) == Some("put") { Method::PUT } else { Method::POST },
        headers: read_headers(headers)?,
        template: settings.text(TEMPLATE).map(ToOwned::to_owned),
        key: secrets.remove(KEY),
        context: context.clone(),
    }))
}

/// Reads the headers that the user added. Errors name no value, since it may be a secret.
fn read_headers(text: &str) -> Result<HeaderMap, Error> {
    let given: BTreeMap<String, String> = serde_json::from_str(text)
        .map_err(|_| Error::invalid(r#"the headers must be a JSON object of texts, such as {"X-Team": "ops"}"#))?;
    if given.len() > MAX_HEADERS {
        return Err(Error::invalid(format!("there must not be more than {MAX_HEADERS} headers")));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let unfit = |problem: &str| Error::invalid(format!("the header '{}' {problem}", name.escape_debug()));
        let key: HeaderName = name.parse().map_err(|_| unfit("is not the name of a header"))?;
        if [HOST, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&key) {
            return Err(unfit("is set by dbackup"));
        }
        let mut value = HeaderValue::from_str(&value).map_err(|_| unfit("must be one line of ASCII text"))?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_one_line_each_and_no_error_repeats_a_value() {
        assert_eq!(read_headers(r#"{"X-Team": "ops"}"#).unwrap()["x-team"], "ops");
        for text in [
            "[]",
            "secret",
            r#"{"X-A": 1}"#,
            r#"{"X A": "secret"}"#,
            r#"{"X-A": "secret\r\nX-Evil: 1"}"#,
            r#"{"Host": "secret"}"#,
        ] {
            let error = read_headers(text).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
