//! What can be set for PagerDuty.

use std::sync::Arc;

use adapter::channel::{Channel, Message};
use adapter::{Default, Error, Field, Manifest, Secrets, Settings};

use crate::fields::{self, SECRET_TOKEN, SERVER_URL};
use crate::registry::{ChannelAdapter, Context};
use crate::service::{Service, check_server, endpoint, required};

const KEY: &str = "routingKey";

pub(crate) const ADAPTER: ChannelAdapter = ChannelAdapter { manifest: &MANIFEST, open };

static MANIFEST: Manifest = Manifest {
    id: "pagerduty",
    title: "PagerDuty",
    summary: "An alert in PagerDuty, resolved when its cause is gone.",
    icon: include_str!("icon.svg"),
    fields: &[
        Field {
            name: KEY,
            label: "Integration key",
            help: "From an Events API V2 integration of your service.",
            example: "0123456789abcdef0123456789abcdef",
            ..SECRET_TOKEN
        },
        Field {
            help: "For accounts in the EU: https://events.eu.pagerduty.com.",
            default: Default::Text("https://events.pagerduty.com"),
            example: "https://events.pagerduty.com",
            ..SERVER_URL
        },
    ],
    check: check_server,
    ..fields::MANIFEST
};

fn open(settings: &Settings, mut secrets: Secrets, context: &Context) -> Result<Arc<dyn Channel>, Error> {
    let key = required(MANIFEST.title, KEY, &mut secrets)?;
    let body = {
        let key = key.clone();
        Box::new(move |message: &Message| super::message(message, &key))
    };
    let url = endpoint(settings, &["v2", "enqueue"])?;
    Ok(Service::new(MANIFEST.title, url, context, body).hiding(key).build())
}
