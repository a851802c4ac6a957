//! What can be set for Pushover.

use std::sync::Arc;

use adapter::channel::{Channel, Message};
use adapter::{Default, Error, Field, Manifest, Secrets, Settings};

use crate::fields::{self, SECRET_TOKEN, SERVER_URL};
use crate::registry::{ChannelAdapter, Context};
use crate::service::{Service, TOKEN, check_server, endpoint, required};

const USER: &str = "userKey";

pub(crate) const ADAPTER: ChannelAdapter = ChannelAdapter { manifest: &MANIFEST, open };

static MANIFEST: Manifest = Manifest {
    id: "pushover",
    title: "Pushover",
    summary: "A push by Pushover.",
    icon: include_str!("icon.svg"),
    fields: &[
        Field {
            label: "API token",
            help: "From the application that you created at pushover.net.",
            example: "azGDORePK8gMaC0QOYAMyEEuzJnyUi",
            ..SECRET_TOKEN
        },
        Field {
            name: USER,
            label: "User or group key",
            help: "At the top of your dashboard at pushover.net.",
            example: "uQiRzpo4DXghDmr9QzzfQu27cmVRsG",
            ..SECRET_TOKEN
        },
        Field {
            help: "Only for a proxy of your own.",
            default: Default::Text("https://api.pushover.net"),
            example: "https://api.pushover.net",
            advanced: true,
            ..SERVER_URL
        },
    ],
    check: check_server,
    ..fields::MANIFEST
};

fn open(settings: &Settings, mut secrets: Secrets, context: &Context) -> Result<Arc<dyn Channel>, Error> {
    let token = required(MANIFEST.title, TOKEN, &mut secrets)?;
    let user = required(MANIFEST.title, USER, &mut secrets)?;
    let body = {
        let (token, user) = (token.clone(), user.clone());
        Box::new(move |message: &Message| super::message(message, &token, &user))
    };
    let url = endpoint(settings, &["1", "messages.json"])?;
    Ok(Service::new(MANIFEST.title, url, context, body).hiding(token).hiding(user).build())
}
