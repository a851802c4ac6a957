//! Retention: what is marked, what is deleted, and what nothing deletes.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::world::{Browser, World, id};

/// A job with a retention policy at a folder. The server's clock agrees with the folder's.
struct Scene {
    world: World,
    anna: Browser,
    /// A program that may look only.
    viewer: Browser,
    folder: PathBuf,
    disk: String,
    job: String,
    policy: String,
}

async fn scene(rules: Value, grace_days: u32) -> Scene {
    let world = World::new().await;
    *world.now.lock().unwrap() = modified(&world.path("data/encryption.key"));
    // A session ends while the clock is put forward, a token does not.
    let administrator = world.administrator().await;
    let anna = administrator.token(&["view", "operate", "configure", "administer"]).await;
    let viewer = administrator.token(&["view"]).await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (folder, disk) = world.folder_destination(&anna, "Disk").await;
    let policy = json!({"name": "Standard", "rules": rules, "graceDays": grace_days});
    let policy = id(&anna.post("/api/retention-policies", &policy).await.expect(201));
    let job = anna.job("shop", &source, &[&disk], json!({"retention": {&disk: policy}})).await;
    Scene { world, anna, viewer, folder, disk, job, policy }
}

fn modified(path: &Path) -> Timestamp {
    Timestamp::try_from(fs::metadata(path).unwrap().modified().unwrap()).unwrap()
}

impl Scene {
    /// Backs up, and waits until retention has looked at the destination.
    async fn back_up(&self) {
        assert_eq!(self.world.run_job(&self.anna, &self.job).await["state"], "succeeded");
        self.scan().await;
    }

    /// Scans to the end. A scan that is in progress may have begun before what it should see, so there are two.
    async fn scan(&self) {
        let path = format!("/api/destinations/{}/scan", self.disk);
        for _ in 0..2 {
            self.anna.post(&path, &json!({})).await.expect(202);
            self.anna.until(&path, |scan| scan["state"] != "running").await;
        }
    }

    /// The backups in the folder, the oldest first.
    fn files(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.folder.join("shop")) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> =
            names.filter(|name| name.starts_with("backup_") && !name.ends_with(".meta.json")).collect();
        names.sort();
        names.into_iter().map(|name| format!("shop/{name}")).collect()
    }

    async fn marked(&self) -> Vec<String> {
        let marked = self.anna.get("/api/deletions").await.expect(200);
        let mut paths: Vec<String> =
            marked["items"].as_array().unwrap().iter().map(|it| it["path"].as_str().unwrap().to_owned()).collect();
        paths.sort();
        paths
    }

    async fn preview(&self, rules: Value) -> Value {
        let input = json!({"jobId": self.job, "destinationId": self.disk, "rules": rules});
        self.anna.post("/api/retention-policies/preview", &input).await.expect(200)
    }

    async fn lock(&self, path: &str, word: &str) {
        let route = format!("/api/destinations/{}/backups/{word}", self.disk);
        self.anna.post(&route, &json!({"path": path})).await.expect(204);
    }

    /// Makes every mark older by so much: a clock that is put forward would disagree with the folder's.
    fn age(&self, by: SignedDuration) {
        let milliseconds = i64::try_from(by.as_millis()).unwrap();
        let text = "UPDATE deletions SET marked_at = marked_at - ?1, due_at = due_at - ?1";
        self.database().execute(text, [milliseconds]).unwrap();
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.world.path("data").join("dbackup.db")).unwrap()
    }

    /// Another second, so that names sort by time.
    fn tick(&self) {
        self.world.advance(SignedDuration::from_secs(1));
    }

    async fn back_up_times(&self, times: usize) {
        for _ in 0..times {
            self.back_up().await;
            self.tick();
        }
    }
}

