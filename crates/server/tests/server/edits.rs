//! Changes of what there is: revisions, merge patches, and what may not be kept in a change.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, Browser, World, id};

fn tag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}

/// A way to change a thing: method and body.
struct Edit {
    path: String,
    method: Method,
    body: Value,
}

impl Edit {
    async fn send(&self, browser: &Browser, if_match: &str) -> Answer {
        let browser = browser.clone().header("if-match", if_match);
        browser.send(self.method.clone(), &self.path, Some(&self.body)).await
    }
}

/// One thing of each kind, with a change of it.
async fn edits(world: &World, anna: &Browser) -> Vec<Edit> {
    let (database, source) = world.sqlite_source(anna, "shop", 1).await;
    let (folder, disk) = world.folder_destination(anna, "Disk").await;
    let job = anna.job("shop", &source, &[&disk], json!({})).await;
    let profile = id(&anna.post("/api/profiles", &json!({"name": "company"})).await.expect(201));
    let user = json!({"name": "Otto", "role": "operator", "password": "correct horse"});
    let user = id(&anna.post("/api/users", &user).await.expect(201));
    let source_body = json!({"name": "shop", "settings": {"type": "sqlite", "path": database}});
    let disk_body = json!({"name": "Disk", "settings": {"type": "folder", "path": folder}});
    let job_body = json!({"name": "shop", "sourceId": source, "destinationIds": [disk], "timeoutSeconds": 3600});
    [
        (format!("/api/sources/{source}"), Method::PUT, source_body),
        (format!("/api/sources/{source}"), Method::PATCH, json!({"name": "the shop"})),
        (format!("/api/destinations/{disk}"), Method::PUT, disk_body),
        (format!("/api/destinations/{disk}"), Method::PATCH, json!({"name": "The disk"})),
        (format!("/api/jobs/{job}"), Method::PUT, job_body),
        (format!("/api/jobs/{job}"), Method::PATCH, json!({"enabled": false})),
        (format!("/api/profiles/{profile}"), Method::PATCH, json!({"name": "the company"})),
        (format!("/api/users/{user}"), Method::PATCH, json!({"role": "viewer"})),
    ]
    .map(|(path, method, body)| Edit { path, method, body })
    .into()
}

#[tokio::test]
async fn an_outdated_change_is_refused_and_the_present_state_has_a_tag() {
    let world = World::new().await;
    let anna = world.administrator().await;
    for edit in edits(&world, &anna).await {
        let what = format!("{} {}", edit.method, edit.path);
        let first = edit.send(&anna, "*").await;
        let first_tag = tag(&first);
        let first = first.expect(200);
        assert_eq!(first_tag, format!("\"{}\"", first["revision"]), "{what}");
        let second = edit.send(&anna, &first_tag).await;
        let second_tag = tag(&second);
        assert_ne!(second_tag, first_tag, "{what}");
        let second = second.expect(200);
        for outdated in [first_tag.as_str(), "\"bogus\"", "bogus", &format!("W/{second_tag}")] {
            edit.send(&anna, outdated).await.problem(412, "outdated", &["Read it again"]);
        }
        if edit.path.starts_with("/api/users") {
            anna.clone().header("if-match", &first_tag).delete(&edit.path).await.problem(412, "outdated", &[]);
        } else {
            let now = anna.get(&edit.path).await;
            assert_eq!((tag(&now), &now.expect(200)["revision"]), (second_tag.clone(), &second["revision"]), "{what}");
        }
        edit.send(&anna, &format!("{first_tag}, {second_tag}")).await.expect(200);
        anna.clone().header("if-match", &second_tag).delete(&edit.path).await.problem(412, "outdated", &[]);
        // Without the header the last one wins, as before.
        anna.send(edit.method.clone(), &edit.path, Some(&edit.body)).await.expect(200);
        let missing = Edit { path: format!("{}x", edit.path), ..edit };
        missing.send(&anna, "*").await.problem(404, "notFound", &[]);
    }
}

#[tokio::test]
async fn of_changes_at_once_with_one_tag_one_is_made() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 1).await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    let job = format!("/api/jobs/{}", anna.job("shop", &source, &[&disk], json!({})).await);
    let tagged = anna.clone().header("if-match", "\"1\"");
    let changes: Vec<Value> = (0..8).map(|number| json!({"timeoutSeconds": 3600 + number})).collect();
    let answers = futures_util::future::join_all(changes.iter().map(|change| tagged.patch(&job, change))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
    assert_eq!(anna.get(&job).await.expect(200)["revision"], 2);
}

