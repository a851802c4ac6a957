//! Setting up, signing in, roles, tokens, limits, the audit log.

use jiff::SignedDuration;
use serde_json::json;

use crate::world::{PASSWORD, World, id};

#[tokio::test]
async fn the_first_administrator_needs_the_token_and_there_is_one_first() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new().await;
    let stranger = world.stranger();
    assert_eq!(stranger.get("/api/setup").await.expect(200)["needed"], true);
    let (token, file) = world.server.as_ref().unwrap().setup().unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap().trim(), token);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let input = |token: &str, name: &str, password: &str| json!({"token": token, "name": name, "password": password});
    stranger.post("/api/setup", &input("wrong", "Eve", PASSWORD)).await.problem(403, "forbidden", &["setup token"]);
    let problem =
        stranger.post("/api/setup", &input(token, " ", "short")).await.problem(422, "invalid", &["characters"]);
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2);
    let (one, other) = (input(token, "Anna", PASSWORD), input(token, "Eve", PASSWORD));
    let (one, other) = tokio::join!(stranger.post("/api/setup", &one), stranger.post("/api/setup", &other));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 403]);
    assert!(!file.exists());
    assert_eq!(stranger.get("/api/setup").await.expect(200)["needed"], false);
}

#[tokio::test]
async fn sessions_are_private_end_by_themselves_and_can_be_revoked() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let me = anna.get("/api/session").await.expect(200);
    assert_eq!(
        (&me["name"], &me["role"], &me["permissions"][3]),
        (&json!("Anna"), &json!("administrator"), &json!("administer"))
    );
    let mut other = world.stranger().header("user-agent", "Phone");
    let answer = other.post("/api/session", &json!({"name": " ANNA ", "password": PASSWORD})).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap().to_owned();
    for part in ["dbackup=", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    other.sign_in_with("/api/session", &json!({"name": "anna", "password": PASSWORD})).await;
    let sessions = anna.get("/api/sessions").await.expect(200);
    let sessions = sessions["items"].as_array().unwrap();
    assert_eq!(sessions.len(), 3);
    for phone in sessions.iter().filter(|session| session["userAgent"] == "Phone") {
        anna.delete(&format!("/api/sessions/{}", id(phone))).await.expect(204);
    }
    other.get("/api/session").await.problem(401, "unauthorized", &["sign in"]);

    let change = json!({"currentPassword": "wrong password", "newPassword": "another good one"});
    anna.put("/api/session/password", &change).await.problem(422, "invalid", &["currentPassword"]);
    let change = json!({"currentPassword": PASSWORD, "newPassword": "another good one"});
    anna.put("/api/session/password", &change).await.expect(204);
    assert_eq!(anna.get("/api/sessions").await.expect(200)["items"].as_array().unwrap().len(), 1);

    world.advance(SignedDuration::from_hours(71));
    anna.get("/api/session").await.expect(200);
    world.advance(SignedDuration::from_hours(73));
    anna.get("/api/session").await.problem(401, "unauthorized", &[]);
    let mut again = world.stranger();
    again.sign_in_with("/api/session", &json!({"name": "Anna", "password": "another good one"})).await;
    for _ in 0..15 {
        world.advance(SignedDuration::from_hours(47));
        again.get("/api/session").await.expect(200);
    }
    world.advance(SignedDuration::from_hours(47));
    again.get("/api/session").await.problem(401, "unauthorized", &[]);
}

#[tokio::test]
async fn signing_in_is_limited_and_a_forged_address_does_not_help() {
    let world = World::behind_proxies(vec!["10.0.0.0/8"]).await;
    world.administrator().await;
    let wrong = json!({"name": "Anna", "password": "wrong"});
    for number in 0..10 {
        let forged = world.stranger().header("x-forwarded-for", &format!("203.0.113.{number}"));
        forged.post("/api/session", &wrong).await.problem(401, "unauthorized", &["username or password"]);
    }
    let forged = world.stranger().header("x-forwarded-for", "198.51.100.1");
    let limited = forged.post("/api/session", &json!({"name": "Anna", "password": PASSWORD})).await;
    assert!(limited.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() <= 301);
    limited.problem(429, "tooManyRequests", &["try again in"]);
    world.advance(SignedDuration::from_mins(6));
    let mut anna = world.stranger();
    anna.sign_in_with("/api/session", &json!({"name": "Anna", "password": PASSWORD})).await;
    let audit = anna.get("/api/audit?limit=200").await.expect(200);
    let refused = audit["items"].as_array().unwrap().iter().filter(|entry| entry["outcome"] == "refused").count();
    assert!(refused >= 10, "{audit}");
    assert!(!audit.to_string().contains(PASSWORD));
}

#[tokio::test]
async fn a_proxy_that_is_trusted_tells_clients_apart() {
    let world = World::behind_proxies(vec!["127.0.0.0/8"]).await;
    world.administrator().await;
    let wrong = json!({"name": "nobody", "password": "wrong"});
    for _ in 0..11 {
        world.stranger().header("x-forwarded-for", "203.0.113.1").post("/api/session", &wrong).await;
    }
    let limited = world.stranger().header("x-forwarded-for", "203.0.113.1").post("/api/session", &wrong).await;
    limited.problem(429, "tooManyRequests", &[]);
    let other = world.stranger().header("x-forwarded-for", "203.0.113.2").post("/api/session", &wrong).await;
    other.problem(401, "unauthorized", &[]);
}

