//! Marking and renaming databases: a restored one takes its place, is kept, or what was there is brought back.

use std::time::Duration;

use domain::Warning;

use super::super::disposal;
use super::super::marks::{Mark, Marks};
use super::super::passing::{Number, Purpose};
use super::super::probe::{execute, execute_guarded, identifier};
use super::occupants::end_sessions;
use super::target::Target;
use crate::error::Error;
use crate::guard::{Guard, Unguarded};

/// Attempts of a swap: sessions that reconnect at once, or that hold a lock, can thwart one.
const SWAP_ATTEMPTS: u32 = 4;
/// How long one waits for a lock, as PostgreSQL writes it: everybody who connects meanwhile waits behind it.
const SWAP_LOCK_TIMEOUT: &str = "3s";
/// The pause between two attempts, in which others can connect.
const SWAP_PAUSE: Duration = Duration::from_secs(1);
/// SQLSTATE of a database that is in use, and of a lock that did not come in time.
const IN_THE_WAY: [&str; 2] = ["SQLSTATE 55006", "SQLSTATE 55P03"];

impl Target {
    /// Notes on a restored database that it is complete, so that no later restore removes it.
    async fn mark_complete(&self, name: &str) -> Result<(), Error> {
        let marks = Marks::read(&self.source).await?;
        let mark = Mark::Complete(self.database.clone());
        execute(&self.source, &marks.set(name, name, Some(&mark))).await.map(drop)
    }

    /// Puts a complete database into its place. What was there is dropped.
    pub(super) async fn put_in_place(
        &self,
        new: &str,
        number: Number,
        guard: &dyn Guard,
    ) -> Result<Vec<Warning>, Error> {
        let own = &self.database;
        if !self.has_database(own).await? {
            self.rename(&[Rename::unmarked(new, own)], guard).await?;
            return Ok(Vec::new());
        }
        let replaced = number.name(own, Purpose::Replaced);
        let renames = [Rename { from: own, to: &replaced, mark: Some(Mark::Replaced) }, Rename::unmarked(new, own)];
        self.rename(&renames, guard).await?;
        Ok(disposal::drop_replaced(&self.source, &replaced).await)
    }

    /// Gives a new, empty database the target's name, for a restore that loads under it. What is there is moved `aside`.
    pub(super) async fn take_place(
        &self,
        new: &str,
        aside: Option<&str>,
        number: Number,
        guard: &dyn Guard,
    ) -> Result<(), Error> {
        let own = &self.database;
        let take = Rename { from: new, to: own, mark: Some(Mark::Loading(number)) };
        match aside {
            Some(aside) => {
                let move_aside = Rename { from: own, to: aside, mark: Some(Mark::Aside(own.clone())) };
                self.rename(&[move_aside, take], guard).await
            }
            None => self.rename(&[take], guard).await,
        }
    }

    /// Ends a restore that loaded under the target's name. What was moved aside is dropped.
    pub(super) async fn keep_place(&self, aside: Option<&str>, guard: &dyn Guard) -> Result<Vec<Warning>, Error> {
        let marks = Marks::read(&self.source).await?;
        let unmark = marks.set(&self.database, &self.database, None);
        let Some(aside) = aside else {
            execute_guarded(&self.source, &unmark, guard).await?;
            return Ok(Vec::new());
        };
        // Only marks change: a rename would fail at whoever is connected to what was moved aside.
        let replaced = marks.set(aside, aside, Some(&Mark::Replaced));
        execute_guarded(&self.source, &format!("{unmark}; {replaced}"), guard).await?;
        Ok(disposal::drop_replaced(&self.source, aside).await)
    }

    /// Undoes [`Self::take_place`], however far it came, and drops what was loaded. Returns `false`, and does nothing, if the database of
    /// that name is not the one that was being loaded.
    pub(in super::super) async fn bring_back(&self, number: Number) -> Result<bool, Error> {
        let aside = number.name(&self.database, Purpose::Aside);
        if !self.bring_back_once(&aside, number).await? {
            return Ok(false);
        }
        // A swap whose answer nobody waited for may have been committed meanwhile.
        if self.has_database(&aside).await? || self.is_loading(number).await? {
            return self.bring_back_once(&aside, number).await;
        }
        Ok(true)
    }

