//! What can be set for Microsoft Teams.

use std::sync::Arc;

use adapter::channel::Channel;
use adapter::{Error, Field, Manifest, Secrets, Settings};

use crate::fields::{self, SECRET_URL};
use crate::registry::{ChannelAdapter, Context};
use crate::service::Service;

pub(crate) const ADAPTER: ChannelAdapter = ChannelAdapter { manifest: &MANIFEST, open };

static MANIFEST: Manifest = Manifest {
    id: "teams",
    title: "Microsoft Teams",
    summary: "A card in a Teams channel or chat.",
    icon: include_str!("icon.svg"),
    fields: &[Field {
        help: "From a workflow that posts to Teams when a webhook request is received.",
        example: "https://example.webhook.office.com/workflows/abcdef",
        ..SECRET_URL
    }],
    ..fields::MANIFEST
};

fn open(_settings: &Settings, mut secrets: Secrets, context: &Context) -> Result<Arc<dyn Channel>, Error> {
    let service = Service::at_secret_url(MANIFEST.title, &mut secrets, context, Box::new(super::message))?;
    Ok(service.build())
}
