//! Who changed what, and what was refused to whom. Never a secret.

use jiff::Timestamp;

use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::sql::{self, Executor, record, values};
use crate::values::{Moment, Value};
use crate::{Catalog, new_id};

/// An entry.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// UUID.
    pub id: String,
    /// When.
    pub at: Moment,
    /// Who: `user <name>`, `token <name> of <name>`, `nobody`, `command line`.
    pub actor: String,
    /// The name of the user; empty for nobody and for the server itself.
    pub user: String,
    /// The name of the API token; empty without one.
    pub token: String,
    /// From where.
    pub address: String,
    /// What was done, as a stable word: `job.run`. Empty in entries of earlier versions.
    pub event: String,
    /// What was asked for: the method `POST`, or a word.
    pub action: String,
    /// On what kind of thing: `job`.
    pub object_kind: String,
    /// The id of the thing.
    pub object_id: String,
    /// The name of the thing at that time.
    pub object_name: String,
    /// On what: the path that was asked for, or kind and name.
    pub object: String,
    /// `done` or `refused`.
    pub outcome: String,
    /// Why it was refused, or what else is worth knowing.
    pub detail: String,
}

record!(AuditEntry, "audit", {
    id,
    at,
    actor,
    user = "user_name",
    token = "token_name",
    address,
    event,
    action,
    object_kind,
    object_id,
    object_name,
    object,
    outcome,
    detail
});

/// What happened. What is not known is empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewAuditEntry<'a> {
    /// See [`AuditEntry::actor`].
    pub actor: &'a str,
    /// See [`AuditEntry::user`].
    pub user: &'a str,
    /// See [`AuditEntry::token`].
    pub token: &'a str,
    /// See [`AuditEntry::address`].
    pub address: &'a str,
    /// See [`AuditEntry::event`].
    pub event: &'a str,
    /// See [`AuditEntry::action`].
    pub action: &'a str,
    /// See [`AuditEntry::object_kind`].
    pub object_kind: &'a str,
    /// See [`AuditEntry::object_id`].
    pub object_id: &'a str,
    /// See [`AuditEntry::object_name`].
    pub object_name: &'a str,
    /// See [`AuditEntry::object`].
    pub object: &'a str,
    /// Whether it was refused.
    pub refused: bool,
    /// See [`AuditEntry::detail`].
    pub detail: &'a str,
}

/// Which entries. What is `None` lets all through.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only of the user with this name, their API tokens included.
    pub user: Option<String>,
    /// Only of API tokens with this name.
    pub token: Option<String>,
    /// Only with this word; `job` stands for all that begin with `job.`.
    pub event: Option<String>,
    /// Only on the thing with this id or name.
    pub object: Option<String>,
    /// Only at this time or later.
    pub since: Option<Timestamp>,
    /// Only before this time.
    pub until: Option<Timestamp>,
    /// Only what was refused, or only what was done.
    pub refused: Option<bool>,
}

impl AuditFilter {
    /// Returns the conditions, in which `$$` stands for the place of the value, with their values.
    fn conditions(&self) -> Vec<(&'static str, Value)> {
        let text = |condition, text: &Option<String>| text.as_ref().map(|text| (condition, Value::from(text.clone())));
        [
            text("user_name = $$", &self.user),
            text("token_name = $$", &self.token),
            text("(event = $$ OR substr(event, 1, length($$) + 1) = $$ || '.')", &self.event),
            text("(object_id = $$ OR object_name = $$)", &self.object),
            self.since.map(|since| ("at >= $$", Value::from(since))),
            self.until.map(|until| ("at < $$", Value::from(until))),
            self.refused.map(|refused| ("outcome = $$", Value::from(outcome(refused).to_owned()))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn outcome(refused: bool) -> &'static str {
    if refused { "refused" } else { "done" }
}

impl Catalog {
    /// Adds an entry.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn add_audit_entry(&self, new: &NewAuditEntry<'_>, now: Timestamp) -> Result<(), Error> {
        insert(&self.db, new, now).await
    }

    /// Returns the entries that a filter lets through, the newest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn audit_entries(&self, filter: &AuditFilter, page: &PageRequest) -> Result<Page<AuditEntry>, Error> {
        let mut values: Vec<Value> = values![page.probe()].into();
        let mut clauses = vec!["1 = 1".to_owned()];
        let after = page.after.clone().map(|after| ("id < $$", Value::from(after)));
        for (condition, value) in filter.conditions().into_iter().chain(after) {
            values.push(value);
            clauses.push(condition.replace("$$", &format!("${}", values.len())));
        }
        let text = format!("WHERE {} ORDER BY id DESC LIMIT $1", clauses.join(" AND "));
        Ok(Page::of(sql::all(&self.db, &sql::select::<AuditEntry>(&text), values).await?, page))
    }
}

pub(crate) async fn insert(db: impl Executor, new: &NewAuditEntry<'_>, now: Timestamp) -> Result<(), Error> {
    let text = "INSERT INTO audit (id, at, actor, address, action, object, outcome, detail, user_name, token_name, event, \
                object_kind, object_id, object_name) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    let values = values![
        new_id(now),
        now,
        new.actor,
        new.address,
        new.action,
        new.object,
        outcome(new.refused),
        new.detail,
        new.user,
        new.token,
        new.event,
        new.object_kind,
        new.object_id,
        new.object_name
    ];
    sql::run(db, text, values).await.map(drop)
}
