//! What users say about a job, and its checks.

use std::collections::{BTreeMap, HashSet};

use adapter::{Capability, Manifest};
use catalog::NewJob;
use domain::Compression;
use domain::schedule::Schedule;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::edit::Editable;
use super::super::problem::{Fields, Problem};
use crate::app::App;

const MOST_DESTINATIONS: usize = 10;
const MOST_DATABASES: usize = 1000;
const SHORTEST_TIMEOUT: i64 = 60;
const LONGEST_TIMEOUT: i64 = 30 * 24 * 3600;
/// Maximum number of acknowledged warnings of a job.
const MAX_ACKNOWLEDGED: usize = 200;
/// Maximum length of one, in characters.
const MAX_ENTRY_LEN: usize = 500;

/// When a job runs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ScheduleInput {
    /// Five cron fields: minute, hour, day of month, month, day of week; or `@daily` and the like.
    #[schema(min_length = 1, max_length = 200)]
    pub(crate) cron: String,
    /// An IANA name: `Europe/Berlin`.
    #[serde(default = "utc")]
    #[schema(min_length = 1, max_length = 100, default = "UTC")]
    pub(crate) time_zone: String,
}

pub(crate) fn utc() -> String {
    "UTC".to_owned()
}

fn yes() -> bool {
    true
}

/// A job that is added or changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct JobInput {
    /// Also the name of its folder at the destinations.
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) name: String,
    pub(crate) source_id: String,
    /// Which databases; absent: all that the source has at the time.
    #[schema(min_items = 1, max_items = 1000)]
    pub(crate) databases: Option<Vec<String>>,
    #[schema(min_items = 1, max_items = 10)]
    pub(crate) destination_ids: Vec<String>,
    /// The id of the retention policy at a destination, by the destination's id. Without one, every backup is kept there.
    #[serde(default)]
    pub(crate) retention: BTreeMap<String, String>,
    /// `zstd`, `gzip` or `none`, with a level of 1 to 9: `zstd:3`.
    #[serde(default = "default_compression")]
    #[schema(default = "zstd:3")]
    pub(crate) compression: String,
    /// To whom it is encrypted; absent: to nobody.
    pub(crate) profile_id: Option<String>,
    /// Absent: only by hand.
    pub(crate) schedule: Option<ScheduleInput>,
    /// After so long a run is stopped; absent: never.
    #[schema(minimum = 60, maximum = 2592000)]
    pub(crate) timeout_seconds: Option<i64>,
    /// Whether the schedule counts.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub(crate) enabled: bool,
    /// Warnings that do not make a run one with warnings: codes, or `code:subject`. Absent: as they are.
    #[schema(max_items = 200)]
    pub(crate) acknowledged_warnings: Option<Vec<String>>,
    /// Back up a database with damaged pages nevertheless, with a warning (SQLite).
    #[serde(default)]
    pub(crate) allow_damaged: bool,
}

impl Editable for JobInput {
    const READ_ONLY: &'static [&'static str] = &[
        "id",
        "scheduleError",
        "nextRunAt",
        "lastRun",
        "standing",
        "today",
        "days",
        "lastRestore",
        "lastVerifiedAt",
        "revision",
        "createdAt",
        "updatedAt",
    ];

    fn complete(&mut self) {
        self.acknowledged_warnings.get_or_insert_default();
    }
}

/// The fields of a job that change; those that are absent stay, those that are `null` are removed.
#[derive(Debug, ToSchema)]
pub(crate) struct JobPatch {}

pub(crate) fn default_compression() -> String {
    Compression::default().to_string()
}

/// What a job refers to.
#[derive(Debug, Default)]
pub(crate) struct References {
    /// The adapter of its source; `None` if there is no such source.
    pub(crate) source: Option<&'static Manifest>,
    /// The ids of its destinations, those that exist.
    pub(crate) destinations: HashSet<String>,
    /// Whether its profile exists.
    pub(crate) has_profile: bool,
    /// The ids of its retention policies, those that exist.
    pub(crate) policies: HashSet<String>,
}

impl References {
    async fn of(app: &App, input: &JobInput) -> Result<Self, Problem> {
        let source = app.catalog.source(&input.source_id).await?;
        let source = source.map(|source| app.source_settings(&source)).transpose()?;
        let mut destinations = HashSet::new();
        for id in input.destination_ids.iter().take(MOST_DESTINATIONS) {
            destinations.extend(app.catalog.destination(id).await?.map(|destination| destination.id));
        }
        let has_profile = match &input.profile_id {
            Some(id) => app.catalog.profile(id).await?.is_some(),
            None => false,
        };
        let mut policies = HashSet::new();
        for id in input.retention.values().take(MOST_DESTINATIONS) {
            policies.extend(app.catalog.retention_policy(id).await?.map(|policy| policy.id));
        }
        Ok(Self { source: source.map(|source| source.manifest()), destinations, has_profile, policies })
    }
}

