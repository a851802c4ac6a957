//! Runs that are cancelled while a storage keeps them waiting.

use dropbox_emulator::{Fault, FaultKind};
use serde_json::{Value, json};
use test_support::wait_until;

use crate::world::{Browser, World, id};

/// The call that tells how much room there is.
const SPACE: &str = "users/get_space_usage";
/// The call that publishes a backup with its sidecar.
const PUBLISH: &str = "files/upload_session/finish_batch_v2";

// S-04
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_cancelled_between_two_attempts_to_publish_it_is_never_published() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let dropbox = world.dropbox_destination(&anna, "Offsite").await;
    let job = anna.job("shop", &source, &[&dropbox], json!({})).await;
    world.dropbox().inject(Fault::next(PUBLISH, FaultKind::TooManyRequests { retry_after: 600 }));
    let run = anna.post(&format!("/api/jobs/{job}/run"), &json!({})).await.expect(202);
    wait_until("the attempt was refused", || world.dropbox().requests().iter().any(|request| request.route == PUBLISH));
    anna.post(&format!("/api/runs/{}/cancel", id(&run)), &json!({})).await.expect(202);
    let ended = anna.finished(&id(&run)).await;
    assert_eq!(ended["state"], "cancelled", "{ended}");
    assert_eq!(world.dropbox().files(), []);
}

/// Runs a job, cancels it while it only waits for Dropbox to tell its space, and returns how it ended.
async fn cancelled_after_its_end(world: &World, anna: &Browser, job: &str) -> Value {
    let asked = || world.dropbox().requests().iter().filter(|request| request.route == SPACE).count();
    let before = asked();
    world.dropbox().inject(Fault::next(SPACE, FaultKind::StalledAnswer).times(1000));
    let run = anna.post(&format!("/api/jobs/{job}/run"), &json!({})).await.expect(202);
    wait_until("the space was asked for", || asked() > before);
    anna.post(&format!("/api/runs/{}/cancel", id(&run)), &json!({})).await.expect(202);
    anna.finished(&id(&run)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_run_ends_without_waiting_for_a_destination_to_tell_its_space() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let dropbox = world.dropbox_destination(&anna, "Offsite").await;
    let job = anna.job("shop", &source, &[&dropbox], json!({})).await;
    let ended = cancelled_after_its_end(&world, &anna, &job).await;
    assert_eq!(ended["state"], "succeeded", "the cancel came too late: {ended}");
    assert_eq!(world.dropbox().files().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_after_the_end_of_a_partial_run_does_not_undo_it() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let dropbox = world.dropbox_destination(&anna, "Offsite").await;
    let (disk, folder) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&dropbox, &folder], json!({})).await;
    std::fs::remove_dir_all(disk).unwrap();
    let ended = cancelled_after_its_end(&world, &anna, &job).await;
    assert_eq!(ended["state"], "partial", "the cancel came too late: {ended}");
    assert!(ended["error"].as_str().unwrap().starts_with("Disk"), "{ended}");
    assert_eq!(world.dropbox().files().len(), 2);
}
