//! The catalog of backups: what runs record, what scans find, what lists show. The storage is the truth.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dropbox_emulator::{Fault, FaultKind, Weather};
use jiff::SignedDuration;
use serde_json::{Value, json};
use server::Housekeeping;

use crate::world::{Browser, World, id, rows};

/// Scans a destination to the end.
pub(crate) async fn scan(browser: &Browser, destination: &str) -> Value {
    let path = format!("/api/destinations/{destination}/scan");
    browser.post(&path, &json!({})).await.expect(202);
    browser.until(&path, |scan| scan["state"] != "running").await
}

async fn listed(browser: &Browser, query: &str) -> Vec<Value> {
    browser.get(&format!("/api/backups{query}")).await.expect(200)["items"].as_array().unwrap().clone()
}

/// What everybody who looks at a backup cares for.
fn told(backups: &[Value]) -> Vec<Value> {
    let fields = [
        "path",
        "job",
        "engine",
        "time",
        "size",
        "dumpedSize",
        "hashes",
        "dumpHashes",
        "encrypted",
        "encryptedTo",
        "runId",
    ];
    let of = |backup: &Value| fields.map(|field| backup[field].clone());
    backups.iter().map(|backup| json!(of(backup))).collect()
}

async fn existing_folder(browser: &Browser, path: &Path) -> String {
    let input = json!({"name": "Disk", "settings": {"type": "folder", "path": path}});
    id(&browser.post("/api/destinations", &input).await.expect(201))
}

/// A world with a backup of each of two jobs on a disk, and the folder.
async fn with_backups() -> (World, Browser, PathBuf, String) {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 200).await;
    let (folder, disk) = world.folder_destination(&anna, "Disk").await;
    for name in ["shop", "blog"] {
        let job = anna.job(name, &source, &[&disk], json!({})).await;
        assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");
        world.advance(SignedDuration::from_secs(60));
    }
    (world, anna, folder, disk)
}

// S-06
#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_listed_as_verified_and_what_is_deleted_is_not() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 200).await;
    let dropbox = world.dropbox_destination(&anna, "Offsite").await;
    let (folder, disk) = world.folder_destination(&anna, "Disk").await;
    let (_, third) = world.folder_destination(&anna, "Third").await;
    let profile = anna.post("/api/profiles", &json!({"name": "company"})).await.expect(201);
    let job = anna.job("shop", &source, &[&dropbox, &disk], json!({"profileId": id(&profile)})).await;
    let run = world.run_job(&anna, &job).await;
    let backups = listed(&anna, "").await;
    assert_eq!(backups.len(), 2);
    let at = |destination: &str| backups.iter().find(|backup| backup["destinationId"] == destination).unwrap();
    for (destination, how) in [(&dropbox, "ownHash"), (&disk, "readBack")] {
        let backup = at(destination);
        assert_eq!(
            (&backup["state"], &backup["sidecar"], &backup["signature"]),
            (&json!("present"), &json!("read"), &json!("thisServer"))
        );
        assert_eq!((&backup["runId"], &backup["jobId"]), (&run["id"], &json!(job)));
        assert_eq!((&backup["verified"]["how"], &backup["verified"]["result"]), (&json!(how), &json!("whole")));
        assert_eq!(backup["verified"]["by"], json!(format!("run {}", id(&run))));
        assert_eq!((&backup["encrypted"], &backup["encryptedTo"]), (&json!(true), &profile["recipients"]));
    }
    assert_eq!(at(&dropbox)["backupId"], at(&disk)["backupId"]);
    let path = at(&disk)["path"].as_str().unwrap().to_owned();

    // A copy is listed, too.
    let copy = json!({"destinationId": dropbox, "path": path, "toDestinationId": third});
    let copied = anna.post("/api/copies", &copy).await.expect(202);
    assert_eq!(anna.finished(&id(&copied)).await["state"], "succeeded");
    let third = listed(&anna, &format!("?destination={third}")).await;
    assert_eq!((third.len(), &third[0]["backupId"]), (1, &at(&disk)["backupId"]));
    assert_eq!(third[0]["verified"]["by"], json!(format!("run {}", id(&copied))));

    // A verification that fails is kept.
    let file = folder.join(&path);
    let mut bytes = fs::read(&file).unwrap();
    bytes[100] ^= 1;
    fs::write(&file, bytes).unwrap();
    let verify = format!("/api/destinations/{disk}/backups/verify");
    assert_eq!(anna.post(&verify, &json!({"path": path})).await.expect(200)["result"], "altered");
    let altered = listed(&anna, "?status=altered").await;
    assert_eq!((altered.len(), &altered[0]["verified"]["by"]), (1, &json!("user Anna")));
    let all = anna.get(&format!("/api/destinations/{disk}/backups/verifications?path={path}")).await.expect(200);
    let results: Vec<&Value> = all["items"].as_array().unwrap().iter().map(|it| &it["result"]).collect();
    assert_eq!(results, [&json!("altered"), &json!("whole")]);

    anna.delete(&format!("/api/destinations/{disk}/backups?path={path}")).await.expect(204);
    assert_eq!(listed(&anna, "").await.len(), 2);
    // One that is locked was not deleted.
    let sidecar = world.dropbox().read(&format!("/backups/{path}.meta.json")).unwrap();
    let locked = String::from_utf8(sidecar).unwrap().replace("\"locked\": false", "\"locked\": true");
    world.dropbox().write(&format!("/backups/{path}.meta.json"), locked.as_bytes());
    anna.delete(&format!("/api/destinations/{dropbox}/backups?path={path}")).await.problem(409, "locked", &[]);
    assert_eq!(listed(&anna, &format!("?destination={dropbox}")).await[0]["state"], "present");
}