pub(super) async fn check(app: &App, input: JobInput) -> Result<NewJob, Problem> {
    let references = References::of(app, &input).await?;
    check_with(app, input, &references)
}

/// Checks a job whose references are known.
pub(crate) fn check_with(app: &App, input: JobInput, references: &References) -> Result<NewJob, Problem> {
    let mut fields = Fields::default();
    fields.check_name(&input.name);
    let count = input.destination_ids.len();
    fields.check("destinationIds", count > 0, || "Choose at least one destination".to_owned());
    fields.check("destinationIds", count <= MOST_DESTINATIONS, || {
        format!("Choose at most {MOST_DESTINATIONS} destinations")
    });
    let unique: HashSet<&String> = input.destination_ids.iter().collect();
    fields.check("destinationIds", unique.len() == count, || "names one twice".to_owned());
    let compression = input.compression.parse::<Compression>();
    fields.check("compression", compression.is_ok(), || {
        "write zstd, gzip or none, with a level of 1 to 9: zstd:3".to_owned()
    });
    let timeout = input.timeout_seconds;
    fields.check(
        "timeoutSeconds",
        timeout.is_none_or(|seconds| (SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&seconds)),
        || format!("must be {SHORTEST_TIMEOUT} to {LONGEST_TIMEOUT}"),
    );
    let schedule = input.schedule.as_ref().map(parse_schedule).transpose();
    if let Err((field, message)) = &schedule {
        fields.check(&format!("schedule.{field}"), false, || message.clone());
    }
    if let Some(entries) = &input.acknowledged_warnings {
        check_acknowledged(&mut fields, "acknowledgedWarnings", entries);
    }
    check_references(&input, references, &mut fields);
    fields.finish()?;
    let schedule = schedule.ok().flatten();
    let next_run_at = schedule.as_ref().filter(|_| input.enabled).and_then(|schedule| schedule.next_after(app.now()));
    let (cron, time_zone) =
        input.schedule.map_or_else(|| (None, utc()), |schedule| (Some(schedule.cron), schedule.time_zone));
    Ok(NewJob {
        name: input.name,
        source_id: input.source_id,
        databases: input.databases,
        destination_ids: input.destination_ids,
        retention: input.retention,
        compression: compression.unwrap_or_default(),
        profile_id: input.profile_id,
        cron,
        time_zone,
        timeout_seconds: input.timeout_seconds,
        enabled: input.enabled,
        acknowledged_warnings: input.acknowledged_warnings,
        allow_damaged: input.allow_damaged,
        next_run_at,
    })
}

pub(super) fn check_acknowledged(fields: &mut Fields, field: &str, entries: &[String]) {
    fields.check(field, entries.len() <= MAX_ACKNOWLEDGED, || format!("takes at most {MAX_ACKNOWLEDGED} entries"));
    let sound = |entry: &String| {
        !entry.trim().is_empty() && entry.chars().count() <= MAX_ENTRY_LEN && !entry.chars().any(char::is_control)
    };
    fields.check(field, entries.iter().all(sound), || {
        format!("takes codes, or code:subject, of at most {MAX_ENTRY_LEN} characters")
    });
}

fn check_references(input: &JobInput, references: &References, fields: &mut Fields) {
    let missing = || "does not exist: choose another one".to_owned();
    fields.check("sourceId", references.source.is_some(), || match input.source_id.is_empty() {
        true => "Choose a source".to_owned(),
        false => missing(),
    });
    if let (Some(source), Some(databases)) = (references.source, &input.databases) {
        let several = source.can(Capability::Databases);
        fields.check("databases", several, || "cannot be chosen: this source is one database".to_owned());
        fields.check("databases", !databases.is_empty(), || {
            "Choose at least one database, or leave it out for all".to_owned()
        });
        fields.check("databases", databases.len() <= MOST_DATABASES, || {
            format!("Choose at most {MOST_DATABASES} databases, or leave it out for all")
        });
        let sound =
            databases.iter().all(|name| !name.is_empty() && name.len() <= 200 && !name.chars().any(char::is_control));
        fields.check("databases", sound, || "holds an empty or impossible name".to_owned());
        let unique: HashSet<&String> = databases.iter().collect();
        fields.check("databases", unique.len() == databases.len(), || "names one twice".to_owned());
    }
    for (index, id) in input.destination_ids.iter().take(MOST_DESTINATIONS).enumerate() {
        let found = references.destinations.contains(id);
        fields.check(&format!("destinationIds[{index}]"), found, missing);
    }
    for (destination, policy) in &input.retention {
        let field = format!("retention.{destination}");
        fields.check(&field, input.destination_ids.contains(destination), || {
            "is not a destination of this job".to_owned()
        });
        fields.check(&field, references.policies.contains(policy), missing);
    }
    fields.check("profileId", input.profile_id.is_none() || references.has_profile, missing);
}

pub(super) fn parse_schedule(input: &ScheduleInput) -> Result<Schedule, (&'static str, String)> {
    Schedule::parse(&input.cron, &input.time_zone).map_err(|error| (error.field(), error.to_string()))
}