#[tokio::test]
async fn other_sites_change_nothing() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let input = json!({"name": "x", "settings": {"type": "folder", "path": world.path("disk")}});
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("origin", "null")] {
        let foreign = anna.clone().without("sec-fetch-site").header(name, value);
        foreign.post("/api/destinations", &input).await.problem(403, "forbidden", &["another site"]);
    }
    anna.clone().without("sec-fetch-site").post("/api/destinations", &input).await.problem(403, "forbidden", &[]);
    let own = anna.clone().without("sec-fetch-site").header("origin", "http://localhost:3000");
    own.post("/api/destinations", &input).await.expect(201);
    // Even signing in: nobody is to be signed in as somebody else by a page of theirs.
    let foreign = world.stranger().header("sec-fetch-site", "cross-site");
    foreign.post("/api/session", &json!({"name": "Anna", "password": PASSWORD})).await.problem(403, "forbidden", &[]);
}

// S-10
#[tokio::test]
async fn tokens_have_scopes_and_an_end_and_keep_to_their_owners_role() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let otto = world.member(&anna, "Otto", "operator").await;
    let beyond = otto.post("/api/tokens", &json!({"name": "x", "scopes": ["administer"]})).await;
    beyond.problem(422, "invalid", &["beyond your role"]);
    let ends = json!({"name": "x", "scopes": ["view"], "expiresAt": "2026-01-15T13:00:00Z"});
    let made = otto.post("/api/tokens", &ends).await.expect(201);
    let program = world.stranger().header("authorization", &format!("Bearer {}", made["token"].as_str().unwrap()));
    program.get("/api/jobs").await.expect(200);
    program.post("/api/tokens", &json!({"name": "y", "scopes": ["view"]})).await.problem(403, "forbidden", &[]);
    let listed = otto.get("/api/tokens").await.expect(200);
    assert_eq!(listed["items"][0]["lastUsedAt"], "2026-01-15T12:00:00.000Z");
    assert!(!listed.to_string().contains(made["token"].as_str().unwrap()));
    world.advance(SignedDuration::from_hours(1));
    program.get("/api/jobs").await.problem(401, "unauthorized", &[]);

    let program = otto.token(&["operate"]).await;
    program.get("/api/jobs").await.problem(403, "forbidden", &["'view'"]);
    let id = anna.get("/api/users").await.expect(200)["items"][1]["id"].as_str().unwrap().to_owned();
    let program = otto.token(&["view", "operate"]).await;
    anna.patch(&format!("/api/users/{id}"), &json!({"role": "viewer"})).await.expect(200);
    program.post("/api/jobs/none/run", &json!({})).await.problem(403, "forbidden", &["'operate'"]);
    anna.delete(&format!("/api/users/{id}")).await.expect(204);
    program.get("/api/jobs").await.problem(401, "unauthorized", &[]);
}

// S-10
#[tokio::test]
async fn the_last_administrator_stays_and_everything_is_in_the_audit_log() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let me = anna.get("/api/session").await.expect(200)["userId"].as_str().unwrap().to_owned();
    anna.delete(&format!("/api/users/{me}")).await.problem(409, "lastAdministrator", &[]);
    anna.patch(&format!("/api/users/{me}"), &json!({"role": "viewer"})).await.problem(409, "lastAdministrator", &[]);
    let vera = world.member(&anna, "Vera", "viewer").await;
    vera.post("/api/users", &json!({"name": "x", "role": "administrator", "password": PASSWORD})).await.problem(
        403,
        "forbidden",
        &[],
    );
    anna.post("/api/users", &json!({"name": "VERA", "role": "viewer", "password": PASSWORD})).await.problem(
        409,
        "nameTaken",
        &[],
    );
    let audit = anna.get("/api/audit?limit=200").await.expect(200);
    let entries = audit["items"].as_array().unwrap();
    let has = |actor: &str, object: &str, outcome: &str| {
        entries.iter().any(|entry| entry["actor"] == actor && entry["object"] == object && entry["outcome"] == outcome)
    };
    assert!(has("user Vera", "/api/users", "refused") && has("user Anna", "/api/users", "done"), "{audit}");
    assert!(has("user Anna", "/api/setup", "done"), "{audit}");
}

#[tokio::test]
async fn sessions_live_as_long_as_the_settings_say() {
    let world =
        World::configured(|config| config.housekeeping = server::Housekeeping::default().with_sessions(1, 2)).await;
    let anna = world.administrator().await;
    world.advance(SignedDuration::from_hours(23));
    anna.get("/api/session").await.expect(200);
    world.advance(SignedDuration::from_hours(23));
    anna.get("/api/session").await.expect(200);
    // Used, and yet too old.
    world.advance(SignedDuration::from_hours(3));
    anna.get("/api/session").await.problem(401, "unauthorized", &[]);
    let mut again = world.stranger();
    again.sign_in_with("/api/session", &json!({"name": "Anna", "password": PASSWORD})).await;
    world.advance(SignedDuration::from_hours(25));
    again.get("/api/session").await.problem(401, "unauthorized", &[]);
}
