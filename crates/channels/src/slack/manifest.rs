//! What can be set for Slack.

use std::sync::Arc;

use adapter::channel::Channel;
use adapter::{Error, Field, Manifest, Secrets, Settings};

use crate::fields::{self, SECRET_URL};
use crate::registry::{ChannelAdapter, Context};
use crate::service::Service;

pub(crate) const ADAPTER: ChannelAdapter = ChannelAdapter { manifest: &MANIFEST, open };

static MANIFEST: Manifest = Manifest {
    id: "slack",
    title: "Slack",
    summary: "A message in a Slack channel.",
    icon: include_str!("icon.svg"),
    fields: &[Field {
        help: "From an incoming webhook of your Slack app.",
        example: "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
        ..SECRET_URL
    }],
    ..fields::MANIFEST
};

fn open(_settings: &Settings, mut secrets: Secrets, context: &Context) -> Result<Arc<dyn Channel>, Error> {
    let service = Service::at_secret_url(MANIFEST.title, &mut secrets, context, Box::new(super::message))?;
    Ok(service.build())
}
