//! How everything stands: what is wrong or at risk, grouped by what cures it, and the one sentence about it all. Reads numbers of jobs by
//! kind, never each job.

mod causes;
mod headline;
pub(crate) mod space;

use std::collections::BTreeSet;

use adapter::authorization::Description;
use catalog::{Channel, Destination, JobKind, PageRequest, Profile, SpaceOfDay};
use jiff::{SignedDuration, Timestamp};

pub(crate) use causes::Cause;
pub(crate) use headline::Headline;

use crate::app::App;
use crate::authorizations::status::{AuthorizationStatus, standing};
use crate::overview::space::DestinationSpace;

/// Maximum number of places of failure that are told apart.
const MAX_FAILURES: i64 = 50;
/// Maximum number of jobs that a cause names.
const MAX_NAMED: i64 = 5;
/// Slots that passed less than so long ago are about to fire.
pub(crate) const SLOT_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// Maximum number of overdue jobs that are counted.
const MAX_OVERDUE: i64 = 100;

/// What is known of all jobs together.
pub(crate) struct Facts {
    pub(crate) kinds: Vec<JobKind>,
    pub(crate) destinations: Vec<KnownDestination>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) profiles: Vec<Profile>,
    pub(crate) has_restored: bool,
    /// Databases of jobs that are overdue, and in no other trouble.
    pub(crate) overdue: i64,
    pub(crate) now: Timestamp,
}

/// A destination with what depends on its adapter.
pub(crate) struct KnownDestination {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Whether nothing can be stored there before a user acts, and how and why.
    pub(crate) status: AuthorizationStatus,
    pub(crate) reason: Option<String>,
    /// Whether somebody else runs the storage.
    pub(crate) is_foreign: bool,
    pub(crate) space: Option<DestinationSpace>,
}

impl KnownDestination {
    pub(crate) fn is_waiting(&self) -> bool {
        use AuthorizationStatus::{AppNotRecognized, AuthorizationRequired, ReauthorizationRequired};
        matches!(self.status, AuthorizationRequired | ReauthorizationRequired | AppNotRecognized)
    }
}

impl Facts {
    /// Reads what is known, with the space of the destinations since a time.
    pub(crate) async fn read(app: &App, since: Timestamp) -> Result<Self, catalog::Error> {
        let all = PageRequest { after: None, limit: usize::MAX >> 1 };
        let space = app.catalog.space_since(since.into()).await?;
        let destinations = app.catalog.destinations(&all).await?.items;
        let now = app.now();
        let destinations: Vec<_> = destinations.into_iter().map(|one| known(app, one, &space)).collect();
        let waiting: Vec<&str> = destinations.iter().filter(|one| one.is_waiting()).map(|one| &*one.id).collect();
        Ok(Self {
            kinds: app.catalog.job_kinds().await?,
            overdue: app.catalog.overdue_databases(now - SLOT_TOLERANCE, &waiting).await?,
            destinations,
            channels: app.catalog.channels(&all).await?.items,
            profiles: app.catalog.profiles(&all).await?.items,
            has_restored: app.catalog.has_restored().await?,
            now,
        })
    }

    /// The ids of destinations that wait for a user to authorize them.
    fn waiting(&self) -> BTreeSet<&str> {
        self.destinations.iter().filter(|one| one.is_waiting()).map(|one| one.id.as_str()).collect()
    }

    fn destination(&self, id: &str) -> Option<&KnownDestination> {
        self.destinations.iter().find(|one| one.id == id)
    }

    fn enabled(&self) -> impl Iterator<Item = &JobKind> {
        self.kinds.iter().filter(|kind| kind.enabled)
    }

    fn count(&self, fits: impl Fn(&JobKind) -> bool) -> i64 {
        self.enabled().filter(|kind| fits(kind)).map(|kind| kind.jobs).sum()
    }
}

/// Returns how full a destination is, from its days and from what its storage said last.
pub(crate) fn space_of(destination: &Destination, days: &[SpaceOfDay]) -> Option<DestinationSpace> {
    let now = destination.authorization.as_ref().and_then(|state| Some((state.used?, state.allowed)));
    space::destination_space(&destination.id, &destination.name, days, now)
}

fn known(app: &App, destination: Destination, space: &[SpaceOfDay]) -> KnownDestination {
    let description: Option<&Description> =
        app.destination_settings(&destination).ok().and_then(|settings| settings.manifest().authorization);
    let (status, reason) = match (description, &destination.authorization) {
        (None, _) => (AuthorizationStatus::NotRequired, None),
        (Some(_), None) => (AuthorizationStatus::AuthorizationRequired, None),
        (Some(description), Some(state)) => standing(description, state),
    };
    let begin = space.partition_point(|day| day.destination_id < destination.id);
    let days = &space[begin..];
    let days = &days[..days.partition_point(|day| day.destination_id == destination.id)];
    KnownDestination {
        space: space_of(&destination, days),
        id: destination.id,
        name: destination.name,
        status,
        reason,
        is_foreign: description.is_some(),
    }
}
