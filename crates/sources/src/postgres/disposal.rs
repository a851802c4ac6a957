//! Dropping databases of ours, with what is in the way of that: the mark of a template, subscriptions, replication slots.

use std::time::Duration;

use domain::Warning;

use super::Postgres;
use super::probe::{execute, identifier, literal, query};
use crate::error::Error;

/// How often, and at which interval, a server is looked at that still creates a database which nobody waits for.
const MAX_LOOKS: u32 = 100;
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Drops a replaced database. Returns what the caller should know.
pub(super) async fn drop_replaced(source: &Postgres, name: &str) -> Vec<Warning> {
    let (mut warnings, dropped) = drop_database(source, name).await;
    if let Err(error) = dropped {
        let message = format!("the replaced database is still there as '{name}': {error}");
        let sql = format!("Run as its owner or a superuser: DROP DATABASE {}", identifier(name));
        warnings.push(Warning::new("leftover", message).about(name).with_cure(sql));
    }
    warnings
}

/// Drops a database whose creation was given up. The server may be at it still, though its client is gone: without an end to that, the
/// database would appear after it was found missing.
pub(super) async fn drop_unfinished(source: &Postgres, name: &str) -> Result<(), Error> {
    let creating = format!("CREATE DATABASE {} ", identifier(name));
    let sql = format!(
        "SELECT pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() \
         AND usename = current_user AND left(query, length({creating})) = {creating}",
        creating = literal(&creating)
    );
    for _ in 0..MAX_LOOKS {
        if execute(source, &sql).await?.is_empty() {
            break;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    // Its subscriptions and slots never worked: nobody has to know of them.
    drop_database(source, name).await.1
}

/// Drops a database, even if a backend still works in it. Returns what went with it, and whether it did.
async fn drop_database(source: &Postgres, name: &str) -> (Vec<Warning>, Result<(), Error>) {
    let quoted = identifier(name);
    // If one of these fails, dropping fails, and says why.
    let _ = execute(source, &format!("ALTER DATABASE {quoted} IS_TEMPLATE false")).await;
    let mut warnings = drop_subscriptions(source, name).await.unwrap_or_default();
    warnings.extend(drop_slots(source, name).await.unwrap_or_default());
    let dropped = match execute(source, &format!("DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")).await {
        // WITH (FORCE) came with PostgreSQL 13.
        Err(Error::Failed { cause, .. }) if cause.contains("SQLSTATE 42601") => {
            execute(source, &format!("DROP DATABASE IF EXISTS {quoted}")).await
        }
        result => result,
    };
    (warnings, dropped.map(drop))
}

async fn drop_subscriptions(source: &Postgres, database: &str) -> Result<Vec<Warning>, Error> {
    let sql = "SELECT subname, coalesce(subslotname, '') FROM pg_catalog.pg_subscription s \
               JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE datname = current_database()";
    let mut warnings = Vec::new();
    for row in query(source, database, sql).await? {
        let (Some(name), slot) = (row.first(), row.get(1).cloned().unwrap_or_default()) else { continue };
        let quoted = identifier(name);
        let sql = format!(
            "ALTER SUBSCRIPTION {quoted} DISABLE; ALTER SUBSCRIPTION {quoted} SET (slot_name = NONE); DROP SUBSCRIPTION {quoted}"
        );
        query(source, database, &sql).await?;
        let left =
            if slot.is_empty() { String::new() } else { format!(". Its slot '{slot}' is still at the publisher") };
        let message = format!("subscription '{name}' was dropped with the replaced database{left}");
        let cure = "Drop the slot at the publisher, or let the restored subscription use it (ALTER SUBSCRIPTION ... SET (slot_name = ...))";
        warnings.push(Warning::new("subscription", message).about(name.as_str()).with_cure(cure));
    }
    Ok(warnings)
}

async fn drop_slots(source: &Postgres, database: &str) -> Result<Vec<Warning>, Error> {
    let sql = format!("SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE database = {}", literal(database));
    let mut warnings = Vec::new();
    for slot in execute(source, &sql).await?.into_iter().flatten() {
        execute(source, &format!("SELECT pg_drop_replication_slot({})", literal(&slot))).await?;
        let message = format!("replication slot '{slot}' belonged to the replaced database and was dropped with it");
        let cure = "Create the slot anew in the restored database, and let its consumer start over";
        warnings.push(Warning::new("replication-slot", message).about(slot).with_cure(cure));
    }
    Ok(warnings)
}
