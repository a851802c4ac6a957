//! A configuration as a whole: planned, applied together or not at all, by those who may.

use serde_json::{Value, json};
use test_support::{PostgresServer, PostgresVersion};

use crate::world::{Browser, World, make_database};

/// A source, a folder, a profile and a job.
fn wanted(world: &World) -> Value {
    json!({
        "sources": [{
            "name": "shop", "settings": {"type": "postgres", "host": "127.0.0.1", "port": 1, "user": "u"}, "password": "hunter2-a",
        }],
        "destinations": [{"name": "Disk", "settings": {"type": "folder", "path": world.path("disk")}}],
        "profiles": [{"name": "company"}],
        "jobs": [{
            "name": "nightly", "source": "SHOP", "destinations": ["disk"], "profile": "Company",
            "schedule": {"cron": "0 2 * * *"},
        }],
    })
}

fn world_with_folder(world: &World) {
    std::fs::create_dir(world.path("disk")).unwrap();
}

async fn actions(browser: &Browser, path: &str, wanted: &Value) -> Vec<String> {
    let plan = browser.post(path, wanted).await.expect(200);
    let changes = plan["changes"].as_array().unwrap();
    let action = |change: &Value| {
        let fields = change["fields"].as_array().unwrap().iter().map(|field| field["field"].as_str().unwrap());
        let fields = fields.collect::<Vec<_>>().join(" ");
        format!("{} {} {fields}", change["action"].as_str().unwrap(), change["name"].as_str().unwrap())
            .trim()
            .to_owned()
    };
    changes.iter().map(action).collect()
}

async fn counts(browser: &Browser) -> [usize; 4] {
    let mut counts = [0; 4];
    for (count, kind) in counts.iter_mut().zip(["sources", "destinations", "profiles", "jobs"]) {
        let list = browser.get(&format!("/api/{kind}")).await.expect(200);
        *count = list["items"].as_array().unwrap().len();
    }
    counts
}

