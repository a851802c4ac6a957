//! What can be set for a webhook.

use std::sync::Arc;

use adapter::channel::Channel;
use adapter::{Error, Field, Input, Manifest, Required, Secrets, Settings};
use secrecy::ExposeSecret;

use super::Webhook;
use crate::egress::check_url;
use crate::registry::{ChannelAdapter, Context};

pub(crate) const ADAPTER: ChannelAdapter = ChannelAdapter { manifest: &MANIFEST, open };

const URL: &str = "url";
const KEY: &str = "signingKey";

static MANIFEST: Manifest = Manifest {
    id: "webhook",
    title: "Webhook",
    summary: "An HTTP request with the message as signed JSON.",
    guide: "notifications.md",
    icon: include_str!("icon.svg"),
    schemes: &[],
    addresses: "",
    fields: &[
        Field {
            name: URL,
            label: "URL",
            help: "Where messages are posted. Redirects are not followed.",
            input: Input::Secret { shown: true },
            required: Required::Always,
            max_len: 2048,
            example: "https://example.com/hooks/dbackup",
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
    check: |_, _| (),
};

fn open(_settings: &Settings, mut secrets: Secrets, context: &Context) -> Result<Arc<dyn Channel>, Error> {
    let url = secrets.remove(URL).ok_or_else(|| Error::invalid("the webhook has no URL"))?;
    let url = check_url(url.expose_secret()).map_err(|problem| Error::invalid(format!("the URL {problem}")))?;
    Ok(Arc::new(Webhook { url, key: secrets.remove(KEY), context: context.clone() }))
}
