//! Every manifest keeps the rules of manifests, and every page of the guide has its table.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

#[test]
fn every_manifest_is_sound() {
    let registry = sources::registry();
    for adapter in registry.all() {
        adapter::check_manifest(adapter.manifest);
        sources::check_source(&registry, adapter);
    }
}

/// Changed on purpose? Run with UPDATE_SNAPSHOT=1 and review the difference.
#[test]
fn every_page_of_the_guide_has_the_fields_of_its_manifest() {
    for manifest in sources::registry().manifests() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide").join(manifest.guide);
        let page = std::fs::read_to_string(&path).unwrap();
        let right = adapter::with_field_table(&page, manifest)
            .unwrap_or_else(|| panic!("{} lacks its markers", path.display()));
        if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
            std::fs::write(&path, &right).unwrap();
        }
        let page = std::fs::read_to_string(&path).unwrap();
        assert_eq!(page, right, "{} is stale: UPDATE_SNAPSHOT=1 writes it", path.display());
    }
}
