//! What can be set for Gotify.

use std::sync::Arc;

use adapter::channel::Channel;
use adapter::{Error, Field, Manifest, Required, Secrets, Settings};
use reqwest::header::HeaderName;

use crate::fields::{self, SECRET_TOKEN, SERVER_URL};
use crate::registry::{ChannelAdapter, Context};
use crate::service::{Service, TOKEN, check_server, endpoint, required};

/// The header of <https://gotify.net/docs/pushmsg>.
const KEY: HeaderName = HeaderName::from_static("x-gotify-key");

pub(crate) const ADAPTER: ChannelAdapter = ChannelAdapter { manifest: &MANIFEST, open };

static MANIFEST: Manifest = Manifest {
    id: "gotify",
    title: "Gotify",
    summary: "A push by your Gotify server.",
    icon: include_str!("icon.svg"),
    fields: &[
        Field {
            help: "The URL of your Gotify server.",
            required: Required::Always,
            example: "https://gotify.example.com",
            ..SERVER_URL
        },
        Field { label: "App token", help: "From Apps in Gotify.", example: "AKsjdf83.sd9f8", ..SECRET_TOKEN },
    ],
    check: check_server,
    ..fields::MANIFEST
};

fn open(settings: &Settings, mut secrets: Secrets, context: &Context) -> Result<Arc<dyn Channel>, Error> {
    let token = required(MANIFEST.title, TOKEN, &mut secrets)?;
    let url = endpoint(settings, &["message"])?;
    let service = Service::new(MANIFEST.title, url, context, Box::new(super::message));
    Ok(service.with_header(KEY, "", token)?.build())
}
