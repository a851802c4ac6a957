//! Nothing grows without bound and nothing waits for ever.

use std::time::{Duration, Instant};

use dropbox_emulator::Weather;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{PATIENCE, World, id};

async fn connect(world: &World) -> TcpStream {
    TcpStream::connect(world.server.as_ref().unwrap().address()).await.unwrap()
}

/// Whether the server has closed a connection; waits for that, or for the first byte.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut byte = [0; 1];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut byte)).await.expect("neither an answer nor an end");
    !matches!(read, Ok(1..))
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_or_half_of_something_are_closed() {
    let world = World::new().await;
    for bytes in ["", "P", "PRI", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Half: "] {
        let mut stream = connect(&world).await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ =
            tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the connection stays open");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.contains(" 400 ") || answer.contains(" 408 "), "{bytes:?}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_take_all_connections() {
    let world = World::configured(|config| config.slowest_request = Duration::from_secs(60)).await;
    let mut held = Vec::new();
    for _ in 0..200 {
        held.push(connect(&world).await);
    }
    // The server counts a connection when it accepts it: the last one answers, so all are counted.
    held[199].write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(!is_closed(&mut held[199]).await);
    assert!(is_closed(&mut connect(&world).await).await);
    held.truncate(100);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut stream = connect(&world).await;
        let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        if asked.is_ok() && !is_closed(&mut stream).await {
            break;
        }
        assert!(Instant::now() < deadline, "the places of closed connections are not given back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_strangers_are_small() {
    let world = World::new().await;
    for path in ["/api/session", "/api/setup"] {
        let large = json!({"name": "x".repeat(4096), "password": "x"});
        world.stranger().post(path, &large).await.problem(413, "bodyTooLarge", &["4096"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_occurs_twice_in_a_body_is_refused() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let mut request = crate::world::client().post(format!("{}/api/destinations", anna.url));
    for (name, value) in &anna.headers {
        request = request.header(name, value);
    }
    let body = r#"{"name": "x", "settings": {"type": "folder", "path": "/tmp/a", "path": "/tmp/b"}}"#;
    let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("\\\"path\\\" occurs twice"));
}

/// Storage that hangs: what asks it fails in words, everything else goes on.
#[tokio::test(flavor = "multi_thread")]
async fn storage_that_hangs_holds_up_nothing_else() {
    let world = World::configured(|config| {
        config.slowest_request = Duration::from_secs(1);
        config.slowest_answer = Duration::from_secs(3);
    })
    .await;
    let anna = world.administrator().await;
    let vera = world.member(&anna, "Vera", "viewer").await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (good, disk) = world.folder_destination(&anna, "Disk").await;
    let hanging = world.dropbox_destination(&anna, "Offsite").await;
    let job = anna.job("shop", &source, &[&disk], json!({})).await;
    let offsite = anna.job("offsite", &source, &[&hanging], json!({})).await;
    let run = world.run_job(&anna, &offsite).await;
    let path = run["result"]["databases"][0]["copies"][0]["path"].as_str().unwrap();
    let details = format!("/api/destinations/{hanging}/backups/details?path={path}");
    world.dropbox().set_weather(Weather { latency: Duration::from_secs(600), ..Weather::default() });

    let asked: Vec<_> = (0..40)
        .map(|_| {
            let (vera, details) = (vera.clone(), details.clone());
            tokio::spawn(async move { vera.get(&details).await })
        })
        .collect();
    for answer in asked {
        answer.await.unwrap().problem(503, "busy", &["destinations to answer"]);
    }
    // All else, and others' requests, are answered.
    vera.get(&details).await.problem(503, "busy", &[]);
    let mut again = world.stranger();
    again.sign_in_with("/api/session", &json!({"name": "Vera", "password": crate::world::PASSWORD})).await;
    again.get("/api/jobs").await.expect(200);
    anna.get(&format!("/api/destinations/{disk}/backups")).await.expect(200);
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");
    assert!(std::fs::read_dir(good.join("shop")).unwrap().count() > 0);
    // Once the storage answers again, so does the server.
    world.dropbox().set_weather(Weather::default());
    let deadline = Instant::now() + PATIENCE;
    while vera.get(&details).await.status != 200 {
        assert!(Instant::now() < deadline, "the places of what hung are not given back");
    }
}

/// A destination that hangs, and one that answers, asked by the same user.
#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_hangs_takes_its_own_places_only_and_reviews_end_with_their_requests() {
    let world = World::configured(|config| config.slowest_answer = Duration::from_secs(3)).await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    let hanging = world.dropbox_destination(&anna, "Offsite").await;
    let job = anna.job("shop", &source, &[&disk, &hanging], json!({})).await;
    let run = world.run_job(&anna, &job).await;
    let path = run["result"]["databases"][0]["copies"][0]["path"].as_str().unwrap();
    let review_at = |destination: &str| {
        let input = json!({
            "destinationId": destination, "path": path, "sourceId": source, "database": world.path("new.db"),
        });
        let anna = anna.clone();
        async move { anna.post("/api/restores/preview", &input).await }
    };
    let details_at = |destination: &str| {
        let (anna, address) = (anna.clone(), format!("/api/destinations/{destination}/backups/details?path={path}"));
        async move { anna.get(&address).await }
    };
    world.dropbox().set_weather(Weather { latency: Duration::from_secs(600), ..Weather::default() });
    // Twice: the reviews of the first time have given their places back, although Dropbox still hangs.
    for _ in 0..2 {
        let reviews: Vec<_> = (0..3).map(|_| tokio::spawn(review_at(&hanging))).collect();
        let lookups: Vec<_> = (0..6).map(|_| tokio::spawn(details_at(&disk))).collect();
        for answer in lookups {
            answer.await.unwrap().expect(200);
        }
        review_at(&disk).await.expect(200);
        for answer in reviews {
            answer.await.unwrap().problem(503, "busy", &["No answer within 3 s", "the backup's destination"]);
        }
    }
    let lookups: Vec<_> = (0..6).map(|_| tokio::spawn(details_at(&hanging))).collect();
    for answer in lookups {
        answer.await.unwrap().problem(503, "busy", &[]);
    }
    details_at(&disk).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_nobody_reads_is_broken_off_and_downloads_are_bounded() {
    let world = World::configured(|config| config.stalled_answer = Duration::from_secs(1)).await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 60_000).await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&disk], json!({"compression": "none"})).await;
    world.run_job(&anna, &job).await;
    let listed = anna.get(&format!("/api/destinations/{disk}/backups")).await.expect(200);
    let link = async || {
        let input = json!({"destinationId": disk, "path": listed["items"][0]["path"], "raw": true});
        anna.post("/api/downloads", &input).await.expect(201)["url"].as_str().unwrap().to_owned()
    };
    let cookie = &anna.headers.iter().find(|(name, _)| name == "cookie").unwrap().1;
    let mut unread = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&world).await;
        let request = format!("GET {} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n", link().await);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200");
        unread.push(stream);
    }
    // Three at one destination at most; the next one gets its turn when those are broken off for taking nothing.
    let answer = anna.get(&link().await).await;
    assert!(answer.status == 200 || answer.status == 503, "{}", answer.status);
    let deadline = Instant::now() + PATIENCE;
    while anna.get(&link().await).await.status != 200 {
        assert!(Instant::now() < deadline, "downloads that nobody reads keep their places");
    }
    drop(unread);
}

