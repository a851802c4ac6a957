//! An adapter is a manifest and a line in a registry: a source and a destination that only this test knows work like any other.

use serde_json::{Value, json};
use server::{Adapters, Config};

use crate::catalog::scan;
use crate::world::{World, id};

fn registered(config: &mut Config) {
    config.adapters = made_up::with_both(Adapters::default());
}

#[tokio::test]
async fn a_new_adapter_is_described_validated_listed_and_runs_jobs() {
    let world = World::configured(registered).await;
    let anna = world.administrator().await;

    let api = world.stranger().get("/api/openapi.json").await.expect(200);
    let schemas = &api["components"]["schemas"];
    let settings = &schemas["SourceSettingsMadeUpSource"];
    assert_eq!((&settings["title"], &settings["required"]), (&json!("Made-up source"), &json!(["type", "place"])));
    assert_eq!(settings["properties"]["level"]["maximum"], 3);
    assert!(settings["properties"].get("pin").is_none(), "a secret is no setting");
    let mapping = &schemas["SourceSettings"]["discriminator"]["mapping"];
    assert_eq!(mapping["made-up-source"], "#/components/schemas/SourceSettingsMadeUpSource");
    assert_eq!(schemas["SourceInput"]["properties"]["pin"]["$ref"], "#/components/schemas/SecretField");
    assert_eq!(schemas["Source"]["properties"]["pinSet"]["type"], "boolean");
    assert_eq!(schemas["DestinationSettingsMadeUpDestination"]["properties"]["shelf"]["maxLength"], 1000);

    let adapters = anna.get("/api/adapters").await.expect(200);
    let listed =
        adapters["sources"].as_array().unwrap().iter().find(|adapter| adapter["id"] == "made-up-source").unwrap();
    assert_eq!((&listed["title"], &listed["icon"]), (&json!("Made-up source"), &json!(made_up::SOURCE.manifest.icon)));
    assert_eq!((&listed["fields"][3]["name"], &listed["fields"][3]["secret"]), (&json!("pin"), &json!(true)));

    let cabinet = world.path("cabinet");
    std::fs::create_dir(&cabinet).unwrap();
    let input = |settings: Value| json!({"name": "Made", "settings": settings, "pin": "1234-secret"});
    for (wrong, field) in [
        (input(json!({"type": "made-up-source", "level": 9, "place": "/x"})), "settings.level"),
        (input(json!({"type": "made-up-source"})), "settings.place"),
        (input(json!({"type": "made-up-source", "place": "/x", "shelf": "y"})), "settings.shelf"),
        (input(json!({"type": "unheard-of"})), "settings.type"),
        (json!({"name": "Made", "settings": {"type": "made-up-source", "place": cabinet}}), "pin"),
    ] {
        for path in ["/api/sources", "/api/sources/validate"] {
            let problem = anna.post(path, &wrong).await.problem(422, "invalid", &[]);
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        }
    }
    for drawer in ["tools", "nails"] {
        std::fs::write(cabinet.join(format!("{drawer}.drawer")), format!("{drawer}\n").repeat(1000)).unwrap();
    }
    let good = input(json!({"type": "made-up-source", "place": cabinet}));
    assert_eq!(anna.post("/api/sources/validate", &good).await.expect(200)["settings"]["place"], json!(cabinet));
    assert_eq!(anna.get("/api/sources").await.expect(200)["items"], json!([]), "nothing was saved");
    let made = anna.post("/api/sources", &good).await;
    assert!(!made.body.contains("1234-secret"));
    let source = made.expect(201);
    let address = format!("made://{}/", cabinet.display());
    assert_eq!((&source["pinSet"], &source["address"]), (&json!(true), &json!(address)));
    assert!(source.get("passwordSet").is_none(), "it has no password");

    let shelf = world.path("shelf");
    std::fs::create_dir(&shelf).unwrap();
    let input = json!({"name": "Shelf", "settings": {"type": "made-up-destination", "shelf": shelf}});
    let destination = anna.post("/api/destinations", &input).await.expect(201);
    assert_eq!(destination["authorization"]["status"], "not_required");
    // A path of the machine is judged in every adapter's settings.
    let own = json!({"name": "Own", "settings": {"type": "made-up-destination", "shelf": world.path("data")}});
    anna.post("/api/destinations", &own).await.problem(422, "invalid", &["own data"]);
    let program = anna.token(&["view", "configure"]).await;
    let theirs = json!({"name": "Theirs", "settings": {"type": "made-up-destination", "shelf": shelf}});
    program.post("/api/destinations", &theirs).await.problem(403, "forbidden", &["--allow-path"]);

    // The shelf knows no hash: its copies are there, and were not compared.
    let acknowledged = json!({"acknowledgedWarnings": ["content-not-checked"]});
    let job = anna.job("made", &id(&source), &[&id(&destination)], acknowledged).await;
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");
    let listed = anna.get(&format!("/api/destinations/{}/backups", id(&destination))).await.expect(200);
    let backups = listed["items"].as_array().unwrap();
    assert_eq!(backups.len(), 2, "{listed}");
    assert!(backups.iter().all(|backup| backup["engine"] == "Made-up source" && backup["hasSidecar"] == true));
    let known = anna.get("/api/backups?database=tools").await.expect(200)["items"][0].clone();
    assert_eq!((&known["engine"], &known["database"]), (&json!("Made-up source"), &json!("tools")));
    let sheet = anna.post("/api/profiles", &json!({"name": "company"})).await.expect(201);
    let sheet = anna.post(&format!("/api/profiles/{}/export", id(&sheet)), &json!({})).await.expect(200);
    let sheet = sheet["recoverySheet"].as_str().unwrap();
    assert!(sheet.contains(".made.zst.age  age -d -i key.txt FILE | zstd -d | sed -n s/^+//p"), "{sheet}");

    let restore =
        json!({"destinationId": id(&destination), "path": known["path"], "sourceId": id(&source), "database": "copy"});
    let preview = anna.post("/api/restores/preview", &restore).await.expect(200);
    assert_eq!(preview["contents"], "absent", "{preview}");
    let run = anna.finished(&id(&anna.post("/api/restores", &restore).await.expect(202))).await;
    assert_eq!(run["state"], "succeeded", "{run}");
    let read = |drawer: &str| std::fs::read(cabinet.join(format!("{drawer}.drawer"))).unwrap();
    assert_eq!(read("copy"), read("tools"));
}

