//! What can be set for a ping URL.

use std::sync::Arc;

use adapter::channel::Channel;
use adapter::{Capability, Default, Error, Field, Manifest, Required, Secrets, Settings};

use super::PingUrl;
use crate::endpoint;
use crate::registry::{ChannelAdapter, Context};

pub(crate) const ADAPTER: ChannelAdapter = ChannelAdapter { manifest: &MANIFEST, open };

static MANIFEST: Manifest = Manifest {
    id: "ping",
    title: "Ping URL",
    summary: "Start, success and failure of every run, for monitors in the style of Healthchecks.",
    guide: "channels.md",
    icon: include_str!("icon.svg"),
    schemes: &[],
    addresses: "",
    fields: &[
        Field {
            required: Required::Never,
            default: Default::Text("https://hc-ping.com"),
            ..endpoint::server("https://hc-ping.com")
        },
        endpoint::path(
            "The rest of the ping URL, without /start or /fail. Whoever has it can send pings.",
            "/5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278",
        ),
    ],
    database_field: None,
    effect: "",
    authorization: None,
    capabilities: &[Capability::Pings],
    tools: &[],
    setup: None,
    check: endpoint::check_server,
};

#[expect(clippy::needless_pass_by_value, reason = "as channels are opened")]
fn open(settings: &Settings, secrets: Secrets, context: &Context) -> Result<Arc<dyn Channel>, Error> {
    let url = endpoint::url(settings, secrets.get(endpoint::PATH))?;
    Ok(Arc::new(PingUrl { url, context: context.clone() }))
}
