//! What the catalog knows of the queue, the destinations and the channels, at every scrape.

use catalog::{ChannelNumbers, DestinationNumbers, JobNumbers, QueueNumbers};
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What the catalog knows.
pub(crate) struct Known {
    pub(crate) jobs: Vec<JobNumbers>,
    pub(crate) queue: QueueNumbers,
    pub(crate) destinations: Vec<DestinationNumbers>,
    pub(crate) channels: Vec<ChannelNumbers>,
    pub(crate) now: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DestinationLabels {
    destination_id: String,
    destination: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelLabels {
    channel_id: String,
    channel: String,
}

/// Adds the metrics of the channels and their messages.
fn add_channels(registry: &mut Registry, channels: &[ChannelNumbers]) {
    let add = |registry: &mut Registry, name: &str, help: &str, value: &dyn Fn(&ChannelNumbers) -> i64| {
        let family = Family::<ChannelLabels, Gauge>::default();
        for channel in channels {
            let labels = ChannelLabels { channel_id: channel.id.clone(), channel: channel.name.clone() };
            family.get_or_create(&labels).set(value(channel));
        }
        registry.register(format!("channel_{name}"), help, family);
    };
    let seconds = |moment: Option<catalog::Moment>| moment.map_or(0, |moment| moment.0.as_second());
    add(registry, "enabled", "Whether messages are sent through a channel", &|found| found.enabled.into());
    add(registry, "outbox_waiting", "Messages of a channel that wait in the outbox", &|found| found.waiting);
    let help = "Messages of a channel that were given up, among those that the outbox keeps";
    add(registry, "outbox_failed", help, &|found| found.failed);
    let help = "When a channel last delivered a message; 0 if it never has";
    add(registry, "last_sent_timestamp_seconds", help, &|found| seconds(found.last_sent_at));
    let help = "Since when a channel delivers nothing; 0 while it works";
    add(registry, "failing_since_timestamp_seconds", help, &|found| seconds(found.failing_since));
}

/// Returns the metrics of the queue, the destinations and the channels. Times are seconds since 1970.
pub(super) fn registry(prefix: &str, known: &Known) -> Registry {
    let mut registry = Registry::with_prefix(prefix);
    let gauge = |registry: &mut Registry, name: &str, help: &str, value: i64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    gauge(&mut registry, "runs_queued", "Runs that wait for their turn", known.queue.queued);
    let help = "For how long the oldest queued run has waited; 0 if none waits";
    gauge(&mut registry, "queue_oldest_run_age_seconds", help, known.queue.age(known.now));
    let add = |registry: &mut Registry, name: &str, help: &str, value: &dyn Fn(&DestinationNumbers) -> Option<i64>| {
        let family = Family::<DestinationLabels, Gauge>::default();
        for destination in &known.destinations {
            let Some(value) = value(destination) else { continue };
            let (destination_id, name) = (destination.id.clone(), destination.name.clone());
            family.get_or_create(&DestinationLabels { destination_id, destination: name }).set(value);
        }
        registry.register(format!("destination_{name}"), help, family);
    };
    add(&mut registry, "info", "Every destination", &|_| Some(1));
    add(&mut registry, "used_bytes", "Bytes in use at a destination, when last checked", &|found| found.used);
    let help = "Bytes allowed at a destination; absent without a limit";
    add(&mut registry, "capacity_bytes", help, &|found| found.allowed);
    let help = "Bytes left at a destination, when last checked; absent without a limit";
    add(&mut registry, "free_bytes", help, &|found| Some((found.allowed? - found.used?).max(0)));
    add(&mut registry, "stored_bytes", "Bytes of all backups at a destination", &|found| Some(found.stored));
    let help = "Whether the authorization of a destination stands; absent where none is needed or given";
    add(&mut registry, "authorized", help, &|found| Some(found.authorization.as_ref()?.broken.is_none().into()));
    let help = "When the authorization of a destination was last used or checked";
    add(&mut registry, "checked_timestamp_seconds", help, &|found| {
        Some(found.authorization.as_ref()?.checked_at.as_second())
    });
    add_channels(&mut registry, &known.channels);
    registry
}