/// What both databases have to do.
async fn applies_as_a_whole(world: &World) {
    world_with_folder(world);
    let anna = world.administrator().await;
    let wanted = wanted(world);
    let planned = anna.post("/api/configuration/plan", &wanted).await.expect(200);
    assert_eq!((&planned["hasChanges"], counts(&anna).await), (&json!(true), [0; 4]));
    anna.post("/api/configuration", &wanted).await.expect(200);
    assert_eq!(counts(&anna).await, [1; 4]);
    let job = anna.get("/api/jobs").await.expect(200)["items"][0].clone();
    assert_eq!((&job["enabled"], &job["schedule"]["timeZone"]), (&json!(true), &json!("UTC")));
    assert!(job["nextRunAt"].is_string() && job["profileId"].is_string(), "{job}");

    // The same again is nothing to do, secrets included, and leaves no trace.
    let audit = async || anna.get("/api/audit?limit=200").await.expect(200)["items"].as_array().unwrap().clone();
    let entries = |audit: Vec<Value>| audit.iter().filter(|entry| entry["action"] == "apply").count();
    let before = (anna.get("/api/sources").await.expect(200), entries(audit().await));
    assert_eq!(before.1, 4);
    let again = anna.post("/api/configuration", &wanted).await.expect(200);
    assert_eq!(again["hasChanges"], false, "{again}");
    assert_eq!((anna.get("/api/sources").await.expect(200), entries(audit().await)), before);

    // One name that is taken at the last moment, and nothing has happened.
    let mut other = wanted.clone();
    other["sources"][0]["password"] = json!("hunter2-b");
    other["jobs"][0]["schedule"]["cron"] = json!("99 2 * * *");
    anna.post("/api/configuration", &other).await.problem(422, "invalid", &["jobs[0].schedule.cron"]);
    assert_eq!(anna.get("/api/sources").await.expect(200), before.0);
    other["jobs"][0]["schedule"]["cron"] = json!("1 2 * * *");
    let changed = anna.post("/api/configuration", &other).await.expect(200).to_string();
    assert!(!changed.contains("hunter2"), "{changed}");
    let audit = Value::from(audit().await).to_string();
    assert!(
        audit.contains("password: changed") && audit.contains("schedule.cron") && !audit.contains("hunter2"),
        "{audit}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_applied_as_a_whole() {
    applies_as_a_whole(&World::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_applied_as_a_whole_on_postgresql() {
    let server = tokio::task::spawn_blocking(|| PostgresServer::start(PostgresVersion::Debian)).await.unwrap();
    server.sql("postgres", "CREATE DATABASE meta");
    applies_as_a_whole(&World::on_database(&server, "meta").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn applies_at_the_same_time_take_turns() {
    let world = World::new().await;
    world_with_folder(&world);
    let anna = world.administrator().await;
    let wanted = wanted(&world);
    let applies = (0..4).map(|_| anna.post("/api/configuration", &wanted));
    let answers = futures_util::future::join_all(applies).await;
    let changed: Vec<bool> =
        answers.into_iter().map(|answer| answer.expect(200)["hasChanges"].as_bool().unwrap()).collect();
    assert_eq!(changed.iter().filter(|changed| **changed).count(), 1, "{changed:?}");
    assert_eq!(counts(&anna).await, [1; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_by_hand_is_seen_and_an_omitted_field_has_its_default() {
    let world = World::new().await;
    world_with_folder(&world);
    let anna = world.administrator().await;
    let mut wanted = wanted(&world);
    anna.post("/api/configuration", &wanted).await.expect(200);
    let mut job = anna.get("/api/jobs").await.expect(200)["items"][0].clone();
    let id = job["id"].as_str().unwrap().to_owned();
    let fields = job.as_object_mut().unwrap();
    fields.retain(|name, _| ["name", "sourceId", "destinationIds", "schedule", "profileId"].contains(&name.as_str()));
    job["enabled"] = json!(false);
    job["compression"] = json!("zstd:9");
    job["timeoutSeconds"] = json!(3600);
    job["acknowledgedWarnings"] = json!(["x"]);
    job["databases"] = json!(["a"]);
    job["allowDamaged"] = json!(true);
    job["schedule"]["timeZone"] = json!("Europe/Berlin");
    anna.put(&format!("/api/jobs/{id}"), &job).await.expect(200);
    let fields = "databases compression schedule.timeZone timeoutSeconds enabled acknowledgedWarnings allowDamaged";
    let expected = ["keep shop", "keep Disk", "keep company", &format!("update nightly {fields}")];
    assert_eq!(actions(&anna, "/api/configuration/plan", &wanted).await, expected);
    anna.post("/api/configuration", &wanted).await.expect(200);
    let job = anna.get(&format!("/api/jobs/{id}")).await.expect(200);
    assert_eq!((&job["enabled"], &job["compression"]), (&json!(true), &json!("zstd:3")));

    // So do settings, and a secret that is left out is removed.
    wanted["sources"][0].as_object_mut().unwrap().remove("password");
    wanted["sources"][0]["settings"]["port"] = Value::Null;
    let changed = actions(&anna, "/api/configuration", &wanted).await;
    assert_eq!(changed[0], "update shop settings.port password");
    assert_eq!(anna.get("/api/sources").await.expect(200)["items"][0]["passwordSet"], false);
    assert_eq!(actions(&anna, "/api/configuration", &wanted).await[0], "keep shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_wrong_is_named_at_once() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let wanted = json!({
        "sources": [
            {"name": "typo", "settings": {"type": "sqlite", "pth": "/x.db"}},
            {"name": "shop", "settings": {"type": "postgres", "host": "h", "user": "u"}, "retention": 5},
            {"name": "SHO\u{50}", "settings": {"type": "postgres", "host": "h", "user": "u"}},
            {"settings": "sqlite"},
        ],
        "destinations": [{"name": "Caf\u{e9}", "settings": {"type": "folder", "path": "disk"}},
            {"name": "cafe\u{301}", "settings": {"type": "dropbox", "folder": ""}}],
        "profiles": [{"name": "p", "recipients": ["age1nonsense"]}],
        "jobs": [{"name": "j", "source": "nowhere", "destinations": "disk", "profile": 5, "compression": "zip",
            "schedule": {"cron": "99 2 * * *", "zone": "UTC"}, "timeoutSeconds": 5, "enabled": "no", "retention": 5},
            {"name": "k", "source": "shop", "destinations": ["caf\u{e9}", "elsewhere"]}],
    });
    for path in ["/api/configuration/plan", "/api/configuration"] {
        let problem = anna.post(path, &wanted).await.problem(422, "invalid", &[]);
        let errors = problem["errors"].as_array().unwrap();
        let fields: Vec<&str> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
        for field in [
            "sources[0].settings.pth",
            "sources[1].retention",
            "sources[2].name",
            "sources[3].name",
            "sources[3].settings",
            "destinations[0].settings.path",
            "destinations[1].name",
            "destinations[1].appKey",
            "profiles[0].recipients",
            "jobs[0].source",
            "jobs[0].destinations",
            "jobs[0].profile",
            "jobs[0].compression",
            "jobs[0].schedule.zone",
            "jobs[0].schedule.cron",
            "jobs[0].timeoutSeconds",
            "jobs[0].enabled",
            "jobs[0].retention",
            "jobs[1].destinations[1]",
        ] {
            assert_eq!(fields.iter().filter(|found| **found == field).count(), 1, "{field}: {problem:#}");
        }
        assert_eq!(counts(&anna).await, [0; 4]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_may_do_what_its_sender_may_do_one_by_one() {
    let world = World::new().await;
    world_with_folder(&world);
    make_database(&world.path("shop.db"), 1);
    let anna = world.administrator().await;
    let narrow = anna.token(&["view", "operate", "configure"]).await;
    let all = wanted(&world);
    for path in ["/api/configuration/plan", "/api/configuration"] {
        anna.token(&["view", "operate"]).await.post(path, &all).await.problem(403, "forbidden", &["configure"]);
        // A path of the server's machine, for which this token has to ask an administrator.
        let refused = narrow.post(path, &all).await.problem(403, "forbidden", &["destinations[0]", "--allow-path"]);
        assert_eq!(refused["errors"][0]["field"], "destinations[0]");
        let marked = json!({"sources": [{"name": "x", "settings": {"type": "postgres", "host": "h", "user": "u"},
            "restoreTarget": "ownDatabases"}]});
        narrow.post(path, &marked).await.problem(403, "forbidden", &["administer"]);
        // Not even an administrator reaches the server's own data.
        let own =
            json!({"sources": [{"name": "x", "settings": {"type": "sqlite", "path": world.path("data/dbackup.db")}}]});
        anna.post(path, &own).await.problem(422, "invalid", &["sources[0].settings.path", "own data"]);
        assert_eq!(counts(&anna).await, [0; 4]);
    }
    let fine = json!({"sources": [{"name": "x", "settings": {"type": "postgres", "host": "h", "user": "u"}}]});
    narrow.post("/api/configuration", &fine).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_change_and_what_is_pruned_was_applied_under_the_same_label() {
    let world = World::new().await;
    world_with_folder(&world);
    let anna = world.administrator().await;
    let mut all = wanted(&world);
    anna.post("/api/sources", &json!({"name": "by hand", "settings": {"type": "postgres", "host": "h", "user": "u"}}))
        .await
        .expect(201);
    let theirs = json!({"sources": [{"name": "theirs", "settings": {"type": "postgres", "host": "h", "user": "u"}}],
        "managedBy": "another team"});
    anna.post("/api/configuration", &theirs).await.expect(200);
    anna.post("/api/configuration", &all).await.expect(200);
    let source = anna.get("/api/jobs").await.expect(200)["items"][0]["sourceId"].clone();

    all["sources"][0]["name"] = json!("store");
    all["sources"][0]["renamedFrom"] = json!("Shop");
    let stale = actions_refused(&anna, &all).await;
    assert!(stale.contains("jobs[0].source") && stale.contains("there is no source 'SHOP'"), "{stale}");
    all["jobs"][0]["source"] = json!("store");
    let renamed = actions(&anna, "/api/configuration", &all).await;
    assert_eq!(renamed[0], "update store name");
    assert_eq!(renamed[3], "keep nightly");
    assert_eq!(anna.get("/api/jobs").await.expect(200)["items"][0]["sourceId"], source);
    assert_eq!(actions(&anna, "/api/configuration", &all).await[0], "keep store");

    // What a job uses, and keys that only this server has, are not pruned.
    all["prune"] = json!(true);
    let jobs = all["jobs"].take();
    all["jobs"] = json!([]);
    let planned = actions(&anna, "/api/configuration/plan", &all).await;
    assert_eq!(planned, ["keep store", "keep Disk", "keep company", "delete nightly"]);
    all["jobs"] = jobs;
    all["destinations"] = json!([]);
    let refused = actions_refused(&anna, &all).await;
    assert!(refused.contains("jobs[0].destinations[0]") || refused.contains("job 'nightly' uses"), "{refused}");
    all["jobs"] = json!([]);
    all["sources"] = json!([]);
    all["profiles"] = json!([]);
    let refused = actions_refused(&anna, &all).await;
    assert!(refused.contains("export it first"), "{refused}");
    let profile = anna.get("/api/profiles").await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    anna.post(&format!("/api/profiles/{profile}/export"), &json!({})).await.expect(200);
    let pruned = actions(&anna, "/api/configuration", &all).await;
    assert_eq!(pruned, ["delete nightly", "delete store", "delete Disk", "delete company"]);
    assert_eq!(counts(&anna).await, [2, 0, 0, 0]);
    assert_eq!(actions(&anna, "/api/configuration", &all).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_policies_and_which_of_them_a_job_has_are_part_of_it() {
    let world = World::new().await;
    world_with_folder(&world);
    let anna = world.administrator().await;
    let mut all = wanted(&world);
    all["retentionPolicies"] = json!([{"name": "Standard", "rules": {"keepLast": 5}}]);
    all["jobs"][0]["retention"] = json!({"disk": "standard"});
    anna.post("/api/configuration", &all).await.expect(200);
    let policy = anna.get("/api/retention-policies").await.expect(200)["items"][0].clone();
    assert_eq!((&policy["rules"]["keepLast"], &policy["graceDays"]), (&json!(5), &json!(7)), "{policy}");
    let job = || async { anna.get("/api/jobs").await.expect(200)["items"][0].clone() };
    let disk = job().await["destinationIds"][0].as_str().unwrap().to_owned();
    assert_eq!(job().await["retention"], json!({&disk: policy["id"]}));
    let kept = ["keep shop", "keep Disk", "keep company", "keep Standard", "keep nightly"];
    assert_eq!(actions(&anna, "/api/configuration", &all).await, kept);

    // What was changed by hand is changed back, by the rule.
    let path = format!("/api/retention-policies/{}", policy["id"].as_str().unwrap());
    anna.put(&path, &json!({"name": "Standard", "rules": {"keepLast": 50}, "graceDays": 9})).await.expect(200);
    let changed = actions(&anna, "/api/configuration", &all).await;
    assert_eq!(changed[3], "update Standard rules.keepLast graceDays");
    assert_eq!(anna.get(&path).await.expect(200)["rules"]["keepLast"], 5);

    // Mistakes have their places.
    let mut wrong = all.clone();
    wrong["retentionPolicies"] = json!([{"name": "Standard", "rules": {"keepLst": 5}}, {"name": "None", "rules": {}}]);
    wrong["jobs"][0]["retention"] = json!({"disk": "Nowhere", "Elsewhere": "Standard"});
    let refused = actions_refused(&anna, &wrong).await;
    for place in [
        "retentionPolicies[0].rules",
        "retentionPolicies[1].rules",
        "jobs[0].retention.disk",
        "jobs[0].retention.Elsewhere",
    ] {
        assert!(refused.contains(place), "{place}: {refused}");
    }

    // A job without any keeps all. A policy that a job has is not pruned.
    let mut none = all.clone();
    none["prune"] = json!(true);
    none["retentionPolicies"] = json!([]);
    assert!(actions_refused(&anna, &none).await.contains("retention"));
    none["jobs"][0].as_object_mut().unwrap().remove("retention");
    let pruned = actions(&anna, "/api/configuration", &none).await;
    assert_eq!(pruned, ["keep shop", "keep Disk", "keep company", "update nightly retention.Disk", "delete Standard"]);
    assert_eq!(job().await["retention"], json!({}));
}

async fn actions_refused(browser: &Browser, wanted: &Value) -> String {
    browser.post("/api/configuration/plan", wanted).await.problem(422, "invalid", &[]).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_arrives_without_its_private_key_with_a_warning_and_gets_it_by_its_file() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let made = anna.post("/api/profiles", &json!({"name": "made here"})).await.expect(201);
    let id = made["id"].as_str().unwrap();
    let identity = anna.post(&format!("/api/profiles/{id}/export"), &json!({})).await.expect(200)["identity"].clone();
    let elsewhere = World::new().await;
    let berta = elsewhere.administrator().await;
    let without = json!({"profiles": [{"name": "company", "recipients": made["recipients"]}]});
    let applied = berta.post("/api/configuration", &without).await.expect(200);
    assert!(applied["warnings"][0].as_str().unwrap().contains("private key"), "{applied}");
    let with = json!({"profiles": [{"name": "company", "identity": identity}]});
    assert_eq!(actions(&berta, "/api/configuration", &with).await, ["update company identity"]);
    assert_eq!(berta.get("/api/profiles").await.expect(200)["items"][0]["canDecrypt"], true);
    assert_eq!(actions(&berta, "/api/configuration", &with).await, ["keep company"]);
    assert_eq!(actions(&berta, "/api/configuration", &without).await, ["keep company"]);
    let other = json!({"profiles": [{"name": "company", "recipients": [
        "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]}]});
    berta.post("/api/configuration", &other).await.problem(422, "invalid", &["profiles[0].recipients", "never change"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropbox_is_authorized_by_a_refresh_token_that_works() {
    let world = World::new().await;
    world_with_folder(&world);
    let anna = world.administrator().await;
    let standard = dropbox_emulator::Config::default();
    let entry = |token: &str| {
        json!({"name": "Offsite", "settings": {"type": "dropbox", "folder": "/backups"}, "appKey": standard.app_key,
            "appSecret": standard.app_secret, "refreshToken": token})
    };
    let all = |token: &str| json!({"destinations": [entry(token)]});
    let status = async || {
        let list = anna.get("/api/destinations").await.expect(200);
        assert!(!list.to_string().contains(&standard.refresh_token), "{list}");
        list["items"][0]["authorization"]["status"].as_str().map(str::to_owned)
    };
    anna.post("/api/destinations", &entry("wrong")).await.problem(422, "invalid", &["refreshToken", "does not work"]);
    for path in ["/api/configuration/plan", "/api/configuration"] {
        let words = ["destinations[0].refreshToken", "does not work"];
        anna.post(path, &all("wrong")).await.problem(422, "invalid", &words);
    }
    assert_eq!(status().await, None);

    let made = anna.post("/api/destinations", &entry(&standard.refresh_token)).await.expect(201);
    assert_eq!(
        (&made["authorization"]["status"], status().await.as_deref()),
        (&json!("authorized"), Some("authorized"))
    );
    assert!(made["authorization"]["space"]["used"].is_number(), "{made}");
    anna.delete(&format!("/api/destinations/{}", made["id"].as_str().unwrap())).await.expect(204);

    let created = anna.post("/api/configuration", &all(&standard.refresh_token)).await.expect(200);
    assert!(!created.to_string().contains(&standard.refresh_token), "{created}");
    assert_eq!(status().await.as_deref(), Some("authorized"));
    assert_eq!(actions(&anna, "/api/configuration", &all(&standard.refresh_token)).await, ["keep Offsite"]);
    // An authorization that the entry does not mention stays.
    let mut silent = all("");
    silent["destinations"][0].as_object_mut().unwrap().remove("refreshToken");
    assert_eq!(actions(&anna, "/api/configuration", &silent).await, ["keep Offsite"]);
    assert_eq!(status().await.as_deref(), Some("authorized"));

    let disk = json!({"destinations": [{"name": "Disk", "settings": {"type": "folder", "path": world.path("disk")},
        "refreshToken": standard.refresh_token}]});
    anna.post("/api/configuration", &disk).await.problem(
        422,
        "invalid",
        &["destinations[0].refreshToken", "unknown field"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_is_stored_with_its_destination_and_removed_by_null() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let standard = dropbox_emulator::Config::default();
    let mut entry = json!({"name": "Offsite", "settings": {"type": "dropbox", "folder": "/backups"},
        "appKey": standard.app_key, "appSecret": standard.app_secret, "refreshToken": standard.refresh_token});
    let made = anna.post("/api/destinations", &entry).await.expect(201);
    assert_eq!((&made["revision"], &made["authorization"]["status"]), (&json!(1), &json!("authorized")));
    let path = format!("/api/destinations/{}", made["id"].as_str().unwrap());
    let status = |of: &Value| of["authorization"]["status"].as_str().unwrap().to_owned();

    let removed = anna.patch(&path, &json!({"refreshToken": null})).await.expect(200);
    assert_eq!((&removed["revision"], status(&removed)), (&json!(2), "authorization_required".to_owned()));
    let set = anna.patch(&path, &json!({"refreshToken": standard.refresh_token})).await.expect(200);
    assert_eq!((&set["revision"], status(&set)), (&json!(3), "authorized".to_owned()));

    // What is refused for another reason leaves the access as it was, and everything that is wrong is told at once.
    entry["refreshToken"] = json!("wrong");
    entry["name"] = json!("");
    let refused = anna.put(&path, &entry).await.problem(422, "invalid", &["name", "refreshToken", "does not work"]);
    let fields: Vec<&Value> = refused["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
    assert_eq!(fields, ["name", "refreshToken"]);
    assert_eq!(status(&anna.get(&path).await.expect(200)), "authorized");

    entry["refreshToken"] = Value::Null;
    entry["name"] = json!("Offsite");
    let all = json!({"destinations": [entry]});
    let plan = anna.post("/api/configuration/plan", &all).await.expect(200);
    let change = json!({"field": "refreshToken", "action": "removed"});
    assert!(plan["changes"][0]["fields"].as_array().unwrap().contains(&change), "{plan}");
    assert_eq!(actions(&anna, "/api/configuration", &all).await, ["update Offsite refreshToken account"]);
    assert_eq!(status(&anna.get(&path).await.expect(200)), "authorization_required");
    assert_eq!(actions(&anna, "/api/configuration", &all).await, ["keep Offsite"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_come_in_the_order_of_their_fields() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let jobs: Vec<Value> =
        (0..11).map(|number| json!({"name": format!("job {number}"), "zebra": 1, "ape": 1})).collect();
    let refused = anna.post("/api/configuration/plan", &json!({"jobs": jobs})).await.problem(422, "invalid", &[]);
    let fields: Vec<&str> =
        refused["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    let place = |field: &str| fields.iter().position(|other| *other == field).unwrap_or_else(|| panic!("{fields:?}"));
    let expected = ["jobs[2].ape", "jobs[2].zebra", "jobs[3].ape", "jobs[10].ape", "jobs[10].zebra"].map(place);
    assert!(expected.is_sorted(), "{fields:?}");
}
