//! Behind proxies and at other addresses than the public one: it works, or says what to set.

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{PASSWORD, World};

/// An answer to bytes as they are, until the server closes.
async fn raw(world: &World, request: &str) -> String {
    let address = world.server.as_ref().unwrap().address();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn streams_are_held_back_by_no_proxy() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 1).await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&disk], json!({})).await;
    let run = world.run_job(&anna, &job).await;
    let events = anna.open("/api/events").await;
    let run = anna.open(&format!("/api/runs/{}/events", run["id"].as_str().unwrap())).await;
    let test = anna.send(Method::POST, &format!("/api/destinations/{disk}/test"), None).await;
    for headers in [events.headers(), run.headers(), &test.headers] {
        assert_eq!(headers["x-accel-buffering"], "no");
        assert_eq!(headers["cache-control"], "no-cache, no-transform");
    }
    assert_eq!(anna.get("/api/jobs").await.headers["cache-control"], "no-store");
}

/// `Authorization` headers that are a proxy's neither help nor disturb.
#[tokio::test]
async fn basic_auth_and_foreign_tokens_in_front_do_not_disturb() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let token = anna.token(&["view"]).await;
    for foreign in
        ["Basic dXNlcjpwYXNz", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", "Negotiate abc", "Bearer dbk_wrong", "Bearer"]
    {
        let answer = anna.clone().header("authorization", foreign).get("/api/session").await.expect(200);
        assert_eq!(answer["permissions"].as_array().unwrap().len(), 4, "{foreign}");
        let stranger = world.stranger().header("authorization", foreign).get("/api/session").await;
        assert_eq!(stranger.headers["www-authenticate"], "Bearer");
        stranger.problem(401, "unauthorized", &[]);
    }
    // A session that came with a proxy's header is still a session: foreign pages change nothing with it.
    let foreign = anna.clone().header("authorization", "Basic x").header("sec-fetch-site", "cross-site");
    foreign.delete("/api/session").await.problem(403, "forbidden", &[]);
    // A stale tab behind Basic auth asks on and on, and keeps nobody from signing in.
    let stale = world.stranger().header("cookie", "dbackup=ended").header("authorization", "Basic dXNlcjpwYXNz");
    for _ in 0..30 {
        stale.get("/api/events").await.problem(401, "unauthorized", &[]);
    }
    let mut again = world.stranger().header("authorization", "Basic dXNlcjpwYXNz");
    again.sign_in_with("/api/session", &json!({"name": "Anna", "password": PASSWORD})).await;
    let audit = anna.get("/api/audit?limit=200").await.expect(200).to_string();
    assert!(!audit.contains("/api/events"), "{audit}");
    token.get("/api/jobs").await.expect(200);
}

