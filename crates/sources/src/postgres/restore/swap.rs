//! Marking and renaming databases: a restored one takes its place, or what was there is brought back.

use std::time::Duration;

use domain::Warning;

use super::super::change;
use super::super::disposal;
use super::super::marks::{Mark, Marks};
use super::super::passing::{Number, Purpose};
use super::super::probe::{execute, identifier, literal};
use super::super::query_error::{QueryError, doing};
use super::occupants::end_sessions;
use super::target::Target;
use crate::error::{Error, Kind};
use crate::guard::{Guard, Unguarded};

/// Attempts of a swap: sessions that reconnect at once, or that hold a lock, can thwart one.
const SWAP_ATTEMPTS: u32 = 4;
/// How long one waits for a lock, as PostgreSQL writes it: everybody who connects meanwhile waits behind it.
const SWAP_LOCK_TIMEOUT: &str = "3s";
/// The pause between two attempts, in which others can connect.
const SWAP_PAUSE: Duration = Duration::from_secs(1);
/// SQLSTATE of a database that is in use, and of a lock that did not come in time.
const IN_THE_WAY: [&str; 2] = ["55006", "55P03"];

impl Target {
    /// Puts a complete database into its place. What was there is dropped.
    ///
    /// # Errors
    /// [`Kind::Uncertain`] if it is not known whether that happened. `new` is marked as complete ([`Self::mark_placing`]): whatever
    /// happened, it stays until a later restore there has succeeded.
    pub(super) async fn put_in_place(
        &self,
        new: &str,
        number: Number,
        guard: &dyn Guard,
    ) -> Result<Vec<Warning>, Error> {
        let own = &self.database;
        if !self.has_database(own).await? {
            let placed = self.rename(&[Rename::unmarked(new, own)], guard).await;
            return placed.map(|()| Vec::new()).map_err(|error| self.unknown_swap(error, new, None));
        }
        let replaced = number.name(own, Purpose::Replaced);
        let renames = [Rename { from: own, to: &replaced, mark: Some(Mark::Replaced) }, Rename::unmarked(new, own)];
        let swapped = self.rename(&renames, guard).await;
        swapped.map_err(|error| self.unknown_swap(error, new, Some(&replaced)))?;
        Ok(disposal::drop_replaced(&self.source, &replaced).await)
    }