#[tokio::test]
async fn what_was_read_can_be_sent_back_and_unknown_fields_are_still_refused() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 1).await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    let cloud = world.dropbox_destination(&anna, "Offsite").await;
    let schedule = json!({"schedule": {"cron": "0 2 * * *"}, "timeoutSeconds": 3600});
    let job = anna.job("shop", &source, &[&disk], schedule).await;
    world.run_job(&anna, &job).await;
    let settings = json!({"type": "postgres", "host": "db", "user": "u"});
    let server = json!({"name": "server", "settings": settings, "password": "hunter2-hunter2"});
    let server = id(&anna.post("/api/sources", &server).await.expect(201));
    for path in [
        format!("/api/sources/{source}"),
        format!("/api/sources/{server}"),
        format!("/api/destinations/{disk}"),
        format!("/api/destinations/{cloud}"),
        format!("/api/jobs/{job}"),
    ] {
        let without_times = |mut shown: Value| {
            for field in ["updatedAt", "revision", "lastRun", "authorization"] {
                shown.as_object_mut().unwrap().remove(field);
            }
            shown
        };
        let read = anna.get(&path).await.expect(200);
        let sent_back = anna.put(&path, &read).await.expect(200);
        assert_eq!(without_times(sent_back), without_times(read.clone()), "{path}");
        for unknown in ["colour", "createdat", "pinSet"] {
            let mut wrong = read.clone();
            wrong[unknown] = json!(true);
            anna.put(&path, &wrong).await.problem(422, "invalid", &[unknown]);
            anna.patch(&path, &json!({unknown: true})).await.problem(422, "invalid", &[unknown]);
        }
        anna.patch(&path, &json!({"createdAt": "2026-01-15T12:00:00.000Z"})).await.problem(
            422,
            "invalid",
            &["read-only"],
        );
    }
}

#[tokio::test]
async fn a_merge_patch_changes_what_it_names_only() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 1).await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    let more = json!({"schedule": {"cron": "0 2 * * *", "timeZone": "Europe/Berlin"}, "timeoutSeconds": 3600,
        "acknowledgedWarnings": ["unlogged-tables"], "compression": "zstd:9"});
    let job = format!("/api/jobs/{}", anna.job("shop", &source, &[&disk], more).await);
    let before = anna.get(&job).await.expect(200);
    let paused = anna.patch(&job, &json!({"enabled": false})).await.expect(200);
    for field in ["schedule", "timeoutSeconds", "acknowledgedWarnings", "compression", "destinationIds", "name"] {
        assert_eq!(paused[field], before[field], "{field}");
    }
    assert_eq!((&paused["enabled"], paused.get("nextRunAt")), (&json!(false), None));
    let change = json!({"schedule": {"cron": "0 3 * * *"}, "timeoutSeconds": null, "acknowledgedWarnings": null});
    let changed = anna.patch(&job, &change).await.expect(200);
    assert_eq!(changed["schedule"], json!({"cron": "0 3 * * *", "timeZone": "Europe/Berlin"}));
    assert_eq!((changed.get("timeoutSeconds"), &changed["acknowledgedWarnings"]), (None, &json!([])));
    anna.patch(&job, &json!({"name": null})).await.problem(422, "invalid", &["name"]);
    anna.patch(&job, &json!([])).await.problem(422, "invalid", &["object"]);

    let settings = json!({"type": "postgres", "host": "db", "user": "u", "sslMode": "require"});
    let input = json!({"name": "server", "settings": settings, "password": "hunter2-hunter2"});
    let server = format!("/api/sources/{}", id(&anna.post("/api/sources", &input).await.expect(201)));
    let changed = anna.patch(&server, &json!({"settings": {"database": "shop", "sslMode": null}})).await.expect(200);
    assert_eq!((&changed["settings"]["database"], &changed["settings"]["host"]), (&json!("shop"), &json!("db")));
    assert_eq!((changed["settings"].get("sslMode"), &changed["passwordSet"]), (None, &json!(true)));
    assert_eq!(anna.patch(&server, &json!({"password": null})).await.expect(200)["passwordSet"], false);
    assert_eq!(anna.patch(&server, &json!({"password": "another one"})).await.expect(200)["passwordSet"], true);
    // Both media types are taken, others are not.
    let send = async |kind: &str| {
        let mut request = crate::world::client().patch(format!("{}{server}", anna.url)).body("{}");
        for (name, value) in &anna.headers {
            request = request.header(name, value);
        }
        request.header("content-type", kind).send().await.unwrap().status().as_u16()
    };
    assert_eq!(send("application/merge-patch+json").await, 200);
    assert_eq!(send("application/json-patch+json").await, 415);
}