#[tokio::test(flavor = "multi_thread")]
async fn event_streams_are_bounded_per_user() {
    let world = World::configured(|config| config.slowest_request = Duration::from_secs(1)).await;
    let anna = world.administrator().await;
    let vera = world.member(&anna, "Vera", "viewer").await;
    let mut open = Vec::new();
    for _ in 0..16 {
        let stream = vera.open("/api/events").await;
        assert_eq!(stream.status(), 200);
        open.push(stream);
    }
    let refused = vera.get("/api/events").await;
    assert!(refused.headers.contains_key("retry-after"));
    refused.problem(503, "busy", &["event streams"]);
    assert_eq!(anna.open("/api/events").await.status(), 200);
    open.pop();
    let deadline = Instant::now() + PATIENCE;
    while vera.open("/api/events").await.status() != 200 {
        assert!(Instant::now() < deadline, "the place of a closed stream is not given back");
    }
}

/// Argon2 takes 19 MiB each: however many sign in at once, two are computed.
#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_in_parallel_are_answered_or_told_to_wait() {
    let world = World::configured(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        // The clients of this process may be slow to send what they have connected for.
        config.slowest_request = Duration::from_secs(60);
    })
    .await;
    let anna = world.administrator().await;
    let sign_ins: Vec<_> = (0..150)
        .map(|number| {
            let browser = world.stranger().header("x-forwarded-for", &format!("203.0.113.{number}"));
            tokio::spawn(
                async move { browser.post("/api/session", &json!({"name": "nobody", "password": "wrong"})).await },
            )
        })
        .collect();
    for answer in sign_ins {
        let answer = answer.await.unwrap();
        match answer.status {
            401 => {}
            503 => assert!(answer.headers.contains_key("retry-after")),
            other => panic!("{other}: {}", answer.body),
        }
    }
    let me = anna.get("/api/session").await.expect(200);
    assert_eq!(id(&anna.get("/api/users").await.expect(200)["items"][0]), me["userId"].as_str().unwrap());
}

