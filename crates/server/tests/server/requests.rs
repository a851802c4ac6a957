//! Wrong requests get an answer that says so, and the server stays well.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::world::World;

/// Sends bytes as they are and gives the status line.
fn raw(world: &World, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(world.server.as_ref().unwrap().address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    // The server may hang up before everything is written.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..length]);
        if answer.windows(4).any(|window| window == b"\r\n\r\n") {
            break;
        }
    }
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_are_told_and_harm_nothing() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let send = async |content_type: &str, body: &str| {
        let mut request = crate::world::client().post(format!("{}/api/sources", anna.url)).body(body.to_owned());
        for (name, value) in &anna.headers {
            request = request.header(name, value);
        }
        request.header("content-type", content_type).send().await.unwrap().status().as_u16()
    };
    for (content_type, body, status) in [
        ("application/json", "{", 400),
        ("application/json", "", 400),
        ("application/json", "[]", 422),
        ("application/json", "{\"name\": \"a\\u0000b\"}", 400),
        ("text/plain", "{}", 415),
        ("application/json; charset=utf-8", "{}", 422),
    ] {
        assert_eq!(send(content_type, body).await, status, "{body}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(send("application/json", &deep).await, 400);
    let problem = anna.post("/api/sources", &json!({"name": 5, "settings": {}})).await.problem(422, "invalid", &[]);
    assert_eq!(problem["errors"][0]["field"], "name");
    let host = json!({"name": "x", "settings": {"type": "postgres", "host": "db", "user": "u", "port": "high"}});
    let problem = anna.post("/api/sources", &host).await.problem(422, "invalid", &[]);
    assert!(problem["errors"][0]["field"].as_str().unwrap().contains("settings"), "{problem}");
    let typo = json!({"name": "x", "settings": {"type": "sqlite", "path": "/x.db"}, "pasword": "x"});
    anna.post("/api/sources", &typo).await.problem(422, "invalid", &["pasword"]);
    anna.get("/api/jobs?limit=0").await.problem(422, "invalid", &["limit"]);
    anna.get("/api/jobs?limit=x").await.problem(422, "invalid", &["limit"]);
    anna.get("/api/jobs?cursor=%00").await.problem(400, "badRequest", &[]);
    anna.get("/api/jobs?cursor=!!").await.problem(422, "invalid", &["cursor"]);
    anna.get("/api/jobs/%2e%2e%2f%2e%2e%2fetc%2fpasswd").await.problem(404, "notFound", &[]);
    anna.get("/nothing").await.problem(404, "notFound", &["/api/docs"]);
    anna.send(Method::PATCH, "/api/jobs", None).await.problem(405, "methodNotAllowed", &[]);
    anna.get(&format!("/api/jobs/{}", "x".repeat(20_000))).await;

    let announced = b"POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n{";
    assert!(raw(&world, announced).contains(" 413 "));
    let mut chunked = b"POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..40 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend(std::iter::repeat_n(b' ', 0x10000));
        chunked.extend_from_slice(b"\r\n");
    }
    assert!(raw(&world, &chunked).contains(" 413 "));
    let mut headers = b"GET /healthz HTTP/1.1\r\nHost: x\r\n".to_vec();
    for number in 0..10_000 {
        headers.extend_from_slice(format!("x-{number}: y\r\n").as_bytes());
    }
    headers.extend_from_slice(b"\r\n");
    assert!(raw(&world, &headers).contains(" 431 "));
    assert!(raw(&world, b"nonsense\r\n\r\n").contains(" 400 "));
    // Two lengths: what a smuggler would send.
    let two = b"POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello";
    assert!(raw(&world, two).contains(" 400 "));
    // A body that never comes whole, and headers that never end.
    let slow =
        b"POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    assert!(raw(&world, slow).contains(" 408 "));
    let never = raw(&world, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    assert!(never.is_empty() || never.contains(" 408 "), "{never}");
    assert_eq!(world.stranger().get("/healthz").await.body, "ok");
    assert_eq!(world.stranger().get("/readyz").await.body, "ready");
    let metrics = anna.get("/metrics").await.body;
    assert!(metrics.contains("dbackup_http_requests_total"), "{metrics}");
}

#[tokio::test]
async fn names_are_unique_and_what_is_used_stays() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 1).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let again = json!({"name": " SHOP", "settings": {"type": "sqlite", "path": "/x.db"}});
    let problem = anna.post("/api/sources", &again).await.problem(409, "nameTaken", &["choose another"]);
    assert_eq!(problem["errors"][0]["field"], "name");
    let job = json!({"name": "j", "sourceId": "none", "destinationIds": [destination, "none"], "profileId": "none",
        "compression": "rar", "timeoutSeconds": 5});
    let problem = anna.post("/api/jobs", &job).await.problem(422, "invalid", &[]);
    let fields: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["compression", "destinationIds[1]", "profileId", "sourceId", "timeoutSeconds"]);
    anna.job("j", &source, &[&destination], json!({})).await;
    anna.delete(&format!("/api/sources/{source}")).await.problem(409, "inUse", &[]);
    anna.delete(&format!("/api/destinations/{destination}")).await.problem(409, "inUse", &[]);
    let settings = json!({"type": "postgres", "host": "db", "user": "u"});
    let password = json!({"name": "shop", "settings": settings, "password": "hunter2-hunter2"});
    let shown = anna.put(&format!("/api/sources/{source}"), &password).await;
    assert!(!shown.body.contains("hunter2"));
    assert_eq!(shown.expect(200)["passwordSet"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_names_its_request_and_what_the_storage_said() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    // Refused before a handler, by a handler, and by one that has asked a storage.
    for path in ["/api/jobs?limit=0", "/api/jobs/none", "/api/nothing"] {
        let answer = anna.get(path).await;
        let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(problem["requestId"], id.as_str(), "{path}: {problem}");
        assert!(problem.get("technicalDetails").is_none(), "{problem}");
    }
    world.dropbox().revoke_all();
    let folders = anna.get(&format!("/api/destinations/{destination}/folders")).await;
    let problem = folders.problem(409, "reauthorizationRequired", &[]);
    let details = problem["technicalDetails"].as_str().unwrap();
    assert!(details.len() <= adapter::MAX_DETAIL_LEN + 10 && details.contains("invalid"), "{details}");
    assert!(problem["requestId"].is_string(), "{problem}");

    let (_, source) = world.sqlite_source(&anna, "shop", 1).await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    let run = world.run_job(&anna, &job).await;
    assert_eq!(run["state"], "failed");
    let copy = &run["result"]["databases"][0]["copies"][0];
    for told in [&run, copy] {
        assert!(told["technicalDetails"].as_str().is_some_and(|told| told.contains("invalid")), "{run}");
    }
    let log = anna.get(&format!("/api/runs/{}/log", crate::world::id(&run))).await.expect(200);
    assert!(log.to_string().contains("technicalDetails"), "{log}");
}
