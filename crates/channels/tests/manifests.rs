//! Every manifest keeps the rules of manifests, and the guide has its table.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

#[test]
fn every_manifest_is_sound() {
    for manifest in channels::registry().manifests() {
        adapter::check_manifest(manifest);
    }
}

/// Changed on purpose? Run with UPDATE_SNAPSHOT=1 and review the difference.
#[test]
fn the_guide_has_the_fields_of_every_channel() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/channels.md");
    let mut page = std::fs::read_to_string(&path).unwrap();
    let old = page.clone();
    for manifest in channels::registry().manifests() {
        assert_eq!(manifest.guide, "channels.md", "{}", manifest.id);
        let heading = format!("\n## {}\n", manifest.title);
        let start = page.find(&heading).unwrap_or_else(|| panic!("{} lacks '{heading}'", path.display()));
        let start = start + heading.len();
        let end = page[start..].find("\n## ").map_or(page.len(), |next| start + next);
        let section = adapter::with_field_table(&page[start..end], manifest);
        page.replace_range(start..end, &section.unwrap_or_else(|| panic!("{} lacks its markers", manifest.title)));
    }
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
        std::fs::write(&path, &page).unwrap();
    } else {
        assert_eq!(page, old, "{} is stale: UPDATE_SNAPSHOT=1 writes it", path.display());
    }
}
