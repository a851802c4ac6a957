//! Databases under passing names: what a restore makes beside its target, and how it is found and removed after a crash.
//!
//! - `shop__dbackup_restore_1f2e3d4c`: being loaded. The process that loads it holds an advisory lock whose key is the number
//!   in the name, from before the database exists until it has another name. Locks of all databases of a server are seen
//!   in `pg_locks`, and end with the session: a database without its lock was abandoned, on whatever machine.
//! - `shop__dbackup_restored_1f2e3d4c`: complete, but not in its place. Never removed.
//! - `shop__dbackup_replaced_1f2e3d4c`: what was there before. Removed right after the swap, or by the next restore.
//! - `shop__dbackup_aside_1f2e3d4c`: what was there before, while another one is loaded under its name. Brought back unless that
//!   one is completed.
//!
//! Names may be cut; what a database is, and for which place, its mark says ([`super::marks`]).

use domain::Warning;

use super::Postgres;
use super::disposal::{drop_replaced, drop_unfinished};
use super::marks::{Mark, Marks};
use super::probe::{execute, identifier, query};
use super::restore::Target;
use super::session::Session;
use crate::error::Error;

/// PostgreSQL cuts longer names.
pub(super) const MAX_NAME_BYTES: usize = 63;
/// The first half of every advisory lock's key: "dbkp".
const LOCK_CLASS: u32 = 0x6462_6b70;
/// Databases that the lock's session may be connected to: it must not be in the way of a rename.
const LOCK_DATABASES: [&str; 2] = ["postgres", "template1"];

/// What a database under a passing name is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Being loaded.
    Restore,
    /// Loaded, and waiting for its place.
    Restored,
    /// Replaced.
    Replaced,
    /// To be replaced, or brought back.
    Aside,
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Restore => "restore",
            Self::Restored => "restored",
            Self::Replaced => "replaced",
            Self::Aside => "aside",
        }
    }
}

/// A random number that all names of one restore share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number(u32);

impl Number {
    /// Draws a number.
    pub(super) fn draw() -> Result<Self, Error> {
        getrandom::u32().map(Self).map_err(|error| Error::failed("could not name a database", error))
    }

    /// Reads the number out of a passing name.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        let (_, rest) = name.rsplit_once("__dbackup_")?;
        Self::parse(rest.split_once('_')?.1)
    }

    /// Reads eight hexadecimal digits.
    pub(super) fn parse(digits: &str) -> Option<Self> {
        (digits.len() == 8).then(|| u32::from_str_radix(digits, 16).ok().map(Self))?
    }

    /// Returns the number itself.
    pub(super) fn value(self) -> u32 {
        self.0
    }

    /// Returns the passing name of a database, cut so that PostgreSQL keeps it whole.
    pub(super) fn name(self, database: &str, purpose: Purpose) -> String {
        let suffix = format!("__dbackup_{}_{self}", purpose.word());
        let mut end = database.len().min(MAX_NAME_BYTES - suffix.len());
        while !database.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}{suffix}", &database[..end])
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Holds the lock of one restore for as long as it lives.
#[derive(Debug)]
pub(super) struct Keeper {
    _session: Session,
}

impl Keeper {
    /// Takes the lock, through a session of its own.
    pub(super) async fn hold(source: &Postgres, number: Number) -> Result<Self, Error> {
        let database = lock_database(source).await?;
        let what = format!("could not mark a restore at {}", source.address());
        let session = Session::open(source, database, what).await?;
        let (class, key) = (LOCK_CLASS.cast_signed(), number.0.cast_signed());
        let sql = format!("SELECT 'held' FROM pg_catalog.pg_advisory_lock({class}, {key})");
        let (session, _) = session.ask(&sql).await?;
        Ok(Self { _session: session })
    }
}

pub(super) async fn lock_database(source: &Postgres) -> Result<&'static str, Error> {
    let mut first_failure = None;
    for database in LOCK_DATABASES.into_iter().filter(|database| source.database.as_deref() != Some(database)) {
        match query(source, database, "SELECT 1").await {
            Ok(_) => return Ok(database),
            Err(error) => first_failure = first_failure.or(Some(error)),
        }
    }
    Err(first_failure.unwrap_or_else(|| Error::failed(source.address(), "there is no database to ask through")))
}

