//! What can be set for Telegram.

use std::sync::Arc;

use adapter::channel::{Channel, Message};
use adapter::{Default, Error, Field, Manifest, Required, Secrets, Settings};
use secrecy::ExposeSecret;

use crate::fields::{self, SECRET_TOKEN, SERVER_URL};
use crate::registry::{ChannelAdapter, Context};
use crate::service::{Service, TOKEN, check_server, endpoint, required};

const CHAT: &str = "chatId";

pub(crate) const ADAPTER: ChannelAdapter = ChannelAdapter { manifest: &MANIFEST, open };

static MANIFEST: Manifest = Manifest {
    id: "telegram",
    title: "Telegram",
    summary: "A message of your bot in a Telegram chat.",
    icon: include_str!("icon.svg"),
    fields: &[
        Field {
            label: "Bot token",
            help: "From @BotFather in Telegram.",
            example: "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11",
            ..SECRET_TOKEN
        },
        Field {
            name: CHAT,
            label: "Chat ID",
            help: "A number, or @name for a public channel. The bot has to be in the chat, or you have to write to it first.",
            required: Required::Always,
            max_len: 100,
            example: "-1001234567890",
            ..Field::TEXT
        },
        Field {
            help: "Only for a Bot API server of your own.",
            default: Default::Text("https://api.telegram.org"),
            example: "https://api.telegram.org",
            advanced: true,
            ..SERVER_URL
        },
    ],
    check: check_server,
    ..fields::MANIFEST
};

fn open(settings: &Settings, mut secrets: Secrets, context: &Context) -> Result<Arc<dyn Channel>, Error> {
    let token = required(MANIFEST.title, TOKEN, &mut secrets)?;
    let is_valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_');
    if !token.expose_secret().chars().all(is_valid) {
        return Err(Error::invalid("a bot token holds letters, digits, hyphens, underscores and a colon only"));
    }
    let url = endpoint(settings, &[&format!("bot{}", token.expose_secret()), "sendMessage"])?;
    let chat = settings.text(CHAT).unwrap_or_default().to_owned();
    let body = Box::new(move |message: &Message| super::message(message, &chat));
    Ok(Service::new(MANIFEST.title, url, context, body).hiding(token).build())
}
