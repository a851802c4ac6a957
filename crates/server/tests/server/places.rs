//! Where backups go: folders that cannot be, names that hurt, room that is not there.

use serde_json::{Value, json};

use crate::world::{World, id, make_database};

#[tokio::test]
async fn a_folder_that_dropbox_cannot_have_is_refused_when_it_is_saved() {
    // M-15
    let world = World::new().await;
    let anna = world.administrator().await;
    let input = |folder: &str| json!({"name": "x", "settings": {"type": "dropbox", "folder": folder}, "appKey": "k"});
    for (folder, wrong) in [
        ("/a//b", "double slash"),
        ("/sp ", "white space"),
        ("/back\\slash", "backslash"),
        ("/Thumbs.db", "reserves"),
        (&format!("/{}", "x".repeat(300)), "300 bytes"),
    ] {
        let problem = anna.post("/api/destinations", &input(folder)).await.problem(422, "invalid", &[wrong]);
        assert_eq!(problem["errors"][0]["field"], "settings.folder");
    }
    let made = anna.post("/api/destinations", &input("/cafe\u{301}/")).await.expect(201);
    assert_eq!(made["settings"]["folder"], "/caf\u{e9}");
}

#[tokio::test]
async fn a_folder_is_the_one_that_was_typed() {
    let world = World::new().await;
    let anna = world.administrator().await;
    std::fs::create_dir(world.path("deep")).unwrap();
    for name in
        ["a%20b", "100%", "q?x=1", "h#1", "a b", "%25", "p%41", "%2e%2e", "%2F", "ü ß", "\"quoted\"", "deep/%2e%2e%2f"]
    {
        let (folder, destination) = world.folder_destination(&anna, name).await;
        let (_, source) =
            world.sqlite_source(&anna, &format!("{name} of")[name.rfind('/').map_or(0, |at| at + 1)..], 10).await;
        let job = anna.job(&name.replace('/', " "), &source, &[&destination], json!({})).await;
        let run = world.run_job(&anna, &job).await;
        assert_eq!(run["state"], "succeeded", "{name}: {run}");
        assert!(folder.read_dir().unwrap().next().is_some(), "{name}");
    }
}

#[tokio::test]
async fn a_lost_source_of_a_copy_leaves_the_other_destination_alone() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let from = world.dropbox_destination(&anna, "From").await;
    let standard = dropbox_emulator::Config::default().refresh_token;
    let token = world.dropbox().refresh_tokens().into_iter().find(|token| *token != standard).unwrap();
    let to = world.dropbox_destination(&anna, "To").await;
    let settings = json!({"type": "dropbox", "folder": "/copies"});
    anna.put(&format!("/api/destinations/{to}"), &json!({"name": "To", "settings": settings})).await.expect(200);
    let job = anna.job("shop", &source, &[&from], json!({})).await;
    let run = world.run_job(&anna, &job).await;
    let path = run["result"]["databases"][0]["copies"][0]["path"].as_str().unwrap().to_owned();
    // The access is lost once the run waits for its turn to try the other destination again.
    let fault = dropbox_emulator::Fault::next("files/get_metadata", dropbox_emulator::FaultKind::Status503);
    world.dropbox().inject(fault.on_path("/copies*").times(3));
    let copy = json!({"destinationId": from, "path": path, "toDestinationId": to});
    let begun = anna.post("/api/copies", &copy).await.expect(202);
    world.dropbox().revoke(&token);
    let run = anna.finished(&id(&begun)).await;
    assert_eq!(run["state"], "failed", "{run}");
    let status = async |destination: &str| {
        let shown = anna.get(&format!("/api/destinations/{destination}")).await.expect(200);
        shown["authorization"]["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(status(&from).await, "reauthorization_required");
    assert_eq!(status(&to).await, "authorized");
}

#[tokio::test]
async fn a_backup_that_would_not_fit_warns_or_is_refused_as_the_destination_says() {
    // M-16
    let world = World::new().await;
    let anna = world.administrator().await;
    let (path, source) = world.sqlite_source(&anna, "shop", 2000).await;
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");
    let used: u64 = world.dropbox().files().iter().map(|file| file.size).sum();
    world.dropbox().set_quota(used + used / 2);
    // It fits after all, because the database has shrunk.
    let whole = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    make_database(&path, 10);
    let warned = world.run_job(&anna, &job).await;
    assert_eq!(warned["state"], "succeededWithWarnings", "{warned}");
    assert!(anna.log_of(&id(&warned)).await.contains("may not fit"));
    world.dropbox().set_quota(used);
    for file in world.dropbox().files().iter().filter(|file| file.size < 10_000) {
        world.dropbox().remove(&file.path);
    }
    std::fs::write(&path, whole).unwrap();
    let settings = json!({"type": "dropbox", "folder": "/backups", "whenFull": "stop"});
    let input = json!({"name": "Offsite", "settings": settings});
    let saved = anna.put(&format!("/api/destinations/{destination}"), &input).await.expect(200);
    assert_eq!(saved["settings"]["whenFull"], "stop");
    let before = world.dropbox().requests().len();
    let refused = world.run_job(&anna, &job).await;
    assert_eq!(refused["state"], "failed");
    let error = refused["error"].as_str().unwrap();
    assert!(
        error.contains("Offsite: no room for this backup")
            && error.contains("the last one was")
            && error.contains("used"),
        "{error}"
    );
    let routes: Vec<String> =
        world.dropbox().requests()[before..].iter().map(|request| format!("{request:?}")).collect();
    assert!(!routes.iter().any(|request| request.contains("upload")), "{routes:?}");
}

#[tokio::test]
async fn a_large_folder_is_listed_once_for_all_of_its_pages() {
    // M-09
    let world = World::new().await;
    let anna = world.administrator().await;
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    for index in 0..25 {
        world.dropbox().write(&format!("/f{index:02}/x"), b"x");
    }
    let path = format!("/api/destinations/{destination}/folders?limit=10");
    let lists = || {
        let requests = world.dropbox().requests();
        requests.iter().filter(|request| format!("{request:?}").contains("files/list_folder")).count()
    };
    let before = lists();
    let mut names = Vec::new();
    let mut cursor = String::new();
    loop {
        let page: Value = anna.get(&format!("{path}{cursor}")).await.expect(200);
        names
            .extend(page["items"].as_array().unwrap().iter().map(|folder| folder["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(names.len(), 25);
    assert_eq!(lists() - before, 1);
    // A new folder is seen at once.
    let base = format!("/api/destinations/{destination}/folders");
    anna.post(&base, &json!({"path": "/g"})).await.expect(201);
    let all = anna.get(&format!("{base}?limit=200")).await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 26);
}

#[tokio::test]
async fn check_now_measures_a_folder_and_stores_that() {
    // M-16
    let world = World::new().await;
    let anna = world.administrator().await;
    let (folder, destination) = world.folder_destination(&anna, "Disk").await;
    let days = async || anna.get("/api/overview?days=7").await.expect(200)["destinations"].clone();
    assert_eq!(days().await, json!([]));
    let check = format!("/api/destinations/{destination}/check");
    anna.post(&check, &json!({})).await.expect(200);
    let measured = days().await;
    assert_eq!(measured[0]["destinationId"], json!(destination));
    assert!(measured[0]["days"][0]["allowed"].as_u64().unwrap() > 0, "{measured}");
    // One that cannot be reached is not said to be checked.
    std::fs::remove_dir(&folder).unwrap();
    anna.post(&check, &json!({})).await.problem(424, "destinationFailed", &["Disk"]);
}
