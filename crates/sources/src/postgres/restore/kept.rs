//! Restored databases that are complete, and could not be put in their place.

use super::super::change;
use super::super::marks::{Mark, Marks};
use super::super::passing::{Number, Purpose};
use super::super::probe::{execute, identifier};
use super::super::query_error::QueryError;
use super::occupants::end_sessions;
use super::target::Target;
use crate::error::Error;
use crate::guard::Unguarded;

impl Target {
    /// Notes on a restored database that it is complete, before its swap: whatever becomes of that, it is not taken for half a database.
    pub(super) async fn mark_placing(&self, name: &str) -> Result<(), Error> {
        self.mark(name, Mark::Placing(self.database.clone())).await
    }

    async fn mark(&self, name: &str, mark: Mark) -> Result<(), Error> {
        let marks = Marks::read(&self.source).await?;
        execute(&self.source, &marks.set(name, name, Some(&mark))).await.map(drop)
    }

    /// Keeps the restored database, which no later restore removes, and returns its name: the one that says what it is, if it can have
    /// that.
    ///
    /// # Errors
    /// If it can be told by neither its mark nor its name, so that the next restore would remove it. [`Kind::Uncertain`](crate::Kind::Uncertain)
    /// if it is marked, and has one of two names.
    pub(super) async fn keep(&self, new: &str, number: Number) -> Result<String, Error> {
        // Sessions that work in it are in the way of a name, but not of a mark.
        let marked = self.mark(new, Mark::Complete(self.database.clone())).await;
        let kept = number.name(&self.database, Purpose::Restored);
        let sql = format!("ALTER DATABASE {} RENAME TO {}", identifier(new), identifier(&kept));
        let sql = format!("{}; {sql}", end_sessions(&[new]));
        let Ok(happened) = self.is_renamed(new, &kept).await else { return marked.map(|()| new.to_owned()) };
        match change::once(&self.source, &sql, &happened, &Unguarded).await {
            Ok(()) => Ok(kept),
            Err(error @ QueryError::Unknown { .. }) => marked.and_then(|()| Err(error.into_error(&self.source, &sql))),
            Err(_) => marked.map(|()| new.to_owned()),
        }
    }

    /// Returns the number of a complete database that waits for the target's place.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) for any other database.
    pub(super) async fn kept(&self, kept: &str) -> Result<Number, Error> {
        let refuse = |why: &str| Err(Error::invalid(format!("'{kept}' {why}")));
        if !self.has_database(kept).await? {
            return refuse("is no database of this server");
        }
        let mark = Marks::read(&self.source).await?.of(kept);
        let name = kept.rsplit_once("__dbackup_restored_").map(|(name, _)| name);
        match (Number::of_name(kept), mark, name) {
            (Some(number), Some(Mark::Complete(database) | Mark::Placing(database)), _)
                if database == self.database =>
            {
                Ok(number)
            }
            (Some(_), Some(Mark::Complete(database) | Mark::Placing(database)), _) => {
                refuse(&format!("was restored for '{database}': name that as the target"))
            }
            // As the versions before marks kept them.
            (Some(number), None, Some(name)) if self.database.starts_with(name) => Ok(number),
            _ => refuse("is not a complete database that a restore has kept"),
        }
    }
}
