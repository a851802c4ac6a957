//! Databases that not everybody restores into: the server's own, templates, and those that wait for their place.

use super::Postgres;
use super::contents::is_template;
use super::passing::MAX_NAME_BYTES;
use crate::error::Error;

/// Databases that every PostgreSQL server has, for its own purposes.
const RESERVED: [&str; 3] = ["postgres", "template0", "template1"];
/// What the names of databases hold that a restore has left under a passing name.
const PASSING: &str = "__dbackup_restore";
/// A name is cut between characters, which have up to so many bytes.
const MAX_CHARACTER_LEN: usize = 4;

pub(super) async fn reserved(source: &Postgres, database: &str) -> Result<Option<String>, Error> {
    if database.len() > MAX_NAME_BYTES {
        return Ok(Some(format!(
            "PostgreSQL keeps {MAX_NAME_BYTES} bytes of a name, and cuts this one to another database's: choose a shorter name"
        )));
    }
    if RESERVED.contains(&database) || database.contains(PASSING) || is_template(source, database).await? {
        return Ok(Some(format!(
            "'{database}' belongs to the server itself, or every new database is a copy of it: without the permission 'administer' it \
             is not restored into"
        )));
    }
    Ok(None)
}

/// Returns whether a passing name is of this database, as far as it was not cut.
pub(super) fn is_kept_for(kept: &str, database: &str) -> bool {
    let (name, _) = kept.rsplit_once(PASSING).unwrap_or((kept, ""));
    let was_cut = kept.len() + MAX_CHARACTER_LEN > MAX_NAME_BYTES && database.starts_with(name);
    name == database || was_cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_database_goes_only_where_it_was_meant_to_go() {
        assert!(is_kept_for("shop__dbackup_restored_1f2e3d4c", "shop"));
        assert!(!is_kept_for("hr__dbackup_restored_1f2e3d4c", "shop"));
        assert!(!is_kept_for("sho__dbackup_restored_1f2e3d4c", "shop"));
        assert!(!is_kept_for("shop", "shop2"));
        let long = "l".repeat(60);
        assert!(is_kept_for(&format!("{}__dbackup_restored_1f2e3d4c", &long[..36]), &long));
    }
}
