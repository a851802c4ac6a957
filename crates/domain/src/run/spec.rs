//! What a run is to do. No secret stands in it: sources, destinations and keys are named.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::{BackupPlan, CopyPlan, PutInPlacePlan, RestorePlan, RunKind};

/// The version of the form in which specs are written. Reading any other one is an error.
pub const SPEC_VERSION: u64 = 1;
/// The field of a spec that is stored apart from the rest.
const PLAN: &str = "plan";

/// What a run is to do. In JSON it carries its `version` and its `kind`; what is not known of either, or of the rest, is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunSpec {
    /// See [`BackupSpec`].
    Backup(BackupSpec),
    /// See [`RestoreSpec`].
    Restore(RestoreSpec),
    /// See [`PutInPlaceSpec`].
    PutInPlace(PutInPlaceSpec),
    /// See [`CopySpec`].
    Copy(CopySpec),
}

/// Back up a job. The run's row names it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupSpec {
    /// Only these databases: those that an interrupted run before this one lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub databases: Option<Vec<String>>,
    /// What the job said when the run started; absent before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Box<BackupPlan>>,
}

/// Restore a backup into a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreSpec {
    /// Where the backup lies.
    pub destination_id: String,
    /// The backup, in the destination's folder.
    pub path: String,
    /// The source that it is restored into.
    pub source_id: String,
    /// Another database than the source's own: a name, or a file where databases are files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Whether a database that holds data is replaced.
    pub overwrite: bool,
    /// Whether owners and privileges are left out.
    pub no_owner: bool,
    /// Whether an object that fails is listed instead of stopping the restore.
    #[serde(default)]
    pub continue_on_error: bool,
    /// Whether the database is loaded under its own name.
    #[serde(default)]
    pub in_place: bool,
    /// Whether damaged pages are accepted.
    #[serde(default)]
    pub allow_damaged: bool,
    /// Whether whoever asked has the permission `administer`.
    #[serde(default)]
    pub administers: bool,
    /// Whether an unencrypted backup among encrypted ones was confirmed.
    #[serde(default)]
    pub allow_unencrypted: bool,
    /// The id of the user who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// Where everything is that the run needs, as it was when the run started; absent before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Box<RestorePlan>>,
}

/// Put a restored database in its place that was kept under a passing name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutInPlaceSpec {
    /// As in [`RestoreSpec`].
    pub source_id: String,
    /// As in [`RestoreSpec`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The passing name.
    pub kept: String,
    /// As in [`RestoreSpec`].
    #[serde(default)]
    pub administers: bool,
    /// As in [`RestoreSpec`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// Where everything is that the run needs, as it was when the run started; absent before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Box<PutInPlacePlan>>,
}

/// Copy a stored backup to another destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CopySpec {
    /// Where the backup lies.
    pub destination_id: String,
    /// The backup, in the destination's folder.
    pub path: String,
    /// Where it goes.
    pub to_destination_id: String,
    /// As in [`RestoreSpec`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// Where everything is that the run needs, as it was when the run started; absent before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Box<CopyPlan>>,
}

impl RunSpec {
    /// Reads a spec as it is stored: the kind, and the rest as JSON.
    ///
    /// # Errors
    /// A clause that says what does not fit.
    pub fn from_stored(kind: RunKind, request: Option<&Value>) -> Result<Self, String> {
        let request = request.cloned().unwrap_or_default();
        let read = match kind {
            RunKind::Backup if request.is_null() => Ok(Self::Backup(BackupSpec::default())),
            RunKind::Backup => serde_json::from_value(request).map(Self::Backup),
            RunKind::Restore if request.get("kept").is_some() => serde_json::from_value(request).map(Self::PutInPlace),
            RunKind::Restore => serde_json::from_value(request).map(Self::Restore),
            RunKind::Copy => serde_json::from_value(request).map(Self::Copy),
        };
        read.map_err(|error| format!("what the run is to do cannot be read: {error}"))
    }