// S-07
#[tokio::test(flavor = "multi_thread")]
async fn what_no_rule_keeps_is_marked_and_deleted_with_its_sidecar_once_the_grace_period_is_over() {
    let scene = scene(json!({"keepLast": 3}), 7).await;
    scene.back_up_times(5).await;
    let files = scene.files();
    assert_eq!(files.len(), 5, "nothing is deleted at once");
    assert_eq!(scene.marked().await, files[..2]);
    let listed = scene.anna.get("/api/backups?oldest=true").await.expect(200);
    assert!(listed["items"][0]["dueAt"].is_string() && listed["items"][4]["dueAt"].is_null(), "{listed}");

    scene.age(SignedDuration::from_hours(7 * 24 - 1));
    scene.scan().await;
    assert_eq!(scene.files().len(), 5);
    scene.age(SignedDuration::from_hours(2));
    scene.scan().await;
    assert_eq!(scene.files(), files[2..]);
    for path in &files[..2] {
        assert!(!scene.folder.join(format!("{path}.meta.json")).exists(), "the sidecar goes, too");
    }
    assert!(scene.marked().await.is_empty());
    assert_eq!(scene.anna.get("/api/backups").await.expect(200)["items"].as_array().unwrap().len(), 3);
    let audit = scene.anna.get("/api/audit").await.expect(200).to_string();
    assert!(audit.contains("deleted by the retention policy Standard") && audit.contains(&files[0]), "{audit}");
    let metrics = scene.anna.get("/metrics").await.body;
    assert!(metrics.contains("dbackup_retention_deletions_total{result=\"deleted\"} 2"), "{metrics}");
    // Applied again, there is nothing more to do.
    scene.scan().await;
    assert_eq!((scene.files().len(), scene.marked().await.len()), (3, 0));
}

// S-07
#[tokio::test(flavor = "multi_thread")]
async fn the_newest_two_stay_when_backups_stop() {
    let scene = scene(json!({"keepWithinDays": 1}), 0).await;
    scene.back_up_times(3).await;
    let files = scene.files();
    scene.world.advance(SignedDuration::from_hours(24 * 400));
    scene.scan().await;
    assert_eq!((scene.files(), scene.marked().await), (files.clone(), files[..1].to_vec()));
    // Not even that goes while nothing arrives that was stored since.
    scene.world.advance(SignedDuration::from_hours(24 * 400));
    scene.scan().await;
    assert_eq!(scene.files(), files);
    scene.age(SignedDuration::from_hours(24 * 900));
    scene.scan().await;
    assert_eq!(scene.files(), files[1..]);
    let plan = scene.preview(json!({"keepLast": 1})).await;
    assert_eq!((&plan["deletions"], &plan["kept"]), (&json!(0), &json!(2)));
    assert_eq!(plan["items"][1]["reasons"][0]["reason"], json!({"kind": "floor"}));
}

