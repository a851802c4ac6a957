//! A request that is repeated with its `Idempotency-Key` does nothing twice.

use serde_json::json;

use crate::world::{World, id};

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_starts_nothing_twice_and_gets_the_same_answer() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    let anna = anna.header("idempotency-key", "night-1");
    let path = format!("/api/jobs/{job}/run");
    let first = anna.post(&path, &json!({})).await;
    let location = first.headers["location"].clone();
    let first = first.expect(202);
    anna.finished(&id(&first)).await;
    let again = anna.post(&path, &json!({})).await;
    assert_eq!(again.headers["location"], location);
    assert_eq!(again.expect(202), first, "the same answer, although the run has ended");
    assert_eq!(anna.get("/api/runs").await.expect(200)["items"].as_array().unwrap().len(), 1);
    let other = anna.post(&path, &json!({"x": 1})).await.expect(422);
    assert_eq!(other["code"], "idempotencyKeyReused");
    let anna = anna.header("idempotency-key", "night-2");
    let second = anna.post(&path, &json!({})).await.expect(202);
    assert_ne!(second["id"], first["id"]);
    anna.finished(&id(&second)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_did_nothing_and_is_carried_out_when_it_is_right() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (settings, _) = world.sqlite_source(&anna, "shop", 10).await;
    let anna = anna.header("idempotency-key", "create-1");
    let source = |name: &str| json!({"name": name, "settings": {"type": "sqlite", "path": settings}});
    anna.post("/api/sources", &source("shop")).await.expect(409);
    let made = anna.post("/api/sources", &source("other")).await.expect(201);
    assert_eq!(anna.post("/api/sources", &source("other")).await.expect(201)["id"], made["id"]);
    for key in ["", "two words", &"x".repeat(256)] {
        let anna = anna.clone().header("idempotency-key", key);
        let refused = anna.post("/api/sources", &source("third")).await;
        assert_eq!(refused.status, 422, "{key:?}: {}", refused.body);
    }
}
