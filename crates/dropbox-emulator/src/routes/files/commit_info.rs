//! `CommitInfo`: under which name, and over what, an uploaded file is to be put.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use super::{described, writable};
use crate::app::Account;
use crate::clock::parse_seconds;
use crate::errors::WriteError;
use crate::failure::Failure;
use crate::routes::{Arg, Caller, strings};
use crate::store::Content;
use crate::tree::commit::{Commit, WriteMode};
use crate::tree::path::Grammar;

/// The argument of `upload`, and without the hash the `commit` of `finish`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommitInfo {
    path: String,
    #[serde(default = "add", deserialize_with = "write_mode")]
    mode: WriteMode,
    #[serde(default)]
    autorename: bool,
    #[serde(default, deserialize_with = "date")]
    client_modified: Option<Timestamp>,
    #[serde(default, rename = "mute")]
    _mute: bool,
    #[serde(default, rename = "property_groups")]
    _property_groups: Option<Value>,
    #[serde(default)]
    strict_conflict: bool,
    /// The hash of the request's body; only in `upload`.
    #[serde(default, deserialize_with = "strings::hash")]
    pub(super) content_hash: Option<String>,
}

fn add() -> WriteMode {
    WriteMode::Add
}

/// `"add"`, `{".tag": "add"}`, `{".tag": "update", "update": "<rev>"}`.
fn write_mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<WriteMode, D::Error> {
    let value = Value::deserialize(deserializer)?;
    match (value.as_str().or_else(|| value[".tag"].as_str()), value["update"].as_str()) {
        (Some("add"), None) => Ok(WriteMode::Add),
        (Some("overwrite"), None) => Ok(WriteMode::Overwrite),
        (Some("update"), Some(rev)) => {
            strings::check_rev(rev).map_err(D::Error::custom)?;
            Ok(WriteMode::Update(rev.to_owned()))
        }
        _ => Err(D::Error::custom(format!("mode: invalid write mode {value}"))),
    }
}

fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let problem = || D::Error::custom(format!("client_modified: '{text}' does not match format '%Y-%m-%dT%H:%M:%SZ'"));
    parse_seconds(&text).map(Some).ok_or_else(problem)
}

impl CommitInfo {
    /// Puts `content` where it belongs, and answers with its `FileMetadata`. The outer error is a 400.
    pub(super) fn commit(
        &self,
        caller: &Caller,
        account: &mut Account,
        arg: &Arg,
        content: &Content,
    ) -> Result<Result<Value, WriteError>, Failure> {
        let display = match writable(caller, account, Grammar::Write, &self.path, arg)? {
            Ok(display) => display,
            Err(error) => return Ok(Err(error)),
        };
        let commit = Commit {
            mode: self.mode.clone(),
            autorename: self.autorename,
            strict_conflict: self.strict_conflict,
            client_modified: self.client_modified,
        };
        let (quota, now) = (account.quota, caller.app.clock.now());
        let committed = account.tree.commit(&display, content, &commit, quota, now);
        Ok(committed.map(|key| described(account.tree.fields(&key, &caller.view))))
    }
}