/// Removes what crashed restores left, brings back what they had moved aside, and names what is not ours to remove: databases that were
/// restored and have no place yet, and what cannot be told.
pub(super) async fn sweep(source: &Postgres) -> Result<Vec<Warning>, Error> {
    let (names, marks) = abandoned(source).await?;
    let mut warnings = Vec::new();
    for name in names {
        let mark = marks.of(&name);
        let purpose = name.rsplit_once("__dbackup_").and_then(|(_, rest)| rest.split('_').next());
        warnings.extend(match (purpose, mark) {
            (Some("restored"), _) | (_, Some(Mark::Complete(_) | Mark::Placing(_))) => vec![complete(&name)],
            (Some("aside"), Some(Mark::Aside(database))) => {
                bring_back(source, &name, &database).await.into_iter().collect()
            }
            (Some("restore"), _) => removed(source, &name).await.into_iter().collect(),
            (_, Some(Mark::Replaced)) => drop_replaced(source, &name).await,
            _ => vec![leftover(&name, "was moved out of the way by a restore that was interrupted").with_cure(
                "Look into it first: it may be the only whole one. Then rename it to its own name, or drop it",
            )],
        });
    }
    Ok(warnings)
}

/// Removes what was restored for this database by restores that ended before they could put it in its place and tell of it, now that a
/// later one has succeeded. Returns each name, and a warning if it is still there.
pub(super) async fn remove_superseded(
    source: &Postgres,
    database: &str,
) -> Result<Vec<(String, Option<Warning>)>, Error> {
    let (names, marks) = abandoned(source).await?;
    let superseded = Some(Mark::Placing(database.to_owned()));
    let mut removals = Vec::new();
    for name in names.into_iter().filter(|name| marks.of(name) == superseded) {
        let warning = removed(source, &name).await;
        removals.push((name, warning));
    }
    Ok(removals)
}

/// Returns the databases under passing names that no running restore holds, and the marks.
async fn abandoned(source: &Postgres) -> Result<(Vec<String>, Marks), Error> {
    let sql = format!(
        "SELECT datname FROM pg_catalog.pg_database WHERE datname ~ '__dbackup_(restore|restored|replaced|aside)_[0-9a-f]{{8}}$' \
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND objsubid = 2 \
         AND classid::bigint = {LOCK_CLASS} AND objid::bigint = ('x' || right(datname, 8))::bit(32)::bigint) ORDER BY 1"
    );
    let names: Vec<String> = execute(source, &sql).await?.into_iter().flatten().collect();
    let marks = if names.is_empty() { Marks::default() } else { Marks::read(source).await? };
    Ok((names, marks))
}

async fn removed(source: &Postgres, name: &str) -> Option<Warning> {
    let error = drop_unfinished(source, name).await.err()?;
    let cure = format!("Once nobody needs it, run as its owner or a superuser: DROP DATABASE {}", identifier(name));
    Some(
        leftover(name, &format!("was left by an interrupted restore, and could not be removed: {error}"))
            .with_cure(cure),
    )
}

async fn bring_back(source: &Postgres, aside: &str, database: &str) -> Option<Warning> {
    let number = Number::of_name(aside)?;
    match Target::of(source, database, 0).bring_back(number).await {
        Ok(true) => None,
        Ok(false) => Some(
            leftover(aside, &format!("is '{database}' as it was before a restore in place that was interrupted")).with_cure(
                format!(
                    "There is another '{database}' since. Compare them; then drop one, or give this one its name: ALTER DATABASE {} \
                     RENAME TO ...",
                    identifier(aside)
                ),
            ),
        ),
        Err(error) => Some(leftover(aside, &error.to_string())),
    }
}

fn complete(name: &str) -> Warning {
    let cure =
        format!("Put it in its place (dbackup restore --put-in-place), or drop it: DROP DATABASE {}", identifier(name));
    leftover(name, "was restored completely and never put in its place").with_cure(cure)
}

fn leftover(name: &str, message: &str) -> Warning {
    Warning::new("leftover", format!("'{name}' {message}")).about(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_between_characters_and_keeps_its_ending() {
        let name = Number(0x1f).name(&"ü".repeat(40), Purpose::Restore);
        assert!(name.len() <= MAX_NAME_BYTES && name.ends_with("__dbackup_restore_0000001f"), "{name}");
        assert_eq!(Number(0xffff_ffff).name("shop", Purpose::Replaced), "shop__dbackup_replaced_ffffffff");
    }
}
