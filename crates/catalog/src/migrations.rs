//! The schema's versions: `migrations/NNNN_name.sql`, applied in order, each once, in a transaction of its own.

use sqlx::migrate::{MigrateError, Migrator};

pub(crate) static ALL: Migrator = sqlx::migrate!();

pub(crate) fn in_words(error: &MigrateError) -> String {
    match error {
        MigrateError::VersionMissing(version) => {
            format!(
                "its schema (version {version}) is newer than this program: use the version of dbackup that made it, or a later one"
            )
        }
        error => format!("its schema could not be brought up to date: {error}"),
    }
}