    /// Adds a plan as it is stored: JSON.
    ///
    /// # Errors
    /// A clause that says what does not fit.
    pub fn with_plan(mut self, plan: Value) -> Result<Self, String> {
        let read = match &mut self {
            Self::Backup(spec) => serde_json::from_value(plan).map(|plan| spec.plan = Some(plan)),
            Self::Restore(spec) => serde_json::from_value(plan).map(|plan| spec.plan = Some(plan)),
            Self::PutInPlace(spec) => serde_json::from_value(plan).map(|plan| spec.plan = Some(plan)),
            Self::Copy(spec) => serde_json::from_value(plan).map(|plan| spec.plan = Some(plan)),
        };
        read.map_err(|error| format!("the plan of the run cannot be read: {error}"))?;
        Ok(self)
    }

    /// Returns what [`Self::with_plan`] adds; `None` before the run starts.
    pub fn plan(&self) -> Option<Value> {
        self.fields().remove(PLAN)
    }

    /// Returns the id of the user who asked for it, where that is kept.
    pub fn requested_by(&self) -> Option<&str> {
        match self {
            Self::Backup(_) => None,
            Self::Restore(RestoreSpec { requested_by, .. })
            | Self::PutInPlace(PutInPlaceSpec { requested_by, .. })
            | Self::Copy(CopySpec { requested_by, .. }) => requested_by.as_deref(),
        }
    }

    /// Returns the ids of the destinations where a stored backup is read or written, in ascending order.
    pub fn destination_ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = match self {
            Self::Backup(_) | Self::PutInPlace(_) => Vec::new(),
            Self::Restore(spec) => vec![&spec.destination_id],
            Self::Copy(spec) => vec![&spec.destination_id, &spec.to_destination_id],
        };
        ids.sort_unstable();
        ids
    }

    /// Returns what it is called in JSON.
    fn name(&self) -> &'static str {
        match self {
            Self::PutInPlace(_) => "putInPlace",
            other => other.kind().as_str(),
        }
    }

    /// Returns the kind of the run.
    pub fn kind(&self) -> RunKind {
        match self {
            Self::Backup(_) => RunKind::Backup,
            Self::Restore(_) | Self::PutInPlace(_) => RunKind::Restore,
            Self::Copy(_) => RunKind::Copy,
        }
    }

    /// Returns what [`Self::from_stored`] reads beside the kind. `None` if there is nothing to say.
    pub fn request(&self) -> Option<Value> {
        let mut written = self.fields();
        written.remove(PLAN);
        (!written.is_empty()).then_some(Value::Object(written))
    }

    fn fields(&self) -> Map<String, Value> {
        let written = match self {
            Self::Backup(spec) => serde_json::to_value(spec),
            Self::Restore(spec) => serde_json::to_value(spec),
            Self::PutInPlace(spec) => serde_json::to_value(spec),
            Self::Copy(spec) => serde_json::to_value(spec),
        };
        match written {
            Ok(Value::Object(fields)) => fields,
            // Structs with text keys only, which JSON has.
            _ => Map::new(),
        }
    }
}