/// Rewrites a backup as an engine of a later version would have left it.
fn as_of_another_engine(job: &std::path::Path) -> String {
    let files = || job.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let name = files().find(|name| !name.ends_with(".meta.json")).unwrap();
    let other = name.replace(".db.", ".sql.");
    std::fs::rename(job.join(&name), job.join(&other)).unwrap();
    let sidecar = job.join(format!("{name}.meta.json"));
    let mut content: Value = serde_json::from_slice(&std::fs::read(&sidecar).unwrap()).unwrap();
    content["sourceType"] = json!("mysql");
    content["originalFileName"] = json!(other);
    content["runId"] = json!("a run of another server");
    std::fs::remove_file(&sidecar).unwrap();
    std::fs::write(job.join(format!("{other}.meta.json")), content.to_string()).unwrap();
    other
}

#[tokio::test]
async fn a_backup_of_an_unknown_engine_is_listed_verified_copied_and_downloaded_but_not_restored() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (disk, destination) = world.folder_destination(&anna, "Disk").await;
    let (other_disk, other) = world.folder_destination(&anna, "Other").await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");
    let name = as_of_another_engine(&disk.join("shop"));
    let path = format!("shop/{name}");
    // Other people's files are no backups.
    std::fs::write(disk.join("shop/backup_2026-01-15T12-00-00_shop.db.sha256"), "-").unwrap();

    let at = format!("/api/destinations/{destination}/backups");
    let listed = anna.get(&at).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!((&listed["items"][0]["path"], &listed["items"][0]["engine"]), (&json!(path), &json!(".sql")));
    let query = path.replace('/', "%2F");
    let details = anna.get(&format!("{at}/details?path={query}")).await.expect(200);
    assert_eq!((&details["engine"], &details["sidecar"]["sourceType"]), (&json!("mysql"), &json!("mysql")));
    scan(&anna, &destination).await;
    let known = anna.get("/api/backups").await.expect(200);
    let known = known["items"].as_array().unwrap().iter().find(|backup| backup["path"] == json!(path)).unwrap().clone();
    assert_eq!((&known["engine"], &known["state"]), (&json!("mysql"), &json!("present")));

    let verified = anna.post(&format!("{at}/verify"), &json!({"path": path})).await.expect(200);
    assert_eq!(verified["result"], "whole", "{verified}");
    let copy = json!({"destinationId": destination, "path": path, "toDestinationId": other});
    let copied = anna.finished(&id(&anna.post("/api/copies", &copy).await.expect(202))).await;
    assert_eq!(copied["state"], "succeeded", "{copied}");
    let read = |disk: &std::path::Path| std::fs::read(disk.join(&path)).unwrap();
    assert_eq!(read(&disk), read(&other_disk));
    let download = json!({"destinationId": destination, "path": path, "raw": true});
    let link = anna.post("/api/downloads", &download).await.expect(201);
    let downloaded = anna.open(link["url"].as_str().unwrap()).await.bytes().await.unwrap();
    assert_eq!(downloaded, read(&disk));

    let restore = json!({"destinationId": destination, "path": path, "sourceId": source, "overwrite": true});
    for route in ["/api/restores", "/api/restores/preview"] {
        anna.post(route, &restore).await.problem(409, "cannotOpen", &["no adapter for 'mysql'"]);
    }
}

#[tokio::test]
async fn a_secret_of_another_adapter_is_refused() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let input = json!({"name": "x", "settings": {"type": "sqlite", "path": "/x.db"}, "password": "p"});
    anna.post("/api/sources", &input).await.problem(422, "invalid", &["password"]);
    let input = json!({"name": "x", "settings": {"type": "folder", "path": "/tmp"}, "appKey": "k"});
    anna.post("/api/destinations", &input).await.problem(422, "invalid", &["appKey"]);
}
