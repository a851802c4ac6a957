//! What the API's description promises, and what happens.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use crate::authorization::pretend_other_account;
use crate::world::{Answer, Browser, World, client, id};

/// A profile whose private key is elsewhere can be deleted at once.
const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

async fn description(world: &World) -> Value {
    world.stranger().get("/api/openapi.json").await.expect(200)
}

/// Each operation, as `GET /api/jobs/{id}`.
fn operations(api: &Value) -> impl Iterator<Item = (String, &Value)> {
    let paths = api["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        operations.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    })
}

/// The names of the schemas that a part of the description refers to.
fn references(part: &Value, found: &mut BTreeSet<String>) {
    match part {
        Value::Object(fields) => {
            let reference = fields.get("$ref").and_then(Value::as_str);
            found.extend(reference.and_then(|path| path.strip_prefix("#/components/schemas/")).map(str::to_owned));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// Two servers, since the order of a hash map is drawn anew in each.
#[tokio::test]
async fn the_description_is_the_same_to_the_letter_each_time() {
    let text = async || World::new().await.stranger().get("/api/openapi.json").await.body;
    assert!(text().await == text().await, "the order of something is drawn anew");
}

#[tokio::test]
async fn inputs_have_no_field_that_is_read_only() {
    let api = description(&World::new().await).await;
    let schemas = &api["components"]["schemas"];
    let (mut inputs, mut seen) = (BTreeSet::new(), BTreeSet::new());
    operations(&api).for_each(|(_, operation)| references(&operation["requestBody"], &mut inputs));
    while let Some(name) = inputs.pop_first() {
        if seen.insert(name.clone()) {
            references(&schemas[&name], &mut inputs);
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
    for name in seen {
        for (field, schema) in schemas[&name]["properties"].as_object().into_iter().flatten() {
            assert_ne!(schema["readOnly"], true, "{name}.{field}");
            for output in ["Job", "Source", "Destination", "RetentionPolicy", "Profile", "User"] {
                let is_its_input = [format!("{output}Input"), format!("{output}Patch"), format!("{output}Change")];
                let is_read_only = schemas[output]["properties"][field]["readOnly"] == true;
                assert!(!is_its_input.contains(&name) || !is_read_only, "{name}.{field}");
            }
        }
    }
}

#[tokio::test]
async fn refusals_are_described_once() {
    let api = description(&World::new().await).await;
    let responses = api["components"]["responses"].as_object().unwrap();
    let mut referred = BTreeSet::new();
    for (name, operation) in operations(&api) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            if status.starts_with(['1', '2', '3']) {
                continue;
            }
            let reference = response["$ref"].as_str().unwrap_or_else(|| panic!("{name} describes {status} itself"));
            referred.insert(reference.strip_prefix("#/components/responses/").unwrap().to_owned());
        }
    }
    let described: BTreeSet<String> = responses.keys().cloned().collect();
    assert_eq!(referred, described);
    for (name, response) in responses {
        let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
        assert_eq!(schema, "#/components/schemas/Problem", "{name}");
    }
}

/// Shows the consent page, allows, and returns the code with the state that it belongs to.
async fn code(anna: &Browser, destination: &str) -> Value {
    let path = format!("/api/destinations/{destination}/authorization");
    let begun = anna.post(&path, &json!({"mode": "code"})).await.expect(200);
    let (page, query) = begun["url"].as_str().unwrap().split_once('?').unwrap();
    let answer = client().post(page).body(format!("{query}&decision=allow")).send().await.unwrap();
    let html = answer.text().await.unwrap();
    let code = html.split("id=\"code\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    json!({"code": code, "state": begun["state"]})
}

fn tag(answer: &Answer) -> &str {
    answer.headers.get("etag").map_or("none", |tag| tag.to_str().unwrap())
}

/// Every operation that promises an `ETag` answers with that of the revision, and every one that takes `If-Match` refuses another.
#[tokio::test]
async fn every_promised_etag_comes_and_every_if_match_counts() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (database, source) = world.sqlite_source(&anna, "shop", 1).await;
    let (_, other) = world.sqlite_source(&anna, "other", 1).await;
    let (folder, disk) = world.folder_destination(&anna, "Disk").await;
    let cloud = world.new_dropbox(&anna, "Offsite").await;
    let job = anna.job("shop", &source, &[&disk], json!({})).await;
    let made = async |path: &str, body: Value| id(&anna.post(path, &body).await.expect(201));
    let profile = made("/api/profiles", json!({"name": "company", "recipients": [RECIPIENT]})).await;
    let policy = made("/api/retention-policies", json!({"name": "short", "rules": {"keepLast": 3}})).await;
    let user = made("/api/users", json!({"name": "Otto", "role": "operator", "password": "correct horse"})).await;
    let ntfy = json!({"name": "Ops", "settings": {"type": "ntfy"}, "topic": "backups-of-the-shop"});
    let channel = made("/api/channels", ntfy.clone()).await;
    let spare =
        made("/api/channels", json!({"name": "Spare", "settings": {"type": "ntfy"}, "topic": "spare-of-the-shop"}))
            .await;
    let told = json!({"name": "Everything", "rule": {"channelIds": [spare]}});
    let rule = made("/api/notification-rules", told.clone()).await;
    let ids = BTreeMap::from([
        ("sources", &source),
        ("destinations", &disk),
        ("jobs", &job),
        ("profiles", &profile),
        ("retention-policies", &policy),
        ("users", &user),
        ("channels", &channel),
        ("notification-rules", &rule),
    ]);
    let sqlite = json!({"type": "sqlite", "path": database});
    let folder = json!({"type": "folder", "path": folder});
    let rules = json!({"keepLast": 5});
    // In this order: what others refer to is deleted last.
    let acts = [
        ("POST /api/sources", json!({"name": "new", "settings": sqlite})),
        ("GET /api/sources/{id}", Value::Null),
        ("PUT /api/sources/{id}", json!({"name": "shop", "settings": sqlite})),
        ("PATCH /api/sources/{id}", json!({"name": "the shop"})),
        (
            "POST /api/destinations",
            json!({"name": "new", "settings": {"type": "dropbox"}, "appKey": "x", "appSecret": "y"}),
        ),
        ("GET /api/destinations/{id}", Value::Null),
        ("PUT /api/destinations/{id}", json!({"name": "Disk", "settings": folder})),
        ("PATCH /api/destinations/{id}", json!({"name": "The disk"})),
        ("POST /api/destinations/{id}/check", json!({})),
        ("POST /api/destinations/{id}/authorization/code", Value::Null),
        ("POST /api/destinations/{id}/authorization/confirm", Value::Null),
        ("POST /api/jobs", json!({"name": "new", "sourceId": other, "destinationIds": [cloud]})),
        ("GET /api/jobs/{id}", Value::Null),
        ("PUT /api/jobs/{id}", json!({"name": "shop", "sourceId": source, "destinationIds": [disk]})),
        ("PATCH /api/jobs/{id}", json!({"enabled": false})),
        ("POST /api/jobs/{id}/acknowledge", json!({"warning": "unlogged-tables"})),
        ("POST /api/profiles", json!({"name": "new"})),
        ("GET /api/profiles/{id}", Value::Null),
        ("PATCH /api/profiles/{id}", json!({"name": "the company"})),
        ("POST /api/retention-policies", json!({"name": "new", "rules": rules})),
        ("GET /api/retention-policies/{id}", Value::Null),
        ("PUT /api/retention-policies/{id}", json!({"name": "short", "rules": rules})),
        ("PATCH /api/retention-policies/{id}", json!({"name": "shorter"})),
        ("POST /api/users", json!({"name": "Vera", "role": "viewer", "password": "correct horse"})),
        ("PATCH /api/users/{id}", json!({"role": "viewer"})),
        ("POST /api/channels", json!({"name": "new", "settings": {"type": "ntfy"}, "topic": "backups-of-others"})),
        ("GET /api/channels/{id}", Value::Null),
        ("PUT /api/channels/{id}", ntfy),
        ("PATCH /api/channels/{id}", json!({"enabled": false})),
        ("POST /api/notification-rules", json!({"name": "new", "rule": {"channelIds": [spare]}})),
        ("GET /api/notification-rules/{id}", Value::Null),
        ("PUT /api/notification-rules/{id}", told),
        ("PATCH /api/notification-rules/{id}", json!({"name": "All of it"})),
        ("DELETE /api/notification-rules/{id}", Value::Null),
        ("DELETE /api/channels/{id}", Value::Null),
        ("DELETE /api/users/{id}", Value::Null),
        ("DELETE /api/retention-policies/{id}", Value::Null),
        ("DELETE /api/jobs/{id}", Value::Null),
        ("DELETE /api/profiles/{id}", Value::Null),
        ("DELETE /api/destinations/{id}", Value::Null),
        ("DELETE /api/sources/{id}", Value::Null),
    ];
    let api = description(&world).await;
    let promises: BTreeMap<String, (bool, bool)> = operations(&api)
        .map(|(name, operation)| {
            let responses = operation["responses"].as_object().unwrap().values();
            let tagged = responses.into_iter().any(|response| response["headers"]["ETag"].is_object());
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            (name, (tagged, parameters.into_iter().any(|parameter| parameter["name"] == "If-Match")))
        })
        .filter(|(_, (tagged, matched))| *tagged || *matched)
        .collect();
    let known: BTreeSet<&str> = acts.iter().map(|(name, _)| *name).collect();
    let promised: BTreeSet<&str> = promises.keys().map(String::as_str).collect();
    assert_eq!(known, promised, "an operation is missing here");
    for (name, mut body) in acts {
        let (method, path) = name.split_once(' ').unwrap();
        let collection = path.split('/').nth(2).unwrap();
        let mut path = path.replace("{id}", ids[collection]);
        if name.contains("/authorization/") {
            path = path.replace(disk.as_str(), &cloud);
            body = code(&anna, &cloud).await;
        }
        if name.ends_with("/confirm") {
            pretend_other_account(&world, &cloud);
            let pasted = anna.post(&format!("/api/destinations/{cloud}/authorization/code"), &body).await;
            pasted.problem(409, "accountChanged", &[]);
            body = json!({"state": body["state"], "accept": true});
        }
        let send = async |if_match: Option<&str>| {
            let browser = if_match.map_or(anna.clone(), |tag| anna.clone().header("if-match", tag));
            browser.send(method.parse::<Method>().unwrap(), &path, Some(&body).filter(|body| !body.is_null())).await
        };
        let (tagged, matched) = promises[name];
        if matched {
            send(Some("\"999\"")).await.problem(412, "outdated", &[]);
        }
        let answer = send(matched.then_some("*")).await;
        assert!(matches!(answer.status, 200 | 201 | 204), "{name}: {} {}", answer.status, answer.body);
        if tagged {
            let tag = tag(&answer).to_owned();
            let shown: Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(tag, format!("\"{}\"", shown["revision"]), "{name}");
        }
    }
}

#[tokio::test]
async fn the_version_of_the_api_is_the_newest_of_its_changes() {
    let api = description(&World::new().await).await;
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/API-CHANGES.md");
    let page = std::fs::read_to_string(page).unwrap();
    let newest = page.lines().find_map(|line| line.strip_prefix("## ")).unwrap();
    assert_eq!(api["info"]["version"], newest);
}
