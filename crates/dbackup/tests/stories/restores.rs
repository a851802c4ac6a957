//! A restore is reviewed first, and goes on past an object that cannot be restored.

use serde_json::json;

use crate::world::World;

// S-05
#[test]
fn a_dry_run_tells_what_is_there_and_loads_nothing() {
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 100);
    world.run(&["backup", "--source", &source, "--to", "dropbox:/b"]).succeeded();
    let new = format!("sqlite://{}", world.path("new.db").display());
    let restore = ["restore", "dropbox:/b", "--job", "shop", "--latest", "--dry-run", "--target"];
    let reviewed = world.run(&[&restore[..], &[&new]].concat()).succeeded();
    assert!(reviewed.stdout.contains("will be created") && reviewed.stdout.contains("Nothing stands in the way"));
    assert!(!world.path("new.db").exists());

    let over = [&restore[..], &[&source]].concat();
    let blocked = world.run(&over).ended_with(1);
    assert!(blocked.stdout.contains("Blocks: The target holds data"), "{}", blocked.stdout);
    let told = world.run(&[&over[..], &["--json"]].concat()).ended_with(1).result();
    assert_eq!((&told["contents"], &told["blocked"]), (&json!("data"), &json!(true)));
    assert_eq!(told["findings"][0]["code"], "target-holds-data");
    world.run(&[&over[..], &["--overwrite"]].concat()).succeeded();
}

#[test]
fn a_restores_json_ends_with_its_result_whether_it_worked_or_not() {
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 100);
    let backup = world.run(&["backup", "--source", &source, "--to", "dropbox:/b", "--json"]).succeeded().result();
    assert_eq!((&backup["warnings"], &backup["backups"][0]["warnings"]), (&json!([]), &json!([])));
    let target = format!("sqlite://{}", world.path("new.db").display());
    let restore = ["restore", "dropbox:/b", "--job", "shop", "--latest", "--json", "--target", &target];
    let result = world.run(&restore).succeeded().result();
    assert_eq!((&result["status"], &result["failedObjects"]), (&json!("succeeded"), &json!([])));
    assert!(result["path"].as_str().unwrap().starts_with("shop/backup_"), "{result}");
    let again = world.run(&restore).ended_with(1);
    assert!(again.stderr.contains("--overwrite"), "{}", again.stderr);
    let failed = again.result();
    assert_eq!(failed["status"], "failed");
    assert!(failed["error"].as_str().unwrap().contains("holds data"), "{failed}");
}

#[test]
fn only_a_kept_database_is_put_in_place() {
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 100);
    let place = ["restore", "--put-in-place", "shop__x", "--target", &source];
    let refused = world.run(&place).ended_with(2);
    assert!(refused.stderr.contains("keeps no restored databases"), "{}", refused.stderr);
    world.run(&[&place[..], &["--dry-run"]].concat()).ended_with(2);
    world.run(&["restore", "--target", &source]).ended_with(2);
}
