//! What can be set for ntfy.

use std::sync::Arc;

use adapter::channel::{Channel, Message};
use adapter::{Default, Error, Field, Input, Manifest, Required, Secrets, Settings};
use reqwest::header::AUTHORIZATION;
use secrecy::ExposeSecret;

use crate::fields::{self, SECRET_TOKEN, SERVER_URL};
use crate::registry::{ChannelAdapter, Context};
use crate::service::{Service, TOKEN, check_server, endpoint, required};

const TOPIC: &str = "topic";
/// Maximum length of a topic: <https://docs.ntfy.sh/publish/>, and the pattern in ntfy's server.
const MAX_TOPIC: usize = 64;

pub(crate) const ADAPTER: ChannelAdapter = ChannelAdapter { manifest: &MANIFEST, open };

static MANIFEST: Manifest = Manifest {
    id: "ntfy",
    title: "ntfy",
    summary: "A push by ntfy, hosted or self-hosted.",
    icon: include_str!("icon.svg"),
    fields: &[
        Field {
            help: "Where your topic is.",
            default: Default::Text("https://ntfy.sh"),
            example: "https://ntfy.sh",
            ..SERVER_URL
        },
        Field {
            name: TOPIC,
            label: "Topic",
            help: "Subscribe to it in the ntfy app. On a public server, people who know its name can read your messages.",
            input: Input::Secret { shown: true },
            required: Required::Always,
            max_len: MAX_TOPIC,
            example: "dbackup-x7Kq2",
            ..Field::TEXT
        },
        Field {
            label: "Access token",
            help: "Needed if the topic is protected.",
            required: Required::Never,
            example: "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2",
            ..SECRET_TOKEN
        },
    ],
    check: check_server,
    ..fields::MANIFEST
};

fn open(settings: &Settings, mut secrets: Secrets, context: &Context) -> Result<Arc<dyn Channel>, Error> {
    let topic = required(MANIFEST.title, TOPIC, &mut secrets)?;
    let is_valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if topic.expose_secret().len() > MAX_TOPIC || !topic.expose_secret().chars().all(is_valid) {
        return Err(Error::invalid("a topic of ntfy has at most 64 letters, digits, hyphens and underscores"));
    }
    let body = {
        let topic = topic.clone();
        Box::new(move |message: &Message| super::message(message, topic.expose_secret()))
    };
    // The topic is part of the message and not of the path.
    let service = Service::new(MANIFEST.title, endpoint(settings, &[""])?, context, body).hiding(topic);
    match secrets.remove(TOKEN) {
        Some(token) => Ok(service.with_header(AUTHORIZATION, "Bearer ", token)?.build()),
        None => Ok(service.build()),
    }
}