impl Serialize for RunSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = self.fields();
        fields.insert("version".to_owned(), SPEC_VERSION.into());
        fields.insert("kind".to_owned(), self.name().into());
        fields.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RunSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let version = fields.remove("version").ok_or_else(|| D::Error::missing_field("version"))?;
        if version != SPEC_VERSION {
            return Err(D::Error::custom(format!(
                "version {version} of a spec is unknown, only {SPEC_VERSION} is known"
            )));
        }
        let kind = fields.remove("kind").ok_or_else(|| D::Error::missing_field("kind"))?;
        let rest = Value::Object(fields);
        let read = match kind.as_str() {
            Some("backup") => serde_json::from_value(rest).map(Self::Backup),
            Some("restore") => serde_json::from_value(rest).map(Self::Restore),
            Some("putInPlace") => serde_json::from_value(rest).map(Self::PutInPlace),
            Some("copy") => serde_json::from_value(rest).map(Self::Copy),
            _ => return Err(D::Error::custom(format!("{kind} is not a kind of run"))),
        };
        read.map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_spec_comes_back_as_it_was_stored() {
        let restore = json!({"destinationId": "d", "path": "p", "sourceId": "s", "database": null, "overwrite": true, "noOwner": false});
        let put = json!({"sourceId": "s", "database": "shop", "kept": "shop__x"});
        let copy = json!({"destinationId": "d", "path": "p", "toDestinationId": "e"});
        for (kind, request) in [
            (RunKind::Backup, None),
            (RunKind::Backup, Some(json!({"databases": ["shop"]}))),
            (RunKind::Restore, Some(restore)),
            (RunKind::Restore, Some(put)),
            (RunKind::Copy, Some(copy)),
        ] {
            let spec = RunSpec::from_stored(kind, request.as_ref()).unwrap();
            assert_eq!(spec.kind(), kind);
            assert_eq!(RunSpec::from_stored(kind, spec.request().as_ref()), Ok(spec));
        }
    }

    #[test]
    fn a_spec_goes_through_json_and_what_is_not_known_in_it_is_an_error() {
        let source = json!({"id": "s", "name": "Shop", "settings": {"type": "postgres", "host": "h"},
            "secrets": {"password": {"sourceId": "s", "field": "password"}}});
        let disk = json!({"id": "d", "name": "Disk", "settings": {"type": "file", "path": "/srv"}, "approvedPath": "/srv",
            "secrets": {}});
        let offsite = json!({"id": "e", "name": "Offsite", "settings": {"type": "dropbox"},
            "secrets": {"refreshToken": {"destinationId": "e", "field": "refreshToken"}}});
        let plan = json!({"jobId": "j", "job": "nightly", "source": source, "destinations": [disk, offsite],
            "compression": "zstd:3", "recipients": ["age1x"], "timeoutSeconds": 60, "stallTimeoutSeconds": 900,
            "acknowledgedWarnings": [], "allowDamaged": false});
        let backup = json!({"version": 1, "kind": "backup", "databases": ["shop"], "plan": plan});
        let put = json!({"version": 1, "kind": "putInPlace", "sourceId": "s", "kept": "k", "administers": true});
        let copy = json!({"version": 1, "kind": "copy", "destinationId": "d", "path": "p", "toDestinationId": "e",
            "plan": {"from": disk, "to": offsite, "stallTimeoutSeconds": 900}});
        let target = json!({"source": source, "database": "/srv/x.db", "approvedPath": "/srv/x.db"});
        let into = json!({"destination": offsite, "target": target, "replaces": true, "jobEncrypts": true,
            "identities": [{"profileId": "p"}], "stallTimeoutSeconds": 900});
        let restore = json!({"version": 1, "kind": "restore", "destinationId": "e", "path": "p", "sourceId": "s",
            "database": "/srv/x.db", "overwrite": true, "noOwner": false, "continueOnError": false, "inPlace": false,
            "allowDamaged": false, "administers": true, "allowUnencrypted": false, "plan": into});
        for written in [&backup, &put, &copy, &restore, &json!({"version": 1, "kind": "backup"})] {
            let spec: RunSpec = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(serde_json::to_value(&spec).unwrap(), *written);
            let bare = RunSpec::from_stored(spec.kind(), spec.request().as_ref()).unwrap();
            assert_eq!(spec.plan().map_or(Ok(bare.clone()), |plan| bare.with_plan(plan)), Ok(spec));
        }
        let with = |pointer: &str, value: Value| {
            let mut spec = backup.clone();
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            let parent = spec.pointer_mut(parent).unwrap();
            parent.as_object_mut().unwrap().insert(field.to_owned(), value);
            serde_json::from_value::<RunSpec>(spec).map(drop)
        };
        for (pointer, value) in [
            ("/version", json!(2)),
            ("/version", json!("1")),
            ("/kind", json!("drill")),
            ("/kind", json!("copy")),
            ("/more", json!(true)),
            ("/plan/retention", json!(7)),
            ("/plan/compression", json!("brotli:5")),
            ("/plan/source/role", json!("r")),
            ("/plan/source/secrets/password", json!("hunter2")),
            ("/plan/source/secrets/password", json!({"sourceId": "s", "field": "password", "vault": "v"})),
            ("/plan/destinations", json!([{"id": "d"}])),
        ] {
            assert!(with(pointer, value.clone()).is_err(), "{pointer}: {value}");
        }
        for missing in [json!({"kind": "backup"}), json!({"version": 1}), json!(null), json!([])] {
            assert!(serde_json::from_value::<RunSpec>(missing.clone()).is_err(), "{missing}");
        }
    }

    #[test]
    fn a_spec_that_lacks_something_is_an_error() {
        assert!(RunSpec::from_stored(RunKind::Copy, None).unwrap_err().contains("cannot be read"));
        assert!(RunSpec::from_stored(RunKind::Restore, Some(&json!({"path": "p"}))).is_err());
    }
}