    async fn bring_back_once(&self, aside: &str, number: Number) -> Result<bool, Error> {
        let (own, new) = (&self.database, number.name(&self.database, Purpose::Restore));
        let (has_own, has_aside) = (self.has_database(own).await?, self.has_database(aside).await?);
        let is_loading = self.is_loading(number).await?;
        if has_own && has_aside && !is_loading {
            return Ok(false);
        }
        let mut renames = Vec::new();
        if is_loading {
            renames.push(Rename::unmarked(own, &new));
        }
        if has_aside {
            renames.push(Rename::unmarked(aside, own));
        }
        let failed = |error| {
            let kept = if has_aside { format!(", which is kept as '{aside}'") } else { String::new() };
            Error::failed(format!("could not bring back '{own}'{kept}"), error)
        };
        if !renames.is_empty() {
            self.rename(&renames, &Unguarded).await.map_err(failed)?;
        }
        disposal::drop_unfinished(&self.source, &new).await.map_err(failed)?;
        Ok(true)
    }

    async fn is_loading(&self, number: Number) -> Result<bool, Error> {
        Ok(Marks::read(&self.source).await?.of(&self.database) == Some(Mark::Loading(number)))
    }

    /// Ends the sessions of databases and renames them, in one transaction: there is no moment without a database of the target's name.
    /// Sessions that come back at once, and locks, make it fail as a whole, and it is tried again after a pause.
    async fn rename(&self, renames: &[Rename<'_>], guard: &dyn Guard) -> Result<(), Error> {
        let marks = Marks::read(&self.source).await?;
        let names: Vec<&str> = renames.iter().map(|rename| rename.from).collect();
        let sql = rename_sql(&marks, renames).join("; ");
        let sql = format!("{}; SET LOCAL lock_timeout = '{SWAP_LOCK_TIMEOUT}'; {sql}", end_sessions(&names));
        for attempt in 1..=SWAP_ATTEMPTS {
            guard.check().await?;
            match execute_guarded(&self.source, &sql, guard).await {
                Err(Error::Failed { what, cause, .. }) if IN_THE_WAY.iter().any(|state| cause.contains(state)) => {
                    if attempt == SWAP_ATTEMPTS {
                        return Err(self.in_the_way(what, &names).await);
                    }
                    tokio::time::sleep(SWAP_PAUSE).await;
                }
                result => return result.map(drop),
            }
        }
        Ok(())
    }

    /// Returns the restored database, under the name that says what it is if it can have that.
    ///
    /// # Errors
    /// If it can be told by neither its mark nor its name, so that the next restore would remove it.
    pub(super) async fn keep(&self, new: &str, number: Number) -> Result<String, Error> {
        // Sessions that work in it are in the way of a name, but not of a mark.
        let marked = self.mark_complete(new).await;
        let kept = number.name(&self.database, Purpose::Restored);
        let sql = format!("ALTER DATABASE {} RENAME TO {}", identifier(new), identifier(&kept));
        match execute(&self.source, &format!("{}; {sql}", end_sessions(&[new]))).await {
            Ok(_) => Ok(kept),
            Err(_) => marked.map(|()| new.to_owned()),
        }
    }

    /// Returns the number of a complete database that waits for the target's place.
    ///
    /// # Errors
    /// [`Error::Usage`] for any other database.
    pub(super) async fn kept(&self, kept: &str) -> Result<Number, Error> {
        let refuse = |why: &str| Err(Error::Usage(format!("'{kept}' {why}")));
        if !self.has_database(kept).await? {
            return refuse("is no database of this server");
        }
        let mark = Marks::read(&self.source).await?.of(kept);
        let name = kept.rsplit_once("__dbackup_restored_").map(|(name, _)| name);
        match (Number::of_name(kept), mark, name) {
            (Some(number), Some(Mark::Complete(database)), _) if database == self.database => Ok(number),
            (Some(_), Some(Mark::Complete(database)), _) => {
                refuse(&format!("was restored for '{database}': name that as the target"))
            }
            // As the versions before marks kept them.
            (Some(number), None, Some(name)) if self.database.starts_with(name) => Ok(number),
            _ => refuse("is not a complete database that a restore has kept"),
        }
    }
}

/// A database that gets another name, and with it a mark or none.
struct Rename<'a> {
    from: &'a str,
    to: &'a str,
    mark: Option<Mark>,
}

impl<'a> Rename<'a> {
    fn unmarked(from: &'a str, to: &'a str) -> Self {
        Self { from, to, mark: None }
    }
}

fn rename_sql(marks: &Marks, renames: &[Rename<'_>]) -> Vec<String> {
    let sql = renames.iter().flat_map(|Rename { from, to, mark }| {
        let rename = format!("ALTER DATABASE {} RENAME TO {}", identifier(from), identifier(to));
        let is_marked = mark.is_some() || marks.of(from).is_some();
        [Some(rename), is_marked.then(|| marks.set(to, from, mark.as_ref()))].into_iter().flatten()
    });
    sql.collect()
}
