//! The programs that adapters run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A program that an adapter runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// Its name: `pg_dump`.
    pub name: &'static str,
    /// Where it comes from: `the package postgresql-client`.
    pub from: &'static str,
    /// Folders that it is looked for in besides PATH, as [`folders_like`] takes them.
    pub folders: &'static [&'static str],
    /// An environment variable that names the only folder to look in.
    pub folder_variable: Option<&'static str>,
}

/// Returns the folders that there are, in order. A `*` in a name of the pattern stands for digits: `/usr/lib/postgresql/*/bin`.
pub fn folders_like(pattern: &str) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::from([PathBuf::from("/")]);
    for name in pattern.split('/').filter(|name| !name.is_empty()) {
        folders = match name.split_once('*') {
            None => folders.into_iter().map(|folder| folder.join(name)).collect(),
            Some((start, end)) => folders.iter().flat_map(|folder| numbered(folder, start, end)).collect(),
        };
    }
    folders.retain(|folder| folder.is_dir());
    folders
}

fn numbered(parent: &Path, start: &str, end: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let is_numbered = |name: &str| {
        let number = name.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    let found = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_numbered));
    found.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_versions_are_found_in_order() {
        let root = tempfile::tempdir().unwrap();
        for name in ["sql-9/bin", "sql-17/bin", "sql-x/bin", "sql-18"] {
            std::fs::create_dir_all(root.path().join(name)).unwrap();
        }
        let found = folders_like(&format!("{}/sql-*/bin", root.path().display()));
        let names: Vec<_> =
            found.iter().map(|path| path.strip_prefix(root.path()).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["sql-17/bin", "sql-9/bin"]);
        assert!(folders_like("/nowhere/*/bin").is_empty());
    }
}