// S-12
#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_server_pointed_at_a_bare_folder_has_everything_back() {
    let (mut world, anna, folder, disk) = with_backups().await;
    let before = listed(&anna, "").await;
    assert_eq!(before.len(), 2);
    let original = rows(&world.path("shop.db"));
    // One has lost its sidecar: its name alone has to do.
    let bare = before[0]["path"].as_str().unwrap();
    let gone = folder.join(format!("{bare}.meta.json"));
    fs::remove_file(&gone).unwrap();
    scan(&anna, &disk).await;
    world.stop().await;
    fs::remove_dir_all(world.path("data")).unwrap();
    world.start().await;

    let anna = world.administrator().await;
    assert!(listed(&anna, "").await.is_empty());
    let disk = existing_folder(&anna, &folder).await;
    let scanned = scan(&anna, &disk).await;
    assert_eq!((&scanned["state"], &scanned["found"], &scanned["adopted"]), (&json!("complete"), &json!(2), &json!(2)));
    let after = listed(&anna, "").await;
    assert_eq!(told(&after[1..]), told(&before[1..]));
    assert_eq!((&after[1]["signature"], &after[1]["verified"]), (&json!("otherInstallation"), &Value::Null));
    let of_name =
        |backup: &Value| json!([backup["path"], backup["job"], backup["time"], backup["size"], backup["encrypted"]]);
    assert_eq!(of_name(&after[0]), of_name(&before[0]));
    assert_eq!((&after[0]["sidecar"], &after[0]["dumpedSize"]), (&json!("absent"), &Value::Null));

    // And it restores.
    let (_, source) = world.sqlite_source(&anna, "target", 1).await;
    let target = world.path("restored.db");
    for backup in &after {
        let restore = json!({
            "destinationId": disk, "path": backup["path"], "sourceId": source, "database": target, "overwrite": true
        });
        let begun = anna.post("/api/restores", &restore).await.expect(202);
        assert_eq!(anna.finished(&id(&begun)).await["state"], "succeeded");
        assert_eq!(rows(&target), original);
    }
}

