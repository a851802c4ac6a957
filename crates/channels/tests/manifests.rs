//! Every manifest keeps the rules of manifests.

#[test]
fn every_manifest_is_sound() {
    for manifest in channels::registry().manifests() {
        adapter::check_manifest(manifest);
    }
}