// S-06
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_takes_a_mark_back_and_nobody_deletes_a_locked_backup() {
    let scene = scene(json!({"keepLast": 2}), 7).await;
    scene.back_up_times(4).await;
    let files = scene.files();
    assert_eq!(scene.marked().await, files[..2]);
    scene.lock(&files[0], "lock").await;
    let note = format!("/api/destinations/{}/backups/note", scene.disk);
    scene.anna.post(&note, &json!({"path": files[0], "note": "before the migration"})).await.expect(204);
    assert_eq!(scene.marked().await, files[1..2]);
    scene.age(SignedDuration::from_hours(24 * 30));
    scene.scan().await;
    assert_eq!(scene.files(), [&files[..1], &files[2..]].concat());
    let delete = format!("/api/destinations/{}/backups?path={}", scene.disk, files[0]);
    scene.anna.delete(&delete).await.problem(409, "locked", &["unlock it first"]);
    let listed = scene.anna.get("/api/backups?oldest=true").await.expect(200);
    let first = &listed["items"][0];
    let audit = scene.anna.get("/api/audit").await.expect(200).to_string();
    assert!(audit.contains(&format!("changed the note on {}", files[0])), "{audit}");
    assert_eq!((&first["locked"], &first["note"]), (&json!(true), &json!("before the migration")));
    scene.lock(&files[0], "unlock").await;
    scene.anna.delete(&delete).await.expect(204);
    let unknown = json!({"path": "shop/backup_2020-01-01T00-00-00.db"});
    let lock = format!("/api/destinations/{}/backups/lock", scene.disk);
    scene.anna.post(&lock, &unknown).await.problem(404, "notFound", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_replaced_since_its_mark_is_not_deleted() {
    let scene = scene(json!({"keepLast": 2}), 7).await;
    scene.back_up_times(3).await;
    let files = scene.files();
    assert_eq!(scene.marked().await, files[..1]);
    let file = scene.folder.join(&files[0]);
    let mut bytes = fs::read(&file).unwrap();
    bytes.push(0);
    fs::write(&file, bytes).unwrap();
    scene.age(SignedDuration::from_hours(24 * 8));
    scene.scan().await;
    assert_eq!(scene.files(), files);
    let plan = scene.preview(json!({"keepLast": 2})).await;
    let reason = &plan["items"][2]["reasons"][0]["reason"];
    assert_eq!(*reason, json!({"kind": "notCounted", "quality": "unknown"}), "nobody has verified the other file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_shrank_deletes_nothing() {
    let scene = scene(json!({"keepLast": 2}), 7).await;
    scene.back_up_times(5).await;
    let files = scene.files();
    assert_eq!(scene.marked().await, files[..3]);
    let away = scene.world.path("away");
    fs::create_dir(&away).unwrap();
    for path in &files[2..] {
        fs::rename(scene.folder.join(path), away.join(path.trim_start_matches("shop/"))).unwrap();
    }
    scene.age(SignedDuration::from_hours(24 * 8));
    scene.scan().await;
    assert_eq!(scene.files(), files[..2], "a disk that is half empty is no reason to delete the rest");
    let plan = scene.preview(json!({"keepLast": 2})).await;
    assert_eq!(plan["suspended"][0]["reason"], json!({"kind": "listingShrank", "found": 2, "expected": 5}), "{plan}");
    // Once they are back, it goes on.
    for path in &files[2..] {
        fs::rename(away.join(path.trim_start_matches("shop/")), scene.folder.join(path)).unwrap();
    }
    scene.scan().await;
    scene.scan().await;
    assert_eq!(scene.files().last(), files.last());
    assert!(!scene.files().contains(&files[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_another_destination_uses_too_is_left_alone() {
    let scene = scene(json!({"keepLast": 2}), 7).await;
    scene.back_up_times(2).await;
    let link = scene.world.path("link");
    std::os::unix::fs::symlink(&scene.folder, &link).unwrap();
    let body = json!({"name": "Twin", "settings": {"type": "folder", "path": link}});
    let twin = id(&scene.anna.post("/api/destinations", &body).await.expect(201));
    let scan = format!("/api/destinations/{twin}/scan");
    scene.anna.post(&scan, &json!({})).await.expect(202);
    scene.anna.until(&scan, |scan| scan["state"] == "complete").await;

    scene.back_up_times(2).await;
    assert!(scene.files().len() == 4 && scene.marked().await.is_empty());
    let plan = scene.preview(json!({"keepLast": 2})).await;
    assert_eq!(plan["suspended"][0]["reason"], json!({"kind": "sharedPlace", "destination": "Twin"}), "{plan}");
    // Once there is only one of them, it goes on.
    scene.anna.delete(&format!("/api/destinations/{twin}")).await.expect(204);
    scene.scan().await;
    let plan = scene.preview(json!({"keepLast": 2})).await;
    assert_eq!((&plan["suspended"], &plan["deletions"]), (&json!(null), &json!(2)), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_where_another_destination_may_have_the_same_files() {
    let scene = scene(json!({"keepLast": 2}), 7).await;
    scene.back_up_times(4).await;
    let add = async |name: &str, path: PathBuf| {
        let body = json!({"name": name, "settings": {"type": "folder", "path": path}});
        let added = id(&scene.anna.post("/api/destinations", &body).await.expect(201));
        let scan = format!("/api/destinations/{added}/scan");
        scene.anna.post(&scan, &json!({})).await.expect(202);
        scene.anna.until(&scan, |scan| scan["state"] == "complete").await;
        added
    };
    let suspended = async || scene.preview(json!({"keepLast": 2})).await["suspended"].clone();
    // The one is within the other.
    let within = add("Within", scene.folder.join("shop")).await;
    assert_eq!(suspended().await[0]["reason"], json!({"kind": "sharedPlace", "destination": "Within"}));
    scene.anna.delete(&format!("/api/destinations/{within}")).await.expect(204);
    assert_eq!(suspended().await, json!(null));

    // It has backups, and nobody knows where they are.
    let link = scene.world.path("link");
    std::os::unix::fs::symlink(&scene.folder, &link).unwrap();
    let twin = add("Twin", link).await;
    scene.database().execute("UPDATE scans SET place = NULL WHERE destination_id = ?1", [&twin]).unwrap();
    assert_eq!(suspended().await[0]["reason"], json!({"kind": "placeUnknown", "destination": "Twin"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_with_another_time_than_the_server_deletes_nothing() {
    let scene = scene(json!({"keepLast": 2}), 0).await;
    // The server's clock is wrong when it backs up.
    scene.world.advance(SignedDuration::from_hours(24 * 60));
    scene.back_up_times(4).await;
    assert_eq!((scene.files().len(), scene.marked().await.len()), (4, 0));
    let plan = scene.preview(json!({"keepLast": 2})).await;
    assert_eq!(plan["suspended"][0]["reason"]["kind"], "clockDisagrees", "{plan}");
}

// S-07
#[tokio::test(flavor = "multi_thread")]
async fn too_much_at_once_is_held_until_somebody_confirms_what_they_saw() {
    let scene = scene(json!({"keepLast": 100}), 0).await;
    scene.back_up_times(8).await;
    let files = scene.files();
    let plan = scene.preview(json!({"keepLast": 3})).await;
    assert_eq!((&plan["deletions"], &plan["hold"]["allowed"]), (&json!(5), &json!(2)), "{plan}");
    let words = plan["items"][7]["reasons"][0]["words"].as_str().unwrap();
    assert_eq!((&plan["items"][7]["keep"], words), (&json!(false), "No rule keeps it"));
    let policy = format!("/api/retention-policies/{}", scene.policy);
    scene.anna.patch(&policy, &json!({"rules": {"keepLast": 3}})).await.expect(200);
    scene.scan().await;
    assert_eq!((scene.files().len(), scene.marked().await.len()), (8, 0));

    let confirm = format!("/api/jobs/{}/retention", scene.job);
    let confirmed = |plan: &Value| json!({"destinationId": scene.disk, "digest": plan["digest"]});
    // Other rules, and other backups by the same rules.
    let other = scene.preview(json!({"keepLast": 3, "keepYearly": 1})).await;
    assert_eq!(other["deletions"], plan["deletions"]);
    scene.anna.post(&confirm, &confirmed(&other)).await.problem(409, "changed", &["Review it again"]);
    scene.lock(&files[0], "lock").await;
    scene.anna.post(&confirm, &confirmed(&plan)).await.problem(409, "changed", &["Review it again"]);
    scene.lock(&files[0], "unlock").await;
    let plan = scene.anna.post(&confirm, &confirmed(&plan)).await.expect(200);
    assert!(plan["hold"].is_null() && plan["items"][7]["dueAt"].is_string(), "{plan}");
    scene.age(SignedDuration::from_hours(1));
    scene.scan().await;
    assert_eq!(scene.files(), files[5..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_locks_its_backup_unnoticed_keeps_it_and_takes_the_mark_back() {
    let scene = scene(json!({"keepLast": 2}), 7).await;
    scene.back_up_times(3).await;
    let files = scene.files();
    // A scan does not read it again: it has the same size and time.
    let sidecar = scene.folder.join(format!("{}.meta.json", files[0]));
    let whole = fs::read(&sidecar).unwrap();
    let time = fs::metadata(&sidecar).unwrap().modified().unwrap();
    let locked = String::from_utf8(whole.clone()).unwrap().replace("\"locked\": false", "\"locked\":  true");
    assert_ne!(locked.as_bytes(), whole);
    let write = |text: &[u8]| {
        fs::write(&sidecar, text).unwrap();
        fs::File::options().write(true).open(&sidecar).unwrap().set_modified(time).unwrap();
    };
    write(locked.as_bytes());
    scene.age(SignedDuration::from_hours(24 * 8));
    scene.scan().await;
    assert_eq!((scene.files(), scene.marked().await.len()), (files, 0));
    let plan = scene.preview(json!({"keepLast": 2})).await;
    assert_eq!(plan["items"][2]["reasons"][0]["reason"], json!({"kind": "locked"}), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_was_interrupted_leaves_no_sidecar_and_is_in_the_audit_log() {
    let scene = scene(json!({"keepLast": 2}), 7).await;
    scene.back_up_times(3).await;
    let files = scene.files();
    // The server was killed between the backup and its sidecar.
    let begun = "UPDATE copies SET state = 'deleting' WHERE path = ?1";
    assert_eq!(scene.database().execute(begun, [&files[0]]).unwrap(), 1);
    fs::remove_file(scene.folder.join(&files[0])).unwrap();
    scene.scan().await;
    assert!(!scene.folder.join(format!("{}.meta.json", files[0])).exists());
    assert!(scene.marked().await.is_empty());
    let audit = scene.anna.get("/api/audit").await.expect(200).to_string();
    assert_eq!(audit.matches("deleted by the retention policy Standard").count(), 1, "{audit}");
    assert_eq!(scene.files(), files[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_scan_after_a_start_and_that_of_a_viewer_delete_nothing() {
    let mut scene = scene(json!({"keepLast": 2}), 7).await;
    scene.back_up_times(3).await;
    let files = scene.files();
    scene.age(SignedDuration::from_hours(24 * 8));
    let path = format!("/api/destinations/{}/scan", scene.disk);
    for _ in 0..2 {
        scene.viewer.post(&path, &json!({})).await.expect(202);
        scene.viewer.until(&path, |scan| scan["state"] != "running").await;
    }
    assert_eq!(scene.files(), files);

    scene.world.stop().await;
    let number = |scene: &Scene| -> (i64, String) {
        let text = "SELECT number, state FROM scans";
        scene.database().query_row(text, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    let before = number(&scene).0;
    scene.world.start().await;
    scene.anna.url = scene.world.url();
    scene.anna.until(&path, |scan| scan["state"] == "complete" && number(&scene).0 > before).await;
    assert_eq!(scene.files(), files, "the clock may not have been set yet");
    scene.scan().await;
    assert_eq!(scene.files(), files[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_holds_however_the_path_is_spelt_where_the_storage_ignores_case() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let dropbox = world.dropbox_destination(&anna, "Dropbox").await;
    let job = anna.job("shop", &source, &[&dropbox], json!({})).await;
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");
    let listed = anna.get(&format!("/api/destinations/{dropbox}/backups")).await.expect(200);
    let path = listed["items"][0]["path"].as_str().unwrap();
    let lock = format!("/api/destinations/{dropbox}/backups/lock");
    anna.post(&lock, &json!({"path": path})).await.expect(204);
    let respelled = path.replace("shop/", "SHOP/");
    let delete = format!("/api/destinations/{dropbox}/backups?path={respelled}");
    anna.delete(&delete).await.problem(409, "locked", &["unlock it first"]);
    let listed = anna.get(&format!("/api/destinations/{dropbox}/backups")).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_put_into_the_folder_is_neither_counted_nor_deleted() {
    let scene = scene(json!({"keepLast": 2}), 0).await;
    scene.back_up_times(1).await;
    let own = scene.files().remove(0);
    let foreign = own.replace("backup_20", "backup_19");
    fs::copy(scene.folder.join(&own), scene.folder.join(&foreign)).unwrap();
    scene.back_up_times(2).await;
    scene.age(SignedDuration::from_hours(24 * 2));
    scene.scan().await;
    assert!(scene.files().contains(&foreign) && !scene.files().contains(&own));
    let plan = scene.preview(json!({"keepLast": 1})).await;
    let of_foreign = plan["items"].as_array().unwrap().iter().find(|it| it["path"] == foreign).unwrap();
    assert_eq!(of_foreign["reasons"][0]["reason"], json!({"kind": "notCounted", "quality": "unknown"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_edited_by_revision_and_checked_field_by_field() {
    let scene = scene(json!({"keepLast": 3, "keepDaily": 7}), 7).await;
    let (anna, path) = (&scene.anna, format!("/api/retention-policies/{}", scene.policy));
    let shown = anna.get(&path).await;
    assert_eq!(shown.headers["etag"], "\"1\"");
    let changed = anna.patch(&path, &json!({"rules": {"keepDaily": null, "keepMonthly": 12}})).await.expect(200);
    assert_eq!((&changed["rules"]["keepDaily"], &changed["rules"]["keepMonthly"]), (&json!(0), &json!(12)));
    let audit = anna.get("/api/audit").await.expect(200).to_string();
    assert!(audit.contains("Standard: ") && audit.contains(r#"keepMonthly\":12"#), "{audit}");
    let outdated = anna.clone().header("if-match", "\"1\"");
    outdated.patch(&path, &json!({"graceDays": 1})).await.problem(412, "outdated", &[]);
    anna.post("/api/retention-policies", &json!({"name": "standard", "rules": {"keepLast": 1}})).await.problem(
        409,
        "nameTaken",
        &[],
    );
    for (rules, field) in [(json!({}), "rules"), (json!({"keepLast": 10_001}), "rules.keepLast")] {
        let refused = anna.post("/api/retention-policies", &json!({"name": "x", "rules": rules})).await.expect(422);
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
    }
    anna.post("/api/retention-policies", &json!({"name": "x", "rules": {"keepWithin": "2w"}})).await.expect(422);
    anna.delete(&path).await.problem(409, "inUse", &[]);
    let job = format!("/api/jobs/{}", scene.job);
    let refused = anna.patch(&job, &json!({"retention": {"elsewhere": scene.policy}})).await.expect(422);
    assert_eq!(refused["errors"][0]["field"], "retention.elsewhere", "{refused}");
    anna.patch(&job, &json!({"retention": {&scene.disk: null}})).await.expect(200);
    anna.delete(&path).await.expect(204);
}
