//! Which of a server's databases can be backed up, and why the others cannot.

use domain::Warning;
use futures_util::StreamExt;

use super::Postgres;
use super::contents::holds_something;
use super::marks::{Mark, Marks};
use super::probe::{self, execute_raw, identifier};
use super::query::{self, Encoding};
use crate::Databases;
use crate::error::Error;

/// Databases that are tried at once.
const AT_ONCE: usize = 4;
const BROUGHT_BACK: &str =
    "If no restore is running: the next one there, or the next start of the server, brings back what was there before";

const SQL: &str = "SELECT datname, CASE \
    WHEN datconnlimit = -2 THEN 'invalid' \
    WHEN NOT datallowconn THEN CASE WHEN datname = 'template0' THEN 'empty' ELSE 'closed' END \
    WHEN NOT has_database_privilege(oid, 'CONNECT') THEN 'barred' \
    WHEN datconnlimit = 0 AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN 'full' \
    WHEN datistemplate THEN 'template' ELSE 'open' END \
    FROM pg_catalog.pg_database ORDER BY datname";

/// Lists every database that takes connections, templates aside, and warns of those that are left out.
pub(super) async fn databases(source: &Postgres) -> Result<Databases, Error> {
    let mut databases = Databases::default();
    let marks = Marks::read(source).await?;
    for row in execute_raw(source, SQL).await? {
        let [name, kind] = row.as_slice() else { continue };
        let kind = String::from_utf8_lossy(kind).into_owned();
        let Ok(name) = String::from_utf8(name.clone()) else {
            databases.left_out.push(unreadable_name(&String::from_utf8_lossy(name)));
            continue;
        };
        match left_out(source, &name, &kind, &marks).await {
            Some(warning) => databases.left_out.push(warning),
            None if kind == "open" => databases.names.push(name),
            None => {}
        }
    }
    leave_out_refused(source, &mut databases).await;
    Ok(databases)
}

/// Leaves out what the server's access rules refuse, which nobody but a superuser can look up.
async fn leave_out_refused(source: &Postgres, databases: &mut Databases) {
    let refusals = futures_util::stream::iter(std::mem::take(&mut databases.names)).map(|name| async move {
        let answer = query::ask(source, &name, "SELECT 1", Encoding::AsStored).await;
        let refused = answer.err().and_then(|error| error.refused_by_rules().map(str::to_owned));
        (name, refused)
    });
    let mut refusals = refusals.buffered(AT_ONCE);
    while let Some((name, refused)) = refusals.next().await {
        let Some(words) = refused else {
            databases.names.push(name);
            continue;
        };
        let what = format!("is refused by the server's pg_hba.conf, and is not backed up: {}", words.trim_end());
        let cure = format!(
            "To back it up, allow {} from here in pg_hba.conf",
            source.role().map_or_else(|| "the role".to_owned(), identifier)
        );
        databases.left_out.push(warning("refused-database", &name, &what).with_cure(cure));
    }
}

async fn left_out(source: &Postgres, name: &str, kind: &str, marks: &Marks) -> Option<Warning> {
    let quoted = identifier(name);
    match kind {
        // A swap that failed half-way leaves invalid ones of ours, too.
        _ if matches!(marks.of(name), Some(Mark::Loading(_))) => Some(
            warning(
                "being-restored",
                name,
                "is being restored in place, or such a restore was interrupted: it is not whole, and not backed up",
            )
            .with_cure(BROUGHT_BACK),
        ),
        _ if is_passing(name, &["aside"]) => Some(
            warning(
                "being-restored",
                name,
                "was moved aside by a restore in place that is running or was interrupted, and is not backed up",
            )
            .with_cure(BROUGHT_BACK),
        ),
        _ if is_passing(name, &["restored"])
            || matches!(marks.of(name), Some(Mark::Complete(_) | Mark::Placing(_))) =>
        {
            Some(
                warning(
                    "leftover-database",
                    name,
                    "was restored completely and never put in its place, and is not backed up",
                )
                .with_cure(format!(
                    "Put it in its place (dbackup restore --put-in-place), or drop it: DROP DATABASE {quoted}"
                )),
            )
        }
        _ if is_passing(name, &["restore", "replaced"]) => Some(
            warning(
                "leftover-database",
                name,
                "belongs to a restore that is running or was interrupted, and is not backed up",
            )
            .with_cure("If no restore is running: the next one there removes it, or says what it is"),
        ),
        "invalid" => Some(
            warning("invalid-database", name, "is invalid (a DROP DATABASE was interrupted), and cannot be backed up")
                .with_cure(format!("Finish what was begun: DROP DATABASE {quoted}")),
        ),
        "closed" => Some(
            warning("closed-database", name, "allows no connections, and is not backed up")
                .with_cure(format!("To back it up: ALTER DATABASE {quoted} ALLOW_CONNECTIONS true")),
        ),
        "full" => Some(
            warning("closed-database", name, "allows no connection but a superuser's, and is not backed up")
                .with_cure(format!("To back it up: ALTER DATABASE {quoted} CONNECTION LIMIT -1")),
        ),
        "barred" => Some(
            warning("no-connect", name, "may not be entered by this role, and is not backed up").with_cure(format!(
                "To back it up: GRANT CONNECT ON DATABASE {quoted} TO {}",
                source.role().map_or_else(|| "<role>".to_owned(), identifier)
            )),
        ),
        "template" if holds_data(source, name).await => Some(
            warning("template-database", name, "is a template that holds objects of its own, and is not backed up")
                .with_cure("To back it up, name it in a source or a job of its own"),
        ),
        _ => None,
    }
}

fn warning(code: &str, name: &str, what: &str) -> Warning {
    Warning::new(code, format!("database '{name}' {what}")).about(name)
}

fn unreadable_name(name: &str) -> Warning {
    warning("database-name", name, "has a name that is not UTF-8, and is not backed up")
        .with_cure("Rename it with ALTER DATABASE ... RENAME TO, to plain letters")
}

/// A template that cannot be looked into has nothing to warn of.
async fn holds_data(source: &Postgres, name: &str) -> bool {
    probe::query(source, name, &holds_something()).await.is_ok_and(|rows| !rows.is_empty())
}

/// Returns whether a name is one under which our restores keep databases for one of these purposes: `shop__dbackup_restore_1f2e3d4c`.
fn is_passing(name: &str, purposes: &[&str]) -> bool {
    purposes.iter().any(|purpose| {
        name.rsplit_once(&format!("__dbackup_{purpose}_"))
            .is_some_and(|(_, random)| random.len() == 8 && random.bytes().all(|byte| byte.is_ascii_hexdigit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_names_are_told_from_names_that_only_look_similar() {
        let passing = ["restore", "replaced", "restored"];
        for name in ["shop__dbackup_restore_1f2e3d4c", "__dbackup_replaced_00000000", "x__dbackup_restored_1f2e3d4c"] {
            assert!(is_passing(name, &passing), "{name}");
        }
        assert!(!is_passing("x__dbackup_restored_1f2e3d4c", &["restore"]));
        for own in ["dbackup", "shop__dbackup_restore_", "shop__dbackup_restore_notes", "x_dbackup_restore_1f2e3d4c"] {
            assert!(!is_passing(own, &passing), "{own}");
        }
    }
}
