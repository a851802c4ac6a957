//! How far a run is: what each destination has acknowledged.

use dropbox_emulator::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::world::{Browser, World, id};

/// The call that sends a piece of a large backup.
const APPEND: &str = "files/upload_session/append_v2";
/// About 20 MiB: more than fits in one call.
const ROWS: u32 = 80_000;

/// A run to Dropbox and a folder, of which Dropbox meets the fault at each piece.
async fn begun(world: &World, anna: &Browser, fault: Fault) -> String {
    let (_, source) = world.sqlite_source(anna, "shop", ROWS).await;
    let dropbox = world.dropbox_destination(anna, "Offsite").await;
    let (_, disk) = world.folder_destination(anna, "Disk").await;
    let job = anna.job("shop", &source, &[&dropbox, &disk], json!({})).await;
    world.dropbox().inject(fault);
    id(&anna.post(&format!("/api/jobs/{job}/run"), &json!({})).await.expect(202))
}

fn destination<'a>(run: &'a Value, name: &str) -> &'a Value {
    let all = run["destinations"].as_array().unwrap();
    all.iter().find(|destination| destination["name"] == name).unwrap_or(&Value::Null)
}

// S-02
#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_destination_stands_while_the_other_goes_on_and_the_run_is_as_far_as_the_slowest() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let run = begun(&world, &anna, Fault::next(APPEND, FaultKind::StalledAnswer).times(1000)).await;
    let path = format!("/api/runs/{run}");
    let going = anna
        .until(&path, |run| {
            assert_eq!(run["finishedAt"], Value::Null, "{run}");
            destination(run, "Disk")["state"] == "committed"
        })
        .await;
    let stored = going["storedBytes"].as_u64().unwrap();
    assert!(stored > 10_000_000, "{going}");
    assert_eq!(destination(&going, "Disk")["acknowledgedBytes"], stored);
    let stuck = destination(&going, "Offsite");
    assert_eq!((&stuck["acknowledgedBytes"], &stuck["state"]), (&json!(0), &json!("uploading")), "{going}");
    assert_eq!(going["sentBytes"], 0, "the slowest says how far the run is");
    anna.post(&format!("{path}/cancel"), &json!({})).await.expect(202);
    anna.finished(&run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_drops_out_is_told_at_once_and_counts_no_more() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let run = begun(&world, &anna, Fault::next(APPEND, FaultKind::QuotaReached)).await;
    let ended = anna.finished(&run).await;
    assert_eq!(ended["state"], "partial", "{ended}");
    let (offsite, disk) = (destination(&ended, "Offsite"), destination(&ended, "Disk"));
    assert_eq!((&offsite["state"], &disk["state"]), (&json!("failed"), &json!("committed")), "{ended}");
    assert!(!offsite["error"].as_str().unwrap().is_empty() && disk["error"].is_null(), "{ended}");
    assert_eq!(disk["acknowledgedBytes"], ended["storedBytes"]);
    assert_eq!(ended["sentBytes"], ended["storedBytes"], "what dropped out holds nothing up");
    let lines = anna.get(&format!("/api/runs/{run}/log")).await.expect(200);
    let dropped =
        lines["items"].as_array().unwrap().iter().find(|line| line["event"]["event"] == "droppedOut").unwrap();
    let words = format!("shop: Offsite: {}", dropped["event"]["error"].as_str().unwrap());
    assert_eq!((&dropped["level"], &dropped["message"]), (&json!("error"), &json!(words)), "the words are the event's");
    let log = anna.log_of(&run).await;
    assert!(log.contains("shop: Offsite: ") && log.matches("Offsite: ").count() <= 2, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_as_far_as_its_destination_has_acknowledged() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    let (_, other) = world.folder_destination(&anna, "Other").await;
    let job = anna.job("shop", &source, &[&disk], json!({})).await;
    let made = world.run_job(&anna, &job).await;
    let path = &made["result"]["databases"][0]["copies"][0]["path"];
    let input = json!({"destinationId": disk, "path": path, "toDestinationId": other});
    let copy = anna.post("/api/copies", &input).await.expect(202);
    let ended = anna.finished(&id(&copy)).await;
    let to = destination(&ended, "Other");
    assert_eq!((&to["state"], &to["id"]), (&json!("committed"), &json!(other)), "{ended}");
    assert_eq!(to["acknowledgedBytes"], made["storedBytes"]);
    assert_eq!((&ended["storedBytes"], &ended["sentBytes"]), (&made["storedBytes"], &made["storedBytes"]), "{ended}");
}