/// Who may configure must not have a stored secret sent to a server of theirs.
#[tokio::test]
async fn a_stored_secret_follows_no_change_of_where_it_is_sent() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let program = anna.token(&["view", "operate", "configure"]).await;
    std::fs::write(world.path("ca.crt"), "").unwrap();
    let good = json!({"type": "postgres", "host": "db", "port": 5432, "user": "u", "sslMode": "verify-ca"});
    let input = json!({"name": "shop", "settings": good, "password": "hunter2-hunter2"});
    let source = format!("/api/sources/{}", id(&anna.post("/api/sources", &input).await.expect(201)));
    for (field, value) in [
        ("host", json!("evil.example")),
        ("host", json!("db,evil.example")),
        ("host", json!("/tmp/evil")),
        ("port", json!(5433)),
        ("port", Value::Null),
        ("sslMode", json!("require")),
        ("sslMode", json!("disable")),
        ("sslMode", Value::Null),
        ("sslRootCert", json!("system")),
    ] {
        let patch = json!({"settings": {field: value}});
        let mut put = json!({"name": "shop", "settings": good});
        put["settings"][field] = value.clone();
        for refused in [
            program.patch(&source, &patch).await,
            program.put(&source, &put).await,
            program.post(&format!("/api/sources/validate?id={}", source.rsplit('/').next().unwrap()), &put).await,
        ] {
            let problem = refused.problem(422, "invalid", &["Password again", &format!("settings.{field}")]);
            assert_eq!(problem["errors"][0]["field"], "password", "{problem}");
        }
        // With the secret, without any, and by an administrator.
        put["password"] = json!("of the new place");
        program.post("/api/sources/validate", &put).await.expect(200);
    }
    let shown = anna.get(&source).await.expect(200);
    assert_eq!((&shown["settings"]["host"], &shown["revision"]), (&json!("db"), &json!(1)));
    // What does not direct it, or protects it better.
    for change in [json!({"settings": {"sslMode": "verify-full"}}), json!({"settings": {"database": "x", "user": "v"}})]
    {
        assert_eq!(program.patch(&source, &change).await.expect(200)["passwordSet"], true);
    }
    // A detour by another type changes nothing.
    let detour = json!({"name": "shop", "settings": {"type": "sqlite", "path": world.path("shop.db")}});
    anna.put(&source, &detour).await.expect(200);
    let evil = json!({"type": "postgres", "host": "evil.example", "user": "u"});
    let back = json!({"name": "shop", "settings": evil});
    program.put(&source, &back).await.problem(422, "invalid", &["Password again"]);
    let mut moved = back.clone();
    moved["password"] = json!("of the new place");
    assert_eq!(program.put(&source, &moved).await.expect(200)["passwordSet"], true);
    let elsewhere = json!({"settings": {"host": "another.example"}, "password": null});
    assert_eq!(program.patch(&source, &elsewhere).await.expect(200)["passwordSet"], false);
    program.patch(&source, &json!({"settings": {"host": "db"}})).await.expect(200);
    program.patch(&source, &json!({"password": "hunter2-hunter2"})).await.expect(200);
    let moved = anna.patch(&source, &json!({"settings": {"host": "new-db"}})).await.expect(200);
    assert_eq!(moved["passwordSet"], true, "administrators may");

    // An App Secret belongs to its App Key.
    let cloud = format!("/api/destinations/{}", world.new_dropbox(&anna, "Offsite").await);
    let problem = program.patch(&cloud, &json!({"appKey": "other"})).await.problem(422, "invalid", &["appKey"]);
    assert_eq!(problem["errors"][0]["field"], "appSecret");
    program.patch(&cloud, &json!({"settings": {"folder": "/other"}})).await.expect(200);
    program.patch(&cloud, &json!({"appKey": "other", "appSecret": "other"})).await.expect(200);
    anna.patch(&cloud, &json!({"appKey": "another"})).await.expect(200);
}

