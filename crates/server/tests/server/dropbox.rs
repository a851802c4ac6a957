//! Authorizing Dropbox, and what becomes of it.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::world::{World, id};

#[tokio::test]
async fn a_person_authorizes_dropbox_with_one_click() {
    // M-01, M-02, M-03, M-04
    let world = World::new().await;
    let anna = world.administrator().await;
    let adapters = anna.get("/api/adapters").await.expect(200);
    let authorization = &adapters["destinations"][0]["authorization"];
    assert_eq!(authorization["redirectUri"], "http://localhost:3000/api/adapters/dropbox/callback");
    assert_eq!(authorization["scopes"].as_array().unwrap().len(), 5);
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    let shown = anna.get(&format!("/api/destinations/{destination}")).await.expect(200);
    let authorization = &shown["authorization"];
    assert_eq!(authorization["status"], "authorized", "{shown}");
    assert!(authorization["account"]["email"].as_str().unwrap().contains('@'));
    // M-16
    assert_eq!(authorization["space"]["allowed"], 2_u64 << 30);
    assert_eq!((&shown["appKeySet"], &shown["appSecretSet"]), (&json!(true), &json!(true)));
    let audit = anna.get("/api/audit").await.expect(200).to_string();
    assert!(audit.contains("Dropbox authorized"), "{audit}");
}

#[tokio::test]
async fn an_app_key_is_needed_and_a_secret_is_not() {
    // M-01
    let world = World::new().await;
    let anna = world.administrator().await;
    let settings = json!({"type": "dropbox", "folder": ""});
    let problem = anna.post("/api/destinations", &json!({"name": "x", "settings": settings})).await;
    assert_eq!(problem.problem(422, "invalid", &["App Console"])["errors"][0]["field"], "appKey");
    let key = dropbox_emulator::Config::default().app_key;
    let input = json!({"name": "x", "settings": settings, "appKey": key});
    let destination = id(&anna.post("/api/destinations", &input).await.expect(201));
    let begun = anna.begin_authorization(&destination).await;
    let back = world.consent(begun["url"].as_str().unwrap(), "allow").await;
    assert_eq!(anna.get(&back).await.status, 303);
    let shown = anna.get(&format!("/api/destinations/{destination}")).await.expect(200);
    assert_eq!((&shown["authorization"]["status"], &shown["appSecretSet"]), (&json!("authorized"), &json!(false)));
}

#[tokio::test]
async fn a_state_works_once_in_time_for_whoever_began() {
    // M-04
    let world = World::new().await;
    let anna = world.administrator().await;
    let destination = world.new_dropbox(&anna, "Offsite").await;
    let status = async || {
        let shown = anna.get(&format!("/api/destinations/{destination}")).await.expect(200);
        shown["authorization"]["status"].as_str().unwrap().to_owned()
    };
    let back = async || {
        let begun = anna.begin_authorization(&destination).await;
        world.consent(begun["url"].as_str().unwrap(), "allow").await
    };
    let mut other = world.stranger();
    other.sign_in_with("/api/session", &json!({"name": "Anna", "password": crate::world::PASSWORD})).await;
    let foreign = back().await;
    other.get(&foreign).await.problem(403, "forbidden", &["expired or was already used"]);
    // Used up by the attempt.
    anna.get(&foreign).await.problem(403, "forbidden", &[]);
    world.stranger().get(&back().await).await.problem(401, "unauthorized", &[]);
    let late = back().await;
    world.advance(SignedDuration::from_mins(10));
    anna.get(&late).await.problem(403, "forbidden", &["expired or was already used"]);
    let without = back().await.split("&state=").next().unwrap().to_owned();
    anna.get(&without).await.problem(403, "forbidden", &["lacks its state"]);
    anna.get("/api/adapters/dropbox/callback?code=x&state=made-up").await.problem(403, "forbidden", &[]);
    let begun = anna.begin_authorization(&destination).await;
    let denied = world.consent(begun["url"].as_str().unwrap(), "deny").await;
    let answer = anna.get(&denied).await;
    assert_eq!(answer.status, 303);
    let location = answer.headers["location"].to_str().unwrap();
    assert!(location.contains("authorization=failed&state=") && !location.contains("Allow"), "{location}");
    let state = location.split("state=").nth(1).unwrap();
    let told = anna.get(&format!("/api/destinations/{destination}/authorization?state={state}")).await.expect(200);
    assert!(told["reason"].as_str().unwrap().contains("Allow"), "{told}");
    assert_eq!(status().await, "authorization_required");
    let good = back().await;
    assert_eq!(anna.get(&good).await.status, 303);
    anna.get(&good).await.problem(403, "forbidden", &[]);
    assert_eq!(status().await, "authorized");
    let refusals = anna.get("/api/audit?limit=200").await.expect(200).to_string().matches("\"refused\"").count();
    assert!(refusals >= 6, "{refusals}");
}

