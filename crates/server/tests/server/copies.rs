//! Copies between destinations: those that Dropbox makes by itself, and those that it does not.

use dropbox_emulator::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::world::{Browser, World, id};

const COPY: &str = "files/copy_v2";
const AS_GRACE: &str = "&force_reauthentication=true&account=grace";

/// A server with a backup at a destination in `/backups`: the destination, and the backup's path.
async fn with_backup(world: &World, anna: &Browser) -> (String, String) {
    let (_, source) = world.sqlite_source(anna, "shop", 5000).await;
    let offsite = dropbox_in(world, anna, "Offsite", "/backups", "").await;
    let job = anna.job("shop", &source, &[&offsite], json!({"compression": "none"})).await;
    let run = world.run_job(anna, &job).await;
    let path = run["result"]["databases"][0]["copies"][0]["path"].as_str().unwrap_or_else(|| panic!("{run}"));
    (offsite, path.to_owned())
}

/// A Dropbox, authorized by a grant of its own.
async fn dropbox_in(world: &World, anna: &Browser, name: &str, folder: &str, more: &str) -> String {
    let id = world.new_dropbox_in(anna, name, folder).await;
    let begun = anna.begin_authorization(&id).await;
    let back = world.consent(&format!("{}{more}", begun["url"].as_str().unwrap()), "allow").await;
    assert_eq!(anna.get(&back).await.status, 303);
    id
}

/// Copies, and returns the run with its log.
async fn copied(anna: &Browser, from: &str, path: &str, to: &str) -> (Value, String) {
    let copy = json!({"destinationId": from, "path": path, "toDestinationId": to});
    let run = id(&anna.post("/api/copies", &copy).await.expect(202));
    (anna.finished(&run).await, anna.log_of(&run).await)
}

/// Whether the backup itself was downloaded or uploaded since so many requests.
fn is_streamed(world: &World, since: usize) -> bool {
    let requests = world.dropbox().requests().split_off(since);
    let moves = requests.iter().filter(|request| request.route == "files/download" || request.route.contains("upload"));
    let is_sidecar = |path: &Option<String>| path.as_ref().is_some_and(|path| path.ends_with(".meta.json"));
    moves.filter(|request| !is_sidecar(&request.path)).count() > 0
}

#[tokio::test]
async fn a_copy_between_two_destinations_of_one_account_is_made_by_dropbox() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (offsite, path) = with_backup(&world, &anna).await;
    let archive = dropbox_in(&world, &anna, "Archive", "/archive", "").await;
    let before = world.dropbox().requests().len();
    let (ended, log) = copied(&anna, &offsite, &path, &archive).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert!(log.contains("copied to Archive inside Dropbox, checked by the storage's own hash"), "{log}");
    assert!(!is_streamed(&world, before), "{:?}", world.dropbox().requests().split_off(before));
    for path in [path.clone(), format!("{path}.meta.json")] {
        let read = |folder: &str| world.dropbox().read(&format!("/{folder}/{path}")).unwrap();
        assert!(read("backups") == read("archive"), "{path}");
    }
    let size = world.dropbox().read(&format!("/archive/{path}")).unwrap().len();
    let to = &ended["destinations"][0];
    assert_eq!((&to["state"], &to["acknowledgedBytes"]), (&json!("committed"), &json!(size)), "{ended}");
    assert_eq!((&ended["storedBytes"], &ended["sentBytes"]), (&json!(size), &json!(size)), "{ended}");
    let lines = anna.get(&format!("/api/runs/{}/log", id(&ended))).await.expect(200);
    let done = lines["items"].as_array().unwrap().iter().find(|line| line["event"]["event"] == "copyDone").unwrap();
    assert_eq!(done["event"]["inside"], "Dropbox", "{done}");
    // It is listed as a verified copy, as one that was streamed is.
    let details = anna.get(&format!("/api/destinations/{archive}/backups/details?path={path}")).await.expect(200);
    assert!(details["sidecar"].is_object(), "{details}");
}

#[tokio::test]
async fn a_copy_to_another_account_is_streamed() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (offsite, path) = with_backup(&world, &anna).await;
    let other = dropbox_in(&world, &anna, "Other", "/backups", AS_GRACE).await;
    let before = world.dropbox().requests().len();
    let (ended, log) = copied(&anna, &offsite, &path, &other).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert!(!log.contains("inside") && is_streamed(&world, before), "{log}");
    assert!(world.dropbox().requests().iter().all(|request| request.route != COPY));
}

#[tokio::test]
async fn a_copy_that_dropbox_does_not_make_itself_is_streamed_and_the_log_says_why() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (offsite, path) = with_backup(&world, &anna).await;
    let archive = dropbox_in(&world, &anna, "Archive", "/archive", "").await;
    world.dropbox().inject(Fault::next(COPY, FaultKind::NotRelocated { tag: "cant_transfer_ownership" }));
    let before = world.dropbox().requests().len();
    let (ended, log) = copied(&anna, &offsite, &path, &archive).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    let (words, why) = ("Not copied inside the storage, but downloaded and uploaded", "who owns the file");
    assert!(log.contains(words) && log.contains(why) && is_streamed(&world, before), "{log}");
}

#[tokio::test]
async fn a_copy_inside_dropbox_that_fails_says_why_and_leaves_nothing() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (offsite, path) = with_backup(&world, &anna).await;
    let archive = dropbox_in(&world, &anna, "Archive", "/archive", "").await;
    let before = world.dropbox().requests().len();
    let status = async |id: &str| {
        let destination = anna.get(&format!("/api/destinations/{id}")).await.expect(200);
        destination["authorization"]["status"].as_str().unwrap().to_owned()
    };

    world.dropbox().inject(Fault::next(COPY, FaultKind::QuotaReached));
    let (ended, _) = copied(&anna, &offsite, &path, &archive).await;
    assert!(ended["state"] == "failed" && ended["error"].as_str().unwrap().contains("is full"), "{ended}");
    world.dropbox().set_quota(1 << 40);

    world.dropbox().inject(Fault::next(COPY, FaultKind::Unauthorized { tag: "missing_scope" }));
    let (ended, _) = copied(&anna, &offsite, &path, &archive).await;
    assert!(ended["state"] == "failed" && ended["error"].as_str().unwrap().contains("files.content.write"), "{ended}");
    // It is the target's authorization that lacks it.
    assert_eq!((&*status(&archive).await, &*status(&offsite).await), ("reauthorization_required", "authorized"));
    assert!(!is_streamed(&world, before));
    assert_eq!(world.dropbox().files().len(), 2);
}
