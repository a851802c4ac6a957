//! The channels of this version.

use std::sync::Arc;

use adapter::channel::Channel;
use adapter::{Adapter, Error, Manifest, Registry, Secrets, Settings};
use jiff::Timestamp;

use crate::egress::Egress;
use crate::{apprise, discord, email, gotify, ntfy, pagerduty, ping, pushover, slack, teams, telegram, webhook};

/// Returns the channels of this version: a line per adapter.
pub fn registry() -> Registry<ChannelAdapter> {
    Registry::new([
        email::manifest::ADAPTER,
        slack::manifest::ADAPTER,
        discord::manifest::ADAPTER,
        teams::manifest::ADAPTER,
        telegram::manifest::ADAPTER,
        ntfy::manifest::ADAPTER,
        gotify::manifest::ADAPTER,
        pushover::manifest::ADAPTER,
        pagerduty::manifest::ADAPTER,
        apprise::manifest::ADAPTER,
        webhook::manifest::ADAPTER,
        ping::manifest::ADAPTER,
    ])
}

/// Opens a channel with its settings and secrets.
pub type Open = fn(&Settings, Secrets, &Context) -> Result<Arc<dyn Channel>, Error>;

/// A kind of channel.
#[derive(Debug, Clone, Copy)]
pub struct ChannelAdapter {
    /// What it says of itself.
    pub manifest: &'static Manifest,
    /// Opens a channel. Nothing is connected to yet.
    pub open: Open,
}

impl Adapter for ChannelAdapter {
    fn manifest(&self) -> &'static Manifest {
        self.manifest
    }
}

/// What a channel gets from its surroundings.
#[derive(Clone)]
pub struct Context {
    /// Which addresses may be connected to.
    pub egress: Egress,
    /// Returns the time of signatures.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}
