//! What a session or token reaches ends with it, and none reaches beyond its scopes.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;

use crate::world::{Browser, PASSWORD, World, id};

/// Waits for an answer to end.
async fn ends(mut stream: reqwest::Response) {
    let read = async { while let Ok(Some(_)) = stream.chunk().await {} };
    tokio::time::timeout(crate::world::PATIENCE, read).await.expect("the stream goes on");
}

/// Whether an answer goes on: something happens, and it tells.
async fn goes_on(stream: &mut reqwest::Response, administrator: &Browser, job: &str) {
    administrator.post(&format!("/api/jobs/{job}/run"), &json!({})).await.expect(202);
    let told = tokio::time::timeout(Duration::from_secs(20), stream.chunk()).await.expect("the stream is silent");
    assert!(told.unwrap().is_some(), "the stream has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn event_streams_end_with_their_credential() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let vera = world.member(&anna, "Vera", "viewer").await;
    let users = anna.get("/api/users").await.expect(200);
    let vera_id = id(users["items"].as_array().unwrap().iter().find(|user| user["name"] == "Vera").unwrap());
    let patch = |change: serde_json::Value| {
        let (anna, path) = (anna.clone(), format!("/api/users/{vera_id}"));
        async move { anna.patch(&path, &change).await.expect(200) }
    };

    // A session that is ended elsewhere.
    let stream = vera.open("/api/events").await;
    assert_eq!(stream.status(), 200);
    let other = vera.get("/api/sessions").await.expect(200)["items"][0].clone();
    vera.delete(&format!("/api/sessions/{}", id(&other))).await.expect(204);
    ends(stream).await;

    // A new password.
    let mut vera = world.stranger();
    vera.sign_in_with("/api/session", &json!({"name": "Vera", "password": PASSWORD})).await;
    let stream = vera.open("/api/events").await;
    patch(json!({"password": "another good one"})).await;
    ends(stream).await;

    // A token that is revoked, another role, no user any more.
    let again = json!({"name": "Vera", "password": "another good one"});
    let mut vera = world.stranger();
    vera.sign_in_with("/api/session", &again).await;
    let program = vera.token(&["view"]).await;
    let (stream, kept) = (program.open("/api/events").await, vera.open("/api/events").await);
    let token = vera.get("/api/tokens").await.expect(200)["items"][0].clone();
    vera.delete(&format!("/api/tokens/{}", id(&token))).await.expect(204);
    ends(stream).await;
    patch(json!({"role": "operator"})).await;
    ends(kept).await;
    let stream = vera.open("/api/events").await;
    anna.delete(&format!("/api/users/{vera_id}")).await.expect(204);
    ends(stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_their_session_expires_and_the_others_go_on() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 1).await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&disk], json!({})).await;
    let stream = anna.open("/api/events").await;
    world.advance(SignedDuration::from_hours(73));
    let mut again = world.stranger();
    again.sign_in_with("/api/session", &json!({"name": "Anna", "password": PASSWORD})).await;
    let program = again.token(&["view"]).await;
    let mut kept = again.open("/api/events").await;
    // Something that has every stream look.
    let token = again.get("/api/tokens").await.expect(200)["items"][0].clone();
    let run_events = program.open("/api/events").await;
    again.delete(&format!("/api/tokens/{}", id(&token))).await.expect(204);
    ends(stream).await;
    ends(run_events).await;
    goes_on(&mut kept, &again, &job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_reaches_its_owners_credentials_only_with_administer() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let strong = anna.token(&["administer"]).await;
    let session = id(&anna.get("/api/sessions").await.expect(200)["items"][0]);
    let token = id(&anna.get("/api/tokens").await.expect(200)["items"][0]);
    let narrow = anna.token(&["view", "operate", "configure"]).await;
    for path in ["/api/sessions", "/api/tokens"] {
        narrow.get(path).await.problem(403, "forbidden", &["session", "administer"]);
        strong.get(path).await.expect(200);
    }
    for path in [format!("/api/sessions/{session}"), format!("/api/tokens/{token}")] {
        narrow.delete(&path).await.problem(403, "forbidden", &["administer"]);
    }
    let more = json!({"name": "more", "scopes": ["view"]});
    for program in [&narrow, &strong] {
        program.post("/api/tokens", &more).await.problem(403, "forbidden", &[]);
    }
    let change = json!({"currentPassword": PASSWORD, "newPassword": "another good one"});
    for program in [&narrow, &strong] {
        program.put("/api/session/password", &change).await.problem(403, "forbidden", &[]);
    }
    anna.get("/api/session").await.expect(200);
    strong.delete(&format!("/api/sessions/{session}")).await.expect(204);
    anna.get("/api/session").await.problem(401, "unauthorized", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_tokens_when_asked_and_always_when_reset() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let mut other = world.stranger();
    other.sign_in_with("/api/session", &json!({"name": "Anna", "password": PASSWORD})).await;
    let program = anna.token(&["view"]).await;
    let change = json!({"currentPassword": PASSWORD, "newPassword": "another good one"});
    anna.put("/api/session/password", &change).await.expect(204);
    other.get("/api/session").await.problem(401, "unauthorized", &[]);
    program.get("/api/jobs").await.expect(200);
    let change = json!({"currentPassword": "another good one", "newPassword": PASSWORD, "revokeTokens": true});
    anna.put("/api/session/password", &change).await.expect(204);
    program.get("/api/jobs").await.problem(401, "unauthorized", &[]);
    anna.get("/api/session").await.expect(200);

    let vera = world.member(&anna, "Vera", "viewer").await;
    let program = vera.token(&["view"]).await;
    let vera_id = vera.get("/api/session").await.expect(200)["userId"].as_str().unwrap().to_owned();
    anna.patch(&format!("/api/users/{vera_id}"), &json!({"password": "reset by Anna"})).await.expect(200);
    vera.get("/api/session").await.problem(401, "unauthorized", &[]);
    program.get("/api/jobs").await.problem(401, "unauthorized", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_and_tokens_of_a_user_are_bounded() {
    let world = World::new().await;
    let anna = world.administrator().await;
    for _ in 0..catalog::MAX_TOKENS_PER_USER {
        anna.token(&["view"]).await;
    }
    let more = anna.post("/api/tokens", &json!({"name": "more", "scopes": ["view"]})).await;
    more.problem(409, "tooManyTokens", &["50", "Revoke"]);
    let database = rusqlite::Connection::open(world.path("data").join("dbackup.db")).unwrap();
    let fill = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 60)
        INSERT INTO sessions (id, user_id, token_hash, address, user_agent, created_at, last_seen_at)
        SELECT 'made-' || n, user_id, 'hash-' || n, '', '', created_at - n, last_seen_at - n FROM sessions, n";
    database.execute(fill, []).unwrap();
    drop(database);
    let mut again = world.stranger();
    again.sign_in_with("/api/session", &json!({"name": "Anna", "password": PASSWORD})).await;
    let sessions = again.get("/api/sessions").await.expect(200);
    assert_eq!(sessions["items"].as_array().unwrap().len() as i64, catalog::MAX_SESSIONS_PER_USER);
    // The ones that ended were those unused for longest.
    anna.get("/api/session").await.expect(200);
    let kept = sessions.to_string();
    assert!(kept.contains("made-48\"") && !kept.contains("made-60\""), "{kept}");
}

/// An attacker with an account and several addresses, and the owner behind one of them.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_locks_somebody_else_out() {
    let world = World::behind_proxies(vec!["127.0.0.0/8"]).await;
    let anna = world.administrator().await;
    world.member(&anna, "Eve", "viewer").await;
    let from = |address: &str| world.stranger().header("x-forwarded-for", address);
    let sign_in = |name: &str, password: &str| json!({"name": name, "password": password});
    let (wrong, right) = (sign_in("Anna", "wrong password"), sign_in("Anna", PASSWORD));
    let known = from("203.0.113.1").post("/api/session", &right).await;
    assert_eq!(known.status, 201);
    let known = known.cookies();

    for address in 1..=5 {
        let eve = from(&format!("203.0.113.{address}"));
        for _ in 0..9 {
            eve.post("/api/session", &wrong).await.problem(401, "unauthorized", &[]);
        }
        // Her own sign-in gives her no attempts back.
        assert_eq!(eve.post("/api/session", &sign_in("Eve", PASSWORD)).await.status, 201);
        eve.post("/api/session", &wrong).await.problem(401, "unauthorized", &[]);
        let limited = eve.post("/api/session", &wrong).await;
        let seconds: i64 = limited.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=301).contains(&seconds), "{seconds}");
        limited.problem(429, "tooManyRequests", &[]);
    }
    // The owner at another address, or behind Eve's in a browser that signed in before; not in one that belongs to Eve.
    assert_eq!(from("198.51.100.9").post("/api/session", &right).await.status, 201);
    assert_eq!(from("203.0.113.1").header("cookie", &known).post("/api/session", &right).await.status, 201);
    let eves = from("198.51.100.7").post("/api/session", &sign_in("Eve", PASSWORD)).await.cookies();
    from("203.0.113.1").header("cookie", &eves).post("/api/session", &right).await.problem(429, "tooManyRequests", &[]);
    // Others behind Eve's address.
    assert_eq!(from("203.0.113.1").post("/api/session", &sign_in("Eve", PASSWORD)).await.status, 201);
    // A known browser has no endless attempts either, and so has not an address with many names.
    let stolen = from("203.0.113.1").header("cookie", &known);
    for _ in 0..10 {
        stolen.post("/api/session", &wrong).await.problem(401, "unauthorized", &[]);
    }
    stolen.post("/api/session", &right).await.problem(429, "tooManyRequests", &[]);
    let sprayer = from("192.0.2.1");
    for number in 0..50 {
        sprayer.post("/api/session", &sign_in(&format!("user {number}"), "wrong")).await.problem(
            401,
            "unauthorized",
            &[],
        );
    }
    sprayer.post("/api/session", &sign_in("user 50", "wrong")).await.problem(429, "tooManyRequests", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumped_ahead_and_back_locks_nobody_out_for_long() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let wrong = json!({"name": "Anna", "password": "wrong password"});
    world.advance(SignedDuration::from_hours(365 * 24));
    for _ in 0..10 {
        world.stranger().post("/api/session", &wrong).await.problem(401, "unauthorized", &[]);
    }
    world.advance(SignedDuration::from_hours(-365 * 24));
    let limited = world.stranger().post("/api/session", &wrong).await;
    let seconds: i64 = limited.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(seconds <= 301, "{seconds}");
    anna.get("/api/session").await.expect(200);
    world.advance(SignedDuration::from_mins(6));
    let right = json!({"name": "Anna", "password": PASSWORD});
    assert_eq!(world.stranger().post("/api/session", &right).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_deceive_are_refused_everywhere_and_accents_are_accents() {
    let world = World::new().await;
    let anna = world.administrator().await;
    for name in ["\u{feff}", "An\u{200b}na", "\u{202e}anna"] {
        for (path, rest) in [
            ("/api/users", json!({"role": "viewer", "password": PASSWORD})),
            ("/api/tokens", json!({"scopes": ["view"]})),
            ("/api/sources", json!({"settings": {"type": "sqlite", "path": "/x.db"}})),
            ("/api/destinations", json!({"settings": {"type": "folder", "path": "/tmp"}})),
            ("/api/profiles", json!({})),
            ("/api/jobs", json!({"sourceId": "x", "destinationIds": ["x"]})),
        ] {
            let mut input = json!({"name": name});
            input.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            let problem = anna.post(path, &input).await.problem(422, "invalid", &["invisible character"]);
            let errors = problem["errors"].as_array().unwrap();
            assert!(errors.iter().any(|error| error["field"] == "name"), "{path}: {problem}");
        }
    }
    let user = |name: &str| json!({"name": name, "role": "viewer", "password": PASSWORD});
    anna.post("/api/users", &user("Andr\u{e9}")).await.expect(201);
    anna.post("/api/users", &user("Andre\u{301}")).await.problem(409, "nameTaken", &[]);
    let decomposed = json!({"name": "Andre\u{301}", "password": PASSWORD});
    assert_eq!(world.stranger().post("/api/session", &decomposed).await.status, 201);
}
