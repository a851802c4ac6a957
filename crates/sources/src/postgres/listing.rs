//! Which of a server's databases can be backed up, and why the others cannot.

use domain::Warning;

use super::Postgres;
use super::contents::holds_something;
use super::probe::{execute_raw, identifier, query};
use crate::Databases;
use crate::error::Error;

const SQL: &str = "SELECT datname, CASE \
    WHEN datconnlimit = -2 THEN 'invalid' \
    WHEN NOT datallowconn THEN CASE WHEN datname = 'template0' THEN 'empty' ELSE 'closed' END \
    WHEN NOT has_database_privilege(oid, 'CONNECT') THEN 'barred' \
    WHEN datistemplate THEN 'template' ELSE 'open' END \
    FROM pg_catalog.pg_database ORDER BY datname";

/// Lists every database that takes connections, templates aside, and warns of those that are left out.
pub(super) async fn databases(source: &Postgres) -> Result<Databases, Error> {
    let mut databases = Databases::default();
    for row in execute_raw(source, SQL).await? {
        let [name, kind] = row.as_slice() else { continue };
        let kind = String::from_utf8_lossy(kind).into_owned();
        let Ok(name) = String::from_utf8(name.clone()) else {
            databases.left_out.push(unreadable_name(&String::from_utf8_lossy(name)));
            continue;
        };
        match left_out(source, &name, &kind).await {
            Some(warning) => databases.left_out.push(warning),
            None if kind == "open" => databases.names.push(name),
            None => {}
        }
    }
    Ok(databases)
}

async fn left_out(source: &Postgres, name: &str, kind: &str) -> Option<Warning> {
    let quoted = identifier(name);
    match kind {
        // A swap that failed half-way leaves invalid ones of ours, too.
        _ if is_passing(name, &["restored"]) => Some(
            warning(
                "leftover-database",
                name,
                "was restored completely and never put in its place, and is not backed up",
            )
            .with_cure(format!(
                "Put it in its place (dbackup restore --put-in-place), or drop it: DROP DATABASE {quoted}"
            )),
        ),
        _ if is_passing(name, &["restore", "replaced"]) => Some(
            warning("leftover-database", name, "is left over from a restore that did not end, and is not backed up")
                .with_cure(format!("Remove it when no restore is running: DROP DATABASE {quoted}")),
        ),
        "invalid" => Some(
            warning("invalid-database", name, "is invalid (a DROP DATABASE was interrupted), and cannot be backed up")
                .with_cure(format!("Finish what was begun: DROP DATABASE {quoted}")),
        ),
        "closed" => Some(
            warning("closed-database", name, "allows no connections, and is not backed up")
                .with_cure(format!("To back it up: ALTER DATABASE {quoted} ALLOW_CONNECTIONS true")),
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
    query(source, name, &holds_something()).await.is_ok_and(|rows| !rows.is_empty())
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