#[tokio::test]
async fn old_proxies_and_missing_hosts_are_served() {
    let world = World::new().await;
    for request in ["GET /readyz HTTP/1.0\r\n\r\n", "GET /readyz HTTP/1.1\r\nConnection: close\r\n\r\n"] {
        let answer = raw(&world, request).await;
        assert!(answer.contains(" 200 ") && answer.ends_with("ready"), "{answer}");
    }
    let input =
        json!({"token": world.server.as_ref().unwrap().setup().unwrap().0, "name": "Anna", "password": PASSWORD});
    let body = input.to_string();
    let request = format!(
        "POST /api/setup HTTP/1.0\r\nOrigin: http://localhost:3000\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = raw(&world, &request).await;
    assert!(answer.contains(" 201 ") && answer.contains("set-cookie"), "{answer}");
}

/// A foreign page that has its own name lead to this server reaches neither setup nor sign-in.
#[tokio::test]
async fn other_hosts_cannot_sign_in_unless_they_are_allowed() {
    let world = World::configured(|config| config.allowed_hosts = vec!["Backup.Internal".to_owned()]).await;
    let token = world.server.as_ref().unwrap().setup().unwrap().0.to_owned();
    let setup = json!({"token": token, "name": "Anna", "password": PASSWORD});
    let sign_in = json!({"name": "Anna", "password": PASSWORD});
    for host in [
        "evil.example",
        "evil.example:3000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "backup.internal.evil.example",
    ] {
        let rebound = world.stranger().header("host", host);
        let origin = rebound.clone().without("sec-fetch-site").header("origin", &format!("http://{host}"));
        for browser in [rebound, origin] {
            browser.post("/api/setup", &setup).await.problem(403, "unknownHost", &["PUBLIC_URL", "--allowed-host"]);
            browser.post("/api/session", &sign_in).await.problem(403, "unknownHost", &["http://localhost:3000"]);
        }
    }
    assert_eq!(world.stranger().get("/api/setup").await.expect(200)["needed"], true);
    assert_eq!(world.stranger().header("host", "backup.internal:8080").post("/api/setup", &setup).await.status, 201);
    for host in ["localhost", "localhost:3000", "127.0.0.1:8080", "192.168.1.5", "[::1]:3000", "[fe80::1]", "LOCALHOST"]
    {
        assert_eq!(world.stranger().header("host", host).post("/api/session", &sign_in).await.status, 201, "{host}");
    }
    // The public URL's own page, behind a proxy that passes another name on; and programs, which no page is.
    let proxied = world.stranger().without("sec-fetch-site").header("origin", "http://localhost:3000");
    assert_eq!(proxied.header("host", "upstream").post("/api/session", &sign_in).await.status, 201);
    let program = world.stranger().without("sec-fetch-site").header("host", "upstream");
    assert_eq!(program.post("/api/session", &sign_in).await.status, 201);
}

#[tokio::test]
async fn plain_http_beside_an_https_public_url_is_told_before_anything_is_used_up() {
    let world = World::configured(|config| config.public_url = "https://backup.example".parse().unwrap()).await;
    let token = world.server.as_ref().unwrap().setup().unwrap().0.to_owned();
    let setup = json!({"token": token, "name": "Anna", "password": PASSWORD});
    let lan = world.stranger().without("sec-fetch-site").header("origin", "http://192.168.1.5:3000");
    let lan = lan.header("host", "192.168.1.5:3000");
    lan.post("/api/setup", &setup).await.problem(403, "needsHttps", &["https://backup.example", "PUBLIC_URL"]);
    let proxied = world.stranger().header("origin", "https://backup.example").header("host", "127.0.0.1:3000");
    assert_eq!(proxied.post("/api/setup", &setup).await.status, 201);
    let sign_in = json!({"name": "Anna", "password": PASSWORD});
    lan.post("/api/session", &sign_in).await.problem(403, "needsHttps", &["https://backup.example"]);
}

#[tokio::test]
async fn a_proxy_that_hides_the_host_is_told_what_to_set() {
    let world = World::new().await;
    world.administrator().await;
    let sign_in = json!({"name": "Anna", "password": PASSWORD});
    let hidden = world.stranger().without("sec-fetch-site").header("origin", "http://192.168.1.5:8080");
    hidden.post("/api/session", &sign_in).await.problem(403, "forbidden", &["PUBLIC_URL", "Host", "another site"]);
}

#[tokio::test]
async fn another_name_of_the_loopback_leads_to_the_public_url() {
    let world = World::new().await;
    let open = async |host: &str, path: &str, accept: &str| {
        let browser = world.stranger().header("host", host).header("accept", accept);
        let answer = browser.get(path).await;
        (answer.status, answer.headers.get("location").map(|to| to.to_str().unwrap().to_owned()))
    };
    let led = |to: &str| (307, Some(to.to_owned()));
    assert_eq!(open("127.0.0.1:3000", "/", "text/html").await, led("http://localhost:3000/"));
    assert_eq!(open("[::1]:3000", "/jobs/1?a=b", "text/html").await, led("http://localhost:3000/jobs/1?a=b"));
    assert_eq!(open("localhost:3000", "/", "text/html").await, (200, None));
    assert_eq!(open("127.0.0.1:8080", "/", "text/html").await, (200, None));
    assert_eq!(open("127.0.0.1:3000", "/api/setup", "text/html").await, (200, None));
}