/// A script that misspells a filter would otherwise act on everything.
#[tokio::test]
async fn unknown_query_parameters_are_refused_everywhere() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let api = world.stranger().get("/api/openapi.json").await.expect(200);
    let mut asked = 0;
    for (path, item) in api["paths"].as_object().unwrap() {
        if !path.starts_with("/api/") || path == "/api/adapters/{kind}/callback" {
            continue;
        }
        let path = path.replace("{id}", "none").replace("{token}", "none");
        for method in item.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = anna.send(method.clone(), &format!("{path}?nmae=shop"), Some(&json!({}))).await;
            let problem = answer.problem(422, "invalid", &["nmae", "not known"]);
            assert_eq!(problem["errors"][0]["field"], "nmae", "{method} {path}");
            asked += 1;
        }
    }
    assert!(asked > 60, "{asked}");
    anna.get("/api/sources?sort=name").await.problem(422, "invalid", &["name, cursor, limit"]);
    world.stranger().get("/api/jobs?nmae=x").await.problem(401, "unauthorized", &[]);
}

#[tokio::test]
async fn lists_are_filtered_by_name() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 1).await;
    let (_, disk) = world.folder_destination(&anna, "shop").await;
    let job = anna.job("shop", &source, &[&disk], json!({})).await;
    world.sqlite_source(&anna, "other", 1).await;
    let profile = id(&anna.post("/api/profiles", &json!({"name": "shop"})).await.expect(201));
    let user = json!({"name": "shop", "role": "viewer", "password": "correct horse"});
    let user = id(&anna.post("/api/users", &user).await.expect(201));
    for (list, wanted) in
        [("sources", source), ("destinations", disk), ("jobs", job), ("profiles", profile), ("users", user)]
    {
        let found = anna.get(&format!("/api/{list}?name=SHOP")).await.expect(200);
        assert_eq!((found["items"].as_array().unwrap().len(), id(&found["items"][0])), (1, wanted), "{list}");
        assert_eq!(anna.get(&format!("/api/{list}?name=sho")).await.expect(200), json!({"items": []}), "{list}");
    }
}

#[tokio::test]
async fn times_are_the_same_in_every_answer_with_three_digits() {
    let world = World::new().await;
    let anna = world.administrator().await;
    world.advance(jiff::SignedDuration::from_nanos(330_000_001));
    let user = json!({"name": "Otto", "role": "viewer", "password": "correct horse"});
    let made = anna.post("/api/users", &user).await.expect(201);
    assert_eq!(made["createdAt"], "2026-01-15T12:00:00.330Z");
    assert_eq!(anna.get("/api/users?name=otto").await.expect(200)["items"][0]["createdAt"], made["createdAt"]);
    let input = json!({"name": "t", "scopes": ["view"], "expiresAt": "2027-01-01T00:00:00Z"});
    let token = anna.post("/api/tokens", &input).await.expect(201);
    assert_eq!((&token["createdAt"], &token["expiresAt"]), (&made["createdAt"], &json!("2027-01-01T00:00:00.000Z")));
    let listed = anna.get("/api/tokens").await.expect(200)["items"][0].clone();
    assert_eq!((&listed["createdAt"], &listed["expiresAt"]), (&token["createdAt"], &token["expiresAt"]));
}

#[tokio::test]
async fn a_run_says_where_it_is_and_which_one_is_in_the_way() {
    let world = World::configured(|config| config.max_runs = 0).await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 1).await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&disk], json!({})).await;
    let begun = anna.post(&format!("/api/jobs/{job}/run"), &json!({})).await;
    let location = begun.headers["location"].to_str().unwrap().to_owned();
    let run = id(&begun.expect(202));
    assert_eq!(location, format!("/api/runs/{run}"));
    anna.get(&location).await.expect(200);
    let again = anna.post(&format!("/api/jobs/{job}/run"), &json!({})).await.problem(409, "alreadyRunning", &[]);
    assert_eq!(again["runId"], run);
    let deleted = anna.delete(&format!("/api/jobs/{job}")).await.problem(409, "alreadyRunning", &[]);
    assert_eq!(deleted["runId"], run);
}

#[tokio::test]
async fn the_steps_of_a_test_are_an_array_for_those_who_accept_json() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 1).await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    for path in [format!("/api/sources/{source}/test"), format!("/api/destinations/{disk}/test")] {
        let lines = anna.post(&path, &json!({})).await;
        assert_eq!(lines.headers["content-type"], "application/x-ndjson");
        let lines: Vec<Value> = lines.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let array = anna.clone().header("accept", "application/json").post(&path, &json!({})).await;
        assert_eq!(array.headers["content-type"], "application/json");
        let array = array.expect(200);
        let names = |steps: &[Value]| steps.iter().map(|step| step["name"].clone()).collect::<Vec<_>>();
        assert!(!lines.is_empty());
        assert_eq!(names(array.as_array().unwrap()), names(&lines), "{path}");
    }
}
