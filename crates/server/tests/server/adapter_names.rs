//! Nothing outside the adapters' own folders names an adapter: what it needs to know, the manifests say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Folders that have to do without names.
const SEARCHED: [&str; 8] = [
    "crates/domain/src",
    "crates/pipeline/src",
    "crates/adapter/src",
    "crates/catalog/src",
    "crates/runner/src",
    "crates/server/src",
    "crates/dbackup/src",
    "web/src",
];

/// Files that name one, and why. The list is to shrink: an entry that no longer names one fails the test.
const ALLOWED: [(&str, &[&str]); 3] = [
    (
        "the metadata database and the sample database are PostgreSQL or SQLite, whatever is backed up",
        &[
            "crates/catalog/src/connection.rs",
            "crates/catalog/src/meta.rs",
            "crates/catalog/src/sql.rs",
            "crates/catalog/src/upgrade.rs",
            "crates/dbackup/src/commands/demo.rs",
            "crates/dbackup/src/commands/demo/compare.rs",
            "crates/dbackup/src/commands/demo/sample.rs",
            "crates/dbackup/src/commands/store.rs",
        ],
    ),
    (
        "the demo shows the main job, with an emulator",
        &["crates/dbackup/src/commands/demo/terminal.rs", "crates/dbackup/src/commands/demo/web.rs"],
    ),
    (
        "names of files that any storage refuses: what a backup is called does not depend on where it goes",
        &["crates/domain/src/segment.rs"],
    ),
];

#[test]
fn no_file_outside_the_adapters_names_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sources = sources::registry();
    let destinations = destinations::registry();
    let manifests = sources.manifests().chain(destinations.manifests());
    // The id of a folder is a word of its own.
    let names: Vec<String> = manifests.map(|manifest| manifest.id.to_owned()).filter(|id| id != "folder").collect();
    let mut found = BTreeSet::new();
    for folder in SEARCHED {
        for file in files_below(&root.join(folder)) {
            let name = file.strip_prefix(&root).unwrap().display().to_string();
            let is_code = [".rs", ".svelte", ".ts"].iter().any(|end| name.ends_with(end));
            let is_checked = is_code && !name.ends_with(".test.ts") && !name.ends_with("schema.d.ts");
            if is_checked && names_one(&std::fs::read_to_string(&file).unwrap(), &names) {
                found.insert(name);
            }
        }
    }
    let allowed: BTreeSet<String> =
        ALLOWED.iter().flat_map(|(_, files)| files.iter()).map(|&file| file.to_owned()).collect();
    let more: Vec<_> = found.difference(&allowed).collect();
    assert!(more.is_empty(), "these files name an adapter: let a manifest say what they need to know: {more:#?}");
    let less: Vec<_> = allowed.difference(&found).collect();
    assert!(less.is_empty(), "these files no longer name an adapter: take them off the list: {less:#?}");
}

/// Whether the code names an adapter; its comments and unit tests may.
fn names_one(text: &str, names: &[String]) -> bool {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_lowercase();
    let lines = code.lines().map(str::trim);
    let mut lines = lines.filter(|line| !["//", "*", "/*", "<!--"].iter().any(|start| line.starts_with(start)));
    lines.any(|line| names.iter().any(|name| line.contains(name.as_str())))
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
