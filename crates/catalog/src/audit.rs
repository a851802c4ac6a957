//! Who changed what, and what was refused to whom. Never a secret.

use jiff::Timestamp;

use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::sql::{self, Executor, record, values};
use crate::values::Moment;
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
    /// From where.
    pub address: String,
    /// What was done: `POST /api/jobs`.
    pub action: String,
    /// On what: the path's parameters, or a name.
    pub object: String,
    /// `done` or `refused`.
    pub outcome: String,
    /// Why it was refused, or what else is worth knowing.
    pub detail: String,
}

record!(AuditEntry, "audit", { id, at, actor, address, action, object, outcome, detail });

/// What happened.
#[derive(Debug, Clone, Copy)]
pub struct NewAuditEntry<'a> {
    /// See [`AuditEntry::actor`].
    pub actor: &'a str,
    /// See [`AuditEntry::address`].
    pub address: &'a str,
    /// See [`AuditEntry::action`].
    pub action: &'a str,
    /// See [`AuditEntry::object`].
    pub object: &'a str,
    /// Whether it was refused.
    pub refused: bool,
    /// See [`AuditEntry::detail`].
    pub detail: &'a str,
}

impl Catalog {
    /// Adds an entry.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn add_audit_entry(&self, new: &NewAuditEntry<'_>, now: Timestamp) -> Result<(), Error> {
        insert(&self.db, new, now).await
    }

    /// The newest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn audit_entries(&self, page: &PageRequest) -> Result<Page<AuditEntry>, Error> {
        let text = sql::select::<AuditEntry>("WHERE $1 = '' OR id < $1 ORDER BY id DESC LIMIT $2");
        let after = page.after.as_deref().unwrap_or_default();
        Ok(Page::of(sql::all(&self.db, &text, values![after, page.probe()]).await?, page))
    }
}

pub(crate) async fn insert(db: impl Executor, new: &NewAuditEntry<'_>, now: Timestamp) -> Result<(), Error> {
    let text = "INSERT INTO audit (id, at, actor, address, action, object, outcome, detail) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let outcome = if new.refused { "refused" } else { "done" };
    let values = values![new_id(now), now, new.actor, new.address, new.action, new.object, outcome, new.detail];
    sql::run(db, text, values).await.map(drop)
}