// S-06
#[tokio::test(flavor = "multi_thread")]
async fn what_came_and_went_while_the_server_was_down_is_found_at_its_start() {
    let (mut world, anna, folder, disk) = with_backups().await;
    let [blog, shop] = &listed(&anna, "").await[..] else { panic!() };
    let (blog, shop) = (blog["path"].as_str().unwrap(), shop["path"].as_str().unwrap());
    world.stop().await;
    let copy = shop.replace("12-00-00", "13-00-00");
    for suffix in ["", ".meta.json"] {
        fs::copy(folder.join(format!("{shop}{suffix}")), folder.join(format!("{copy}{suffix}"))).unwrap();
        fs::remove_file(folder.join(format!("{blog}{suffix}"))).unwrap();
    }
    world.start().await;
    let anna = Browser { url: world.url(), headers: anna.headers };
    anna.until(&format!("/api/destinations/{disk}/scan"), |scan| scan["state"] != "running" && scan["missing"] == 1)
        .await;
    let states: Vec<Value> = listed(&anna, "").await.iter().map(|it| json!([it["path"], it["state"]])).collect();
    assert_eq!(states, [json!([copy, "present"]), json!([blog, "missing"]), json!([shop, "present"])]);
    assert_eq!(listed(&anna, "?status=missing").await.len(), 1);
    // A listing never takes away what a restore needs: what is missing is only shown.
    anna.get(&format!("/api/destinations/{disk}/backups/details?path={blog}")).await.problem(404, "notFound", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_a_destination_that_points_elsewhere_are_not_called_present_before_they_are_seen_there() {
    let (world, anna, folder, disk) = with_backups().await;
    // A folder with one of the two.
    let elsewhere = world.path("Elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::rename(folder.join("shop"), elsewhere.join("shop")).unwrap();
    let input = json!({"name": "Disk", "settings": {"type": "folder", "path": elsewhere}});
    anna.put(&format!("/api/destinations/{disk}"), &input).await.expect(200);
    anna.until(&format!("/api/destinations/{disk}/scan"), |scan| scan["state"] == "complete").await;
    let states = async |query: &str| -> Vec<Value> {
        listed(&anna, query).await.iter().map(|it| json!([it["job"], it["state"]])).collect()
    };
    assert_eq!(states("").await, [json!(["blog", "missing"]), json!(["shop", "present"])]);

    // The scan hangs: nothing is known.
    let dropbox = world.dropbox_destination(&anna, "Offsite").await;
    let source = id(&anna.get("/api/sources").await.expect(200)["items"][0]);
    let job = anna.job("offsite", &source, &[&dropbox], json!({})).await;
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");
    world.dropbox().set_weather(Weather { latency: Duration::from_secs(600), ..Weather::default() });
    let path = format!("/api/destinations/{dropbox}");
    let shown = anna.get(&path).await.expect(200);
    let rename = json!({"name": "Renamed", "settings": shown["settings"]});
    anna.put(&path, &rename).await.expect(200);
    assert_eq!(states("?job=offsite").await, [json!(["offsite", "present"])], "another name is no other place");
    anna.post(&format!("{path}/scan"), &json!({})).await.expect(202);
    let mut moved = rename;
    moved["settings"]["folder"] = json!("/elsewhere");
    anna.put(&path, &moved).await.expect(200);
    let scan_path = format!("{path}/scan");
    let begun = anna.get(&scan_path).await.expect(200);
    assert_eq!((&begun["state"], &begun["completeAt"]), (&json!("running"), &Value::Null), "{begun}");
    assert_eq!(states("?job=offsite").await, [json!(["offsite", "unconfirmed"])]);
    anna.delete(&scan_path).await.expect(204);
    anna.until(&scan_path, |scan| scan["state"] == "cancelled").await;
    assert_eq!(states("?job=offsite").await, [json!(["offsite", "unconfirmed"])], "it has not ended");
    world.dropbox().set_weather(Weather::default());
    assert_eq!(scan(&anna, &dropbox).await["missing"], 1);
    assert_eq!(states("?job=offsite").await, [json!(["offsite", "missing"])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_that_differ_by_case_only_are_two_backups_with_their_own_sidecars() {
    let (_world, anna, folder, disk) = with_backups().await;
    let [_, shop] = &listed(&anna, "").await[..] else { panic!() };
    let (path, upper) = (shop["path"].as_str().unwrap(), shop["path"].as_str().unwrap().replacen("shop", "Shop", 1));
    fs::create_dir(folder.join("Shop")).unwrap();
    // The one has a sidecar, the other has none.
    fs::copy(folder.join(path), folder.join(&upper)).unwrap();
    scan(&anna, &disk).await;
    let found = listed(&anna, "?search=shop/backup").await;
    let told: Vec<Value> = found.iter().map(|it| json!([it["path"], it["state"], it["sidecar"]])).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.contains(&json!([path, "present", "read"])) && told.contains(&json!([upper, "present", "absent"])));
    let live = anna.get(&format!("/api/destinations/{disk}/backups")).await.expect(200);
    let beside = |path: &str| {
        live["items"].as_array().unwrap().iter().find(|it| it["path"] == path).unwrap()["hasSidecar"].clone()
    };
    assert_eq!((beside(path), beside(&upper)), (json!(true), json!(false)));
    fs::remove_file(folder.join(&upper)).unwrap();
    assert_eq!(scan(&anna, &disk).await["missing"], 1, "the other file is another backup");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_scan_could_not_read_stays_as_it_was() {
    let (world, anna, folder, disk) = with_backups().await;
    fs::rename(folder.join("shop"), world.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(world.path("elsewhere"), folder.join("shop")).unwrap();
    fs::remove_dir_all(folder.join("blog")).unwrap();
    let scanned = scan(&anna, &disk).await;
    assert_eq!((&scanned["state"], &scanned["missing"]), (&json!("partial"), &json!(1)));
    assert_eq!((&scanned["unreadable"][0]["path"], &scanned["completeAt"]), (&json!("shop"), &Value::Null));
    let states: Vec<Value> = listed(&anna, "").await.iter().map(|it| json!([it["job"], it["state"]])).collect();
    assert_eq!(states, [json!(["blog", "missing"]), json!(["shop", "present"])]);

    let dropbox = world.dropbox_destination(&anna, "Offsite").await;
    let source = id(&anna.get("/api/sources").await.expect(200)["items"][0]);
    let job = anna.job("offsite", &source, &[&dropbox], json!({})).await;
    world.run_job(&anna, &job).await;
    world.dropbox().remove("/backups/offsite");
    world.dropbox().inject(Fault::next("files/list_folder", FaultKind::AccessTokenExpired).times(2));
    let failed = scan(&anna, &dropbox).await;
    assert_eq!((&failed["state"], &failed["missing"]), (&json!("failed"), &json!(0)));
    assert!(failed["error"].is_string(), "{failed}");
    assert_eq!(listed(&anna, "?job=offsite").await[0]["state"], "present");
    assert_eq!(scan(&anna, &dropbox).await["missing"], 1);
    assert_eq!(listed(&anna, "?job=offsite").await[0]["state"], "missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_hangs_hides_nobody_elses_backups() {
    let (mut world, anna, _, disk) = with_backups().await;
    let dropbox = world.dropbox_destination(&anna, "Offsite").await;
    let source = id(&anna.get("/api/sources").await.expect(200)["items"][0]);
    let job = anna.job("offsite", &source, &[&dropbox], json!({})).await;
    world.run_job(&anna, &job).await;
    world.dropbox().set_weather(Weather { latency: Duration::from_secs(600), ..Weather::default() });
    let hanging = format!("/api/destinations/{dropbox}/scan");
    assert_eq!(anna.post(&hanging, &json!({})).await.expect(202)["state"], "running");
    assert_eq!(scan(&anna, &disk).await["state"], "complete");
    assert_eq!(listed(&anna, "").await.len(), 3);
    // One at a time: asking again shows the one in progress. A viewer may ask, and only those who operate may cancel.
    let vera = world.member(&anna, "Vera", "viewer").await;
    assert_eq!(vera.post(&hanging, &json!({})).await.expect(202)["state"], "running");
    vera.delete(&hanging).await.problem(403, "forbidden", &[]);
    anna.delete(&hanging).await.expect(204);
    let cancelled = anna.until(&hanging, |scan| scan["state"] != "running").await;
    assert_eq!((&cancelled["state"], &cancelled["missing"]), (&json!("cancelled"), &json!(0)));
    assert_eq!(listed(&anna, "?job=offsite").await[0]["state"], "present");
    // A server that stops does not wait for one either.
    anna.post(&hanging, &json!({})).await.expect(202);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sidecars_are_read_once() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let dropbox = world.dropbox_destination(&anna, "Offsite").await;
    let job = anna.job("shop", &source, &[&dropbox], json!({})).await;
    let run = world.run_job(&anna, &job).await;
    let path = format!("/backups/{}", run["result"]["databases"][0]["copies"][0]["path"].as_str().unwrap());
    let reads = || world.dropbox().requests().iter().filter(|request| request.route == "files/download").count();
    let before = reads();
    scan(&anna, &dropbox).await;
    assert_eq!(reads(), before, "a run has recorded it");
    // Another file that looks like a copy of it is read once.
    let other = path.replace("12-00-00", "13-00-00");
    for suffix in ["", ".meta.json"] {
        let bytes = world.dropbox().read(&format!("{path}{suffix}")).unwrap();
        world.dropbox().write(&format!("{other}{suffix}"), &bytes);
    }
    scan(&anna, &dropbox).await;
    scan(&anna, &dropbox).await;
    assert_eq!(reads(), before + 1);
    assert_eq!(listed(&anna, "").await[0]["sidecar"], "read");
    // No more often than asked for.
    let scan_path = format!("/api/destinations/{dropbox}/scan");
    let first = anna.get(&scan_path).await.expect(200);
    world.advance(SignedDuration::from_secs(30));
    assert_eq!(anna.post(&format!("{scan_path}?maxAge=60"), &json!({})).await.expect(202), first);
    world.advance(SignedDuration::from_secs(31));
    anna.post(&format!("{scan_path}?maxAge=60"), &json!({})).await.expect(202);
    anna.until(&scan_path, |scan| scan["state"] == "complete" && scan["startedAt"] != first["startedAt"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_page_by_page_and_refuse_what_they_do_not_know() {
    let (_world, anna, _, disk) = with_backups().await;
    let first = anna.get("/api/backups?limit=1").await.expect(200);
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = anna.get(&format!("/api/backups?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!((&first["items"][0]["job"], &second["items"][0]["job"]), (&json!("blog"), &json!("shop")));
    assert!(second["nextCursor"].is_null());
    for (query, expected) in [
        (format!("?destination={disk}&job=shop"), 1),
        ("?search=DISK".to_owned(), 2),
        ("?search=sho".to_owned(), 1),
        ("?from=2026-01-15T12:01:00Z".to_owned(), 1),
        ("?to=2026-01-15T12:01:00Z".to_owned(), 1),
        ("?status=unencrypted&oldest=true".to_owned(), 2),
        ("?database=x".to_owned(), 0),
    ] {
        assert_eq!(listed(&anna, &query).await.len(), expected, "{query}");
    }
    assert_eq!(anna.get("/api/backups/summary?job=shop").await.expect(200)["copies"], 1);
    let names = anna.get("/api/backups/names").await.expect(200);
    assert_eq!(names, json!({"jobs": ["blog", "shop"], "databases": []}));
    anna.get("/api/backups?status=odd").await.expect(422);
    anna.get("/api/backups?search=%00").await.expect(400);
    anna.get(&format!("/api/destinations/{disk}x/scan")).await.problem(404, "notFound", &[]);
    anna.post(&format!("/api/destinations/{disk}x/scan"), &json!({})).await.problem(404, "notFound", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_runs_are_removed_but_the_last_good_one_of_a_job() {
    let mut world = World::configured(|config| config.housekeeping = Housekeeping::of_days(1, 5, 5)).await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&disk], json!({})).await;
    let first = id(&world.run_job(&anna, &job).await);
    let good = id(&world.run_job(&anna, &job).await);
    let token = anna.token(&["view"]).await;
    world.advance(SignedDuration::from_hours(6 * 24));
    world.stop().await;
    world.start().await;
    let anna = Browser { url: world.url(), headers: token.headers };
    anna.until("/api/runs", |runs| runs["items"].as_array().unwrap().len() == 1).await;
    anna.get(&format!("/api/runs/{first}")).await.problem(404, "notFound", &[]);
    anna.until(&format!("/api/runs/{good}/log"), |log| log["items"].as_array().unwrap().is_empty()).await;
    assert_eq!(listed(&anna, "").await.len(), 2, "backups are not runs");
}

/// Copies the backups of version 0.1 to where a destination can be.
fn backups_of_0_1(to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/backups-0.1");
    for job in ["shop nightly", "plain 😀"] {
        fs::create_dir_all(to.join(job)).unwrap();
        for file in fs::read_dir(from.join(job)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.join(job).join(file.file_name())).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_server_adopts_and_verifies_backups_of_version_0_1() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let folder = world.path("old");
    backups_of_0_1(&folder);
    let disk = existing_folder(&anna, &folder).await;
    let scanned = scan(&anna, &disk).await;
    assert_eq!((&scanned["state"], &scanned["found"], &scanned["adopted"]), (&json!("complete"), &json!(2), &json!(2)));
    let backups = listed(&anna, "").await;
    let of = |job: &str| backups.iter().find(|backup| backup["job"] == job).unwrap().clone();
    let (nightly, plain) = (of("shop nightly"), of("plain 😀"));
    for (backup, encrypted, size) in [(&nightly, true, 1_050_640), (&plain, false, 1_050_116)] {
        assert_eq!(
            (&backup["sidecar"], &backup["signature"], &backup["engine"]),
            (&json!("read"), &json!("unsigned"), &json!("SQLite")),
            "{backup}"
        );
        assert_eq!((&backup["encrypted"], &backup["size"]), (&json!(encrypted), &json!(size)), "{backup}");
        assert_eq!(backup["dumpedSize"], json!(1_060_864), "{backup}");
    }

    // Whole as they are stored; and to the end, once the server has the key.
    let verify = async |backup: &Value, deep: bool| {
        let path = format!("/api/destinations/{disk}/backups/verify");
        anna.post(&path, &json!({"path": backup["path"], "deep": deep})).await.expect(200)
    };
    for backup in [&nightly, &plain] {
        let found = verify(backup, false).await;
        assert_eq!((&found["result"], &found["checkedBy"]), (&json!("whole"), &json!("readBack")), "{found}");
    }
    let path = format!("/api/destinations/{disk}/backups/verify");
    let without_key = anna.post(&path, &json!({"path": nightly["path"], "deep": true})).await;
    without_key.problem(409, "cannotOpen", &["encrypted"]);
    let kept = listed(&anna, "").await;
    assert!(kept.iter().all(|backup| backup["verified"]["result"] == "whole"), "{kept:?}");
    let identity = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/backups-0.1/identity.json"));
    let identity: Value = serde_json::from_slice(&identity.unwrap()).unwrap();
    let profile = json!({"name": "company", "identity": identity["identity"]});
    anna.post("/api/profiles", &profile).await.expect(201);
    for (backup, layers) in [(&nightly, ["age", "zstd"].as_slice()), (&plain, &["zstd"])] {
        let found = verify(backup, true).await;
        assert_eq!((&found["result"], &found["checkedBy"]), (&json!("whole"), &json!("deep")), "{found}");
        let detail = found["detail"].as_str().unwrap();
        assert!(layers.iter().all(|layer| detail.contains(layer)), "{detail}");
    }
    let verified = listed(&anna, "").await;
    assert!(verified.iter().all(|backup| backup["verified"]["how"] == "deep"), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn checking_everything_finds_what_only_the_dump_shows() {
    let (_world, anna, folder, disk) = with_backups().await;
    let backups = listed(&anna, "").await;
    let deep = async |backup: &Value| {
        let path = format!("/api/destinations/{disk}/backups/verify");
        anna.post(&path, &json!({"path": backup["path"], "deep": true})).await.expect(200)
    };
    assert_eq!(deep(&backups[0]).await["result"], "whole");
    // The file is as its sidecar says, and yet not the dump that was made.
    let path = backups[0]["path"].as_str().unwrap();
    let sidecar = folder.join(format!("{path}.meta.json"));
    let mut changed: Value = serde_json::from_slice(&fs::read(&sidecar).unwrap()).unwrap();
    changed["checksum"]["sha256Plain"] = json!("0".repeat(64));
    fs::write(&sidecar, changed.to_string()).unwrap();
    let found = deep(&backups[0]).await;
    assert_eq!((&found["result"], &found["checkedBy"]), (&json!("altered"), &json!("deep")), "{found}");
    assert!(found["detail"].as_str().unwrap().contains("SHA-256 of the dump"), "{found}");
    // Without its sidecar it is whole in itself, and nothing more is known.
    fs::remove_file(&sidecar).unwrap();
    assert_eq!(deep(&backups[0]).await["result"], "unknown");
    // A byte of the content.
    let other = folder.join(backups[1]["path"].as_str().unwrap());
    let mut bytes = fs::read(&other).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&other, bytes).unwrap();
    assert_eq!(deep(&backups[1]).await["result"], "altered");
}