/// A place in the class is for hashing: who sends a body slowly has none.
#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_keep_nobody_from_signing_in() {
    let world = World::configured(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.slowest_request = Duration::from_secs(60);
    })
    .await;
    let _anna = world.administrator().await;
    let mut slow = Vec::new();
    for number in 0..80 {
        let mut stream = connect(&world).await;
        let head = format!(
            "POST /api/session HTTP/1.1\r\nHost: localhost:3000\r\nSec-Fetch-Site: same-origin\r\n\
             X-Forwarded-For: 203.0.113.{}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\
             Expect: 100-continue\r\n\r\n",
            number / 8
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server asks for the body: so far is the request.
        let mut asked = [0; 12];
        stream.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100");
        stream.write_all(b"{").await.unwrap();
        slow.push(stream);
    }
    let mut browser = world.stranger().header("x-forwarded-for", "198.51.100.1");
    browser.sign_in_with("/api/session", &json!({"name": "Anna", "password": crate::world::PASSWORD})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restores_and_copies_that_wait_are_bounded_per_user_and_in_all() {
    let world = World::configured(|config| {
        config.max_runs = 0;
        // Many ask at once, and a busy machine takes its time.
        config.slowest_request = Duration::from_secs(60);
    })
    .await;
    let anna = world.administrator().await;
    let otto = world.member(&anna, "Otto", "operator").await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (disk, from) = world.folder_destination(&anna, "Disk").await;
    let (_, to) = world.folder_destination(&anna, "Second").await;
    std::fs::create_dir(disk.join("shop")).unwrap();
    let path = "shop/backup_2026-01-15T12-00-00.db";
    std::fs::copy(world.path("shop.db"), disk.join(path)).unwrap();
    let copy = json!({"destinationId": from, "path": path, "toDestinationId": to});
    let restore = json!({"destinationId": from, "path": path, "sourceId": source, "database": world.path("new.db")});
    // All at the same moment.
    let asked = futures_util::future::join_all((0..30).map(|number| {
        let (anna, copy, restore) = (anna.clone(), copy.clone(), restore.clone());
        async move {
            match number % 2 {
                0 => anna.post("/api/copies", &copy).await,
                _ => anna.post("/api/restores", &restore).await,
            }
        }
    }));
    let (queued, refused): (Vec<_>, Vec<_>) = asked.await.into_iter().partition(|answer| answer.status == 202);
    assert_eq!((queued.len(), refused.len()), (20, 10));
    for answer in refused {
        answer.problem(429, "tooManyQueued", &["of yours", "20"]);
    }
    let first = id(&otto.post("/api/copies", &copy).await.expect(202));
    // As if many users had asked for as much.
    let database = rusqlite::Connection::open(world.path("data").join("dbackup.db")).unwrap();
    let others = "UPDATE runs SET request = json_set(request, '$.requestedBy', 'another') WHERE id <> ?1";
    for _ in 0..3 {
        database.execute(others, [&first]).unwrap();
        for _ in 0..20 {
            anna.post("/api/copies", &copy).await.expect(202);
        }
    }
    database.execute(others, [&first]).unwrap();
    for _ in 0..19 {
        anna.post("/api/copies", &copy).await.expect(202);
    }
    otto.post("/api/copies", &copy).await.problem(429, "tooManyQueued", &["100", "all users"]);
    // A place is free again.
    otto.post(&format!("/api/runs/{first}/cancel"), &json!({})).await;
    otto.post("/api/copies", &copy).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_and_authorizations_that_nobody_uses_are_bounded_per_user() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (disk, destination) = world.folder_destination(&anna, "Disk").await;
    std::fs::create_dir(disk.join("shop")).unwrap();
    std::fs::write(disk.join("shop/backup_2026-01-15T12-00-00.db"), "x").unwrap();
    let input = json!({"destinationId": destination, "path": "shop/backup_2026-01-15T12-00-00.db", "raw": true});
    for _ in 0..120 {
        anna.post("/api/downloads", &input).await.expect(201);
    }
    anna.post("/api/downloads", &input).await.problem(429, "tooManyRequests", &["downloads"]);
    let offsite = world.new_dropbox(&anna, "Offsite").await;
    for _ in 0..30 {
        anna.begin_authorization(&offsite).await;
    }
    let begin = format!("/api/destinations/{offsite}/authorization");
    anna.post(&begin, &json!({})).await.problem(429, "tooManyRequests", &["authorizations"]);
    world.advance(jiff::SignedDuration::from_mins(10));
    anna.begin_authorization(&offsite).await;
}
