//! What can be set for Discord.

use std::sync::Arc;

use adapter::channel::Channel;
use adapter::{Error, Field, Manifest, Secrets, Settings};

use crate::fields::{self, SECRET_URL};
use crate::registry::{ChannelAdapter, Context};
use crate::service::Service;

pub(crate) const ADAPTER: ChannelAdapter = ChannelAdapter { manifest: &MANIFEST, open };

static MANIFEST: Manifest = Manifest {
    id: "discord",
    title: "Discord",
    summary: "A message in a Discord channel.",
    icon: include_str!("icon.svg"),
    fields: &[Field {
        help: "From Edit Channel > Integrations > Webhooks in Discord.",
        example: "https://discord.com/api/webhooks/123456789/abcdef",
        ..SECRET_URL
    }],
    ..fields::MANIFEST
};

fn open(_settings: &Settings, mut secrets: Secrets, context: &Context) -> Result<Arc<dyn Channel>, Error> {
    let service = Service::at_secret_url(MANIFEST.title, &mut secrets, context, Box::new(super::message))?;
    // Without it, Discord answers before it knows whether the message can be posted.
    Ok(service.with_parameter("wait", "true").build())
}