    /// Says what to look for after a swap whose outcome is not known.
    fn unknown_swap(&self, error: Error, new: &str, replaced: Option<&str>) -> Error {
        let own = &self.database;
        let then = match replaced {
            Some(replaced) => format!(
                "'{own}' is the restored database, and what it replaced is '{replaced}' until the next restore there removes it"
            ),
            None => format!("'{own}' is the restored database"),
        };
        unknown(error, || {
            (
                format!("it is unknown whether the restored database has become '{own}'"),
                format!(
                    "List the databases there. If there is no '{new}', {then}. If there is a '{new}', nothing was replaced: it is \
                     the restored database, complete, and stays until a later restore of '{own}' has succeeded. Put it in its place \
                     with dbackup restore --put-in-place '{new}'"
                ),
            )
        })
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
    ///
    /// # Errors
    /// [`Kind::Uncertain`] if it is not known whether that happened.
    pub(super) async fn keep_place(
        &self,
        number: Number,
        aside: Option<&str>,
        guard: &dyn Guard,
    ) -> Result<Vec<Warning>, Error> {
        let (own, loading) = (&self.database, Mark::Loading(number));
        let marks = Marks::read(&self.source).await?;
        let mut sql = marks.set(own, own, None);
        // Only marks change: a rename would fail at whoever is connected to what was moved aside.
        if let Some(aside) = aside {
            sql = format!("{sql}; {}", marks.set(aside, aside, Some(&Mark::Replaced)));
        }
        let names: Vec<&str> = [own.as_str()].into_iter().chain(aside).collect();
        let kept = self.change_in_tries(&sql, &loading.question(own, false), &names, guard).await;
        kept.map_err(|error| {
            unknown(error, || {
                let otherwise = match aside {
                    Some(aside) => format!(
                        "'{own}' as it was before is '{aside}', and the next restore there gives it its name back"
                    ),
                    None => format!("restore again into '{own}', and replace it"),
                };
                (
                    format!("it is unknown whether the restored database stays as '{own}'"),
                    format!(
                        "Look at the comment of database '{own}'. If it does not end with [dbackup is restoring it: {number}], the \
                         restore is complete. If it does, {otherwise}"
                    ),
                )
            })
        })?;
        match aside {
            Some(aside) => Ok(disposal::drop_replaced(&self.source, aside).await),
            None => Ok(Vec::new()),
        }
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
        let failed = |error: Error| {
            let kept = match error.kind() {
                Kind::Uncertain => format!(", which is '{aside}' unless it has its name already"),
                _ => format!(", which is kept as '{aside}'"),
            };
            let kept = if has_aside { kept } else { String::new() };
            let what = format!("could not bring back '{own}'{kept}");
            Error::new(error.kind().clone(), what, error).cure("The next restore there tries it again")
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
    async fn rename(&self, renames: &[Rename<'_>], guard: &dyn Guard) -> Result<(), Error> {
        let marks = Marks::read(&self.source).await?;
        let names: Vec<&str> = renames.iter().map(|rename| rename.from).collect();
        let sql = rename_sql(&marks, renames).join("; ");
        let sql = format!("{}; SET LOCAL lock_timeout = '{SWAP_LOCK_TIMEOUT}'; {sql}", end_sessions(&names));
        let happened = match renames.first() {
            Some(rename) => self.is_renamed(rename.from, rename.to).await?,
            None => return Ok(()),
        };
        self.change_in_tries(&sql, &happened, &names, guard).await
    }

    /// Returns a question that has a row once a database has another name: its OID stays.
    pub(super) async fn is_renamed(&self, from: &str, to: &str) -> Result<String, Error> {
        let oid = format!("SELECT oid FROM pg_catalog.pg_database WHERE datname = {}", literal(from));
        let oid = execute(&self.source, &oid).await?.into_iter().flatten().next().unwrap_or_else(|| "0".to_owned());
        Ok(format!("SELECT 1 FROM pg_catalog.pg_database WHERE oid = {oid} AND datname = {}", literal(to)))
    }

    /// Changes names or marks of databases. Sessions that come back at once, locks, and a guard that does not answer make it fail as a
    /// whole, and it is tried again after a pause, in which nothing is locked. The guard is asked before each try, for as long as it takes.
    async fn change_in_tries(&self, sql: &str, happened: &str, names: &[&str], guard: &dyn Guard) -> Result<(), Error> {
        for tries_left in (0..SWAP_ATTEMPTS).rev() {
            guard.check().await?;
            let Err(error) = change::once(&self.source, sql, happened, guard).await else { break };
            let is_in_the_way = error.sqlstate().is_some_and(|code| IN_THE_WAY.contains(&code));
            match error {
                _ if is_in_the_way && (tries_left == 0 || self.are_held(names).await) => {
                    return Err(self.in_the_way(doing(&self.source, sql), names).await);
                }
                QueryError::Unconfirmed if tries_left > 0 => {}
                _ if is_in_the_way => {}
                error => return Err(error.into_error(&self.source, sql)),
            }
            tokio::time::sleep(SWAP_PAUSE).await;
        }
        Ok(())
    }
}

/// Makes an error one of which the caller knows the outcome, or finds it out.
pub(super) fn certain(error: Error) -> Error {
    if *error.kind() == Kind::Uncertain { error.with_kind(Kind::Unavailable) } else { error }
}

/// Gives an error whose outcome is not known the words for what to look for.
fn unknown(error: Error, words: impl FnOnce() -> (String, String)) -> Error {
    if *error.kind() != Kind::Uncertain {
        return error;
    }
    let (what, cure) = words();
    error.with_what(what).cure(cure)
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