#[tokio::test]
async fn a_code_can_be_pasted_where_there_is_no_redirect() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let destination = world.new_dropbox(&anna, "Offsite").await;
    let input = json!({"mode": "code"});
    let begun = anna.post(&format!("/api/destinations/{destination}/authorization"), &input).await.expect(200);
    let url = begun["url"].as_str().unwrap();
    assert!(!url.contains("redirect_uri") && url.contains("code_challenge_method=S256"));
    let (page, query) = url.split_once('?').unwrap();
    let answer = crate::world::client().post(page).body(format!("{query}&decision=allow")).send().await.unwrap();
    let html = answer.text().await.unwrap();
    let code = html.split("id=\"code\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let wrong = json!({"code": "made-up", "state": begun["state"]});
    anna.post(&format!("/api/destinations/{destination}/authorization/code"), &wrong).await.problem(
        409,
        "authorizationFailed",
        &["does not know this code"],
    );
    // The state is used up, whatever came of it: begin again.
    let begun = anna.post(&format!("/api/destinations/{destination}/authorization"), &input).await.expect(200);
    let (page, query) = begun["url"].as_str().unwrap().split_once('?').unwrap();
    let answer = crate::world::client().post(page).body(format!("{query}&decision=allow")).send().await.unwrap();
    let html = answer.text().await.unwrap();
    let second = html.split("id=\"code\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_ne!(code, second);
    let done = anna
        .post(
            &format!("/api/destinations/{destination}/authorization/code"),
            &json!({"code": second, "state": begun["state"]}),
        )
        .await
        .expect(200);
    assert_eq!(done["authorization"]["status"], "authorized");
}

#[tokio::test]
async fn a_revoked_app_is_noticed_and_authorized_again() {
    // M-05, M-08, M-15
    let world = World::new().await;
    let anna = world.administrator().await;
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");
    // As Dropbox does it when a person disconnects the app: every token of it is gone.
    world.dropbox().revoke_all();
    let run = world.run_job(&anna, &job).await;
    assert_eq!(run["state"], "failed");
    assert!(run["error"].as_str().unwrap().contains("revoked"), "{run}");
    let shown = anna.get(&format!("/api/destinations/{destination}")).await.expect(200);
    assert_eq!(shown["authorization"]["status"], "reauthorization_required");
    assert!(shown["authorization"]["reason"].as_str().unwrap().contains("revoked"), "{shown}");
    let browse = anna.get(&format!("/api/destinations/{destination}/folders")).await;
    browse.problem(409, "reauthorizationRequired", &["Re-authorize"]);
    let begun = anna.begin_authorization(&destination).await;
    let back = world.consent(begun["url"].as_str().unwrap(), "allow").await;
    assert_eq!(anna.get(&back).await.status, 303);
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");
}

#[tokio::test]
async fn another_app_needs_another_authorization_and_deleting_can_revoke() {
    // M-05
    let world = World::new().await;
    let anna = world.administrator().await;
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    let path = format!("/api/destinations/{destination}");
    let settings = json!({"type": "dropbox", "folder": "/elsewhere"});
    let kept = anna.put(&path, &json!({"name": "Renamed", "settings": settings})).await.expect(200);
    assert_eq!((&kept["authorization"]["status"], &kept["appKeySet"]), (&json!("authorized"), &json!(true)));
    anna.delete(&format!("{path}?revoke=true")).await.expect(204);
    anna.get(&path).await.problem(404, "notFound", &[]);
    assert!(world.dropbox().requests().iter().any(|request| format!("{request:?}").contains("auth/token/revoke")));
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    let path = format!("/api/destinations/{destination}");
    let changed = anna.put(&path, &json!({"name": "x", "settings": settings, "appKey": "other"})).await.expect(200);
    assert_eq!(changed["authorization"]["status"], "reauthorization_required");
    assert!(changed["authorization"]["reason"].as_str().unwrap().contains("App Key"));
}

#[tokio::test]
async fn folders_are_browsed_and_made() {
    // M-09, M-10
    let world = World::new().await;
    let anna = world.administrator().await;
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    let path = format!("/api/destinations/{destination}/folders");
    let empty = anna.get(&path).await.expect(200);
    assert_eq!(empty["items"], json!([]));
    let reason = empty["emptyReason"].as_str().unwrap();
    assert!(
        reason.starts_with("No subfolders") && reason.contains("App folder") && reason.contains("files.metadata.read")
    );
    for name in ["/b", "/A", "/ü 😀", "/b/inner"] {
        let made = anna.post(&path, &json!({"path": name})).await.expect(201);
        assert_eq!(made["path"], *name);
    }
    // The causes are for a root that is empty; of a folder within, that is nothing to look into.
    let inner = anna.get(&format!("{path}?path=/b/inner")).await.expect(200);
    assert_eq!(inner["emptyReason"], "No subfolders");
    world.dropbox().write("/file.txt", b"x");
    anna.post(&path, &json!({"path": "/a"})).await.problem(409, "taken", &["exists already"]);
    anna.post(&path, &json!({"path": "relative"})).await.problem(422, "invalid", &["absolute"]);
    let names = |folders: &Value| -> Vec<String> {
        folders["items"].as_array().unwrap().iter().map(|folder| folder["name"].as_str().unwrap().to_owned()).collect()
    };
    let listed = anna.get(&path).await.expect(200);
    assert_eq!(names(&listed), ["A", "b", "ü 😀"]);
    assert_eq!(names(&anna.get(&format!("{path}?path=/b")).await.expect(200)), ["inner"]);
    anna.get(&format!("{path}?path=/none")).await.problem(404, "notFound", &[]);
    let first = anna.get(&format!("{path}?limit=2")).await.expect(200);
    let next = anna.get(&format!("{path}?limit=2&cursor={}", first["nextCursor"].as_str().unwrap())).await.expect(200);
    assert_eq!((names(&first).len(), names(&next)), (2, vec!["ü 😀".to_owned()]));
    assert!(next["nextCursor"].is_null());
}

#[tokio::test]
async fn a_test_tells_each_step_and_names_the_cure() {
    // M-15
    let world = World::new().await;
    let anna = world.administrator().await;
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    let steps = async || {
        let answer = anna.post(&format!("/api/destinations/{destination}/test"), &json!({})).await;
        assert_eq!(answer.headers["content-type"], "application/x-ndjson");
        answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let good = steps().await;
    let names: Vec<&str> = good.iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["token", "account", "scopes", "folder", "write", "readBack", "delete", "space"]);
    assert!(good.iter().all(|step| step["result"] == "passed"), "{good:?}");
    assert!(world.dropbox().files().is_empty());
    world.dropbox().set_quota(100);
    let full = steps().await;
    assert_eq!((&full[4]["result"], &full[5]["result"]), (&json!("failed"), &json!("skipped")));
    assert!(full[4]["message"].as_str().unwrap().contains("full"), "{full:?}");
    world.dropbox().revoke_all();
    let revoked = steps().await;
    assert_eq!(revoked[0]["result"], "failed");
    assert!(revoked[0]["message"].as_str().unwrap().contains("revoked"), "{revoked:?}");
}

#[tokio::test]
async fn a_member_who_changes_teams_gets_no_backup_into_the_new_one_not_even_after_a_restart() {
    // M-15
    let mut world =
        World::with(dropbox_emulator::Config { team_root: true, ..dropbox_emulator::Config::default() }).await;
    let mut anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let destination = world.dropbox_destination(&anna, "Team").await;
    let settings = json!({"type": "dropbox", "folder": "/backups", "teamSpace": true});
    let chosen = json!({"name": "Team", "settings": settings});
    anna.put(&format!("/api/destinations/{destination}"), &chosen).await.expect(200);
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");
    let before = world.dropbox().files();

    world.stop().await;
    world.dropbox().change_team();
    world.start().await;
    anna.url = world.url();
    let failed = world.run_job(&anna, &job).await;
    assert_eq!(failed["state"], "failed");
    assert!(failed["error"].as_str().unwrap().contains("Choose the folder again"), "{failed}");
    assert_eq!(world.dropbox().files().len(), before.len());

    anna.put(&format!("/api/destinations/{destination}"), &chosen).await.expect(200);
    let run = world.run_job(&anna, &job).await;
    assert_eq!(run["state"], "succeeded", "{run}");
    assert!(world.dropbox().files().iter().any(|file| file.path.starts_with("/Team 2/backups/")));
}
