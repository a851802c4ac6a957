//! What can be set for Apprise.

use std::sync::Arc;

use adapter::channel::{Channel, Message};
use adapter::{Error, Field, Manifest, Secrets, Settings};

use crate::fields::{self, SECRET_URL};
use crate::registry::{ChannelAdapter, Context};
use crate::service::Service;

const TAG: &str = "tag";

pub(crate) const ADAPTER: ChannelAdapter = ChannelAdapter { manifest: &MANIFEST, open };

static MANIFEST: Manifest = Manifest {
    id: "apprise",
    title: "Apprise",
    summary: "A message to the services of your Apprise API server.",
    icon: include_str!("icon.svg"),
    fields: &[
        Field {
            label: "URL",
            help: "The URL of a saved configuration of your Apprise API server.",
            example: "http://apprise:8000/notify/mykey",
            ..SECRET_URL
        },
        Field {
            name: TAG,
            label: "Tag",
            help: "Only services with this tag get the message. Empty means all.",
            example: "ops",
            ..Field::TEXT
        },
    ],
    ..fields::MANIFEST
};

fn open(settings: &Settings, mut secrets: Secrets, context: &Context) -> Result<Arc<dyn Channel>, Error> {
    let tag = settings.text(TAG).filter(|tag| !tag.is_empty()).map(str::to_owned);
    let body = Box::new(move |message: &Message| super::message(message, tag.as_deref()));
    let service = Service::at_secret_url(MANIFEST.title, &mut secrets, context, body)?;
    Ok(service.judged_by(super::judge).build())
}
