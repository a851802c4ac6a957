//! The control API: what another process can do, and that neither weather nor faults get in its way.

use std::time::Duration;

use dropbox_emulator::{Config, Fault, FaultKind, Weather};
use serde_json::{Value, json};

use crate::api::Api;
use crate::program;

impl Api {
    async fn emulator(&self, method: &str, what: &str, body: &str) -> (u16, String) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.client.request(method, self.url(&format!("/emulator/{what}"))).body(body.to_owned());
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }
}

fn fine(text: &str) -> (u16, String) {
    (200, text.to_owned())
}

#[tokio::test]
async fn weather_is_read_and_written() {
    let api = Api::start(Config::default()).await;
    assert_eq!(api.emulator("GET", "weather", "").await, fine("none\n"));
    assert_eq!(api.emulator("PUT", "weather", "latency=1ms,total=5MiB/s\n").await, fine(""));
    assert_eq!(api.emulator("GET", "weather", "").await, fine("latency=1ms,total=5MiB/s\n"));
    let (status, problem) = api.emulator("PUT", "weather", "rain").await;
    assert_eq!((status, problem.as_str()), (400, "\"rain\": expected name=value\n"));
    assert_eq!(api.emulator("GET", "weather", "").await, fine("latency=1ms,total=5MiB/s\n"));
    for nothing in ["none", ""] {
        api.control().set_weather(Weather { latency: Duration::from_millis(1), ..Weather::default() });
        assert_eq!(api.emulator("PUT", "weather", nothing).await, fine(""));
        assert_eq!(api.emulator("GET", "weather", "").await, fine("none\n"));
    }
}

#[tokio::test]
async fn faults_are_added_listed_and_cleared() {
    let api = Api::start(Config::default()).await;
    assert_eq!(api.emulator("POST", "faults", "route=upload,kind=429,retry-after=0,nth=2").await, fine(""));
    assert_eq!(api.emulator("POST", "faults", "route=*,kind=503,every=20").await, fine(""));
    let waiting = "route=upload,kind=429,retry-after=0,nth=2\nroute=*,kind=503,every=20\n";
    assert_eq!(api.emulator("GET", "faults", "").await, fine(waiting));
    let upload = async |path: &str| api.upload("files/upload", json!({ "path": path }), "x").await;
    assert_eq!(upload("/a").await.0, 200);
    assert!(api.emulator("GET", "faults", "").await.1.starts_with("route=upload,kind=429,retry-after=0\n"));
    let (status, answer) = upload("/b").await;
    assert_eq!((status, &answer["error"]["retry_after"]), (429, &json!(0)));
    assert_eq!(api.emulator("GET", "faults", "").await, fine("route=*,kind=503,every=20\n"));
    assert_eq!(api.emulator("DELETE", "faults", "").await, fine(""));
    assert_eq!(api.emulator("GET", "faults", "").await, fine(""));
    let (status, problem) = api.emulator("POST", "faults", "route=*,kind=hail").await;
    assert!(status == 400 && problem.contains("no fault is called \"hail\""), "{problem}");
    api.control().inject(Fault::next("*", FaultKind::Status503));
    api.control().clear_faults();
    assert_eq!(upload("/c").await.0, 200);
}

#[tokio::test]
async fn the_control_api_needs_no_token_and_stands_above_the_weather() {
    let slow = "latency=30s,connection=1B/s,total=1B/s,append=30s,commit=30s";
    let api = Api::start(Config::default()).await;
    api.control().inject(Fault::next("*", FaultKind::Status503).times(100));
    api.control().set_weather(slow.parse().unwrap());
    let long = " ".repeat(100_000);
    for _ in 0..3 {
        let look = api.emulator("GET", "weather", &long);
        let (status, weather) = tokio::time::timeout(Duration::from_secs(20), look).await.unwrap();
        assert_eq!((status, weather), (200, slow.replace("30s", "30000ms") + "\n"));
    }
    assert!(api.control().requests().iter().all(|record| record.route == "oauth2/token"));
    let (status, problem) = api.emulator("PUT", "faults", "").await;
    assert_eq!((status, problem.as_str()), (405, "faults cannot be PUT\n"));
    let (status, problem) = api.emulator("GET", "climate", "").await;
    assert!(status == 404 && problem.contains("there are weather, faults, "), "{problem}");
}

#[tokio::test]
async fn requests_are_listed_with_their_path_and_range() {
    let api = Api::start(Config::default()).await;
    api.upload("files/upload", json!({ "path": "/a" }), "0123").await;
    let request = api.request("files/download").header("dropbox-api-arg", r#"{"path": "/a"}"#);
    let response = request.header("range", "bytes=1-2").send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "12");
    let (_, lines) = api.emulator("GET", "requests", "").await;
    let records: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |record: &Value| {
        ["route", "status", "body_bytes", "path", "range"].map(|field| record[field].to_string()).join(" ")
    };
    let told: Vec<String> = records.iter().map(told).collect();
    assert_eq!(told[0], "\"oauth2/token\" 200 88 null null");
    assert_eq!(told[1], "\"files/upload\" 200 4 \"/a\" null");
    assert_eq!(told[2], "\"files/download\" 206 0 \"/a\" \"bytes=1-2\"");
    assert_eq!(records[1]["request_id"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn quota_tokens_and_the_grant_change() {
    let mut api = Api::start(Config::default()).await;
    assert_eq!(api.emulator("PUT", "quota", "1KiB").await, fine(""));
    let (_, usage) = api.rpc("users/get_space_usage", Value::Null).await;
    assert_eq!(usage["allocation"]["allocated"], 1024);
    assert_eq!(api.emulator("PUT", "quota", "much").await.0, 400);

    assert_eq!(api.emulator("POST", "tokens/expire", "").await, fine(""));
    let (status, answer) = api.rpc("users/get_space_usage", Value::Null).await;
    assert_eq!((status, &answer["error"][".tag"]), (401, &json!("expired_access_token")));
    api.renew().await;
    assert_eq!(api.rpc("users/get_space_usage", Value::Null).await.0, 200);

    assert_eq!(api.emulator("POST", "grant/revoke", "").await, fine(""));
    let (status, answer) = api.rpc("users/get_space_usage", Value::Null).await;
    assert_eq!((status, &answer["error"][".tag"]), (401, &json!("invalid_access_token")));
    let pairs = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "emulator-refresh-token"),
        ("client_id", "emulator-app-key"),
    ];
    assert_eq!(api.token(&pairs).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn the_program_takes_weather_and_faults() {
    let faults = ["--fault", "route=check/user,kind=503", "--fault", "route=check/user,kind=502"];
    let arguments = [["--plain", "--weather", "latency=1ms"].as_slice(), &faults].concat();
    let (_child, ready) = program::start(&arguments).await;
    let api = Api::connect(ready["api"].as_str().unwrap().to_owned(), None).await;
    assert_eq!(api.emulator("GET", "weather", "").await, fine("latency=1ms\n"));
    let check = async || api.rpc("check/user", json!({})).await.0;
    assert_eq!([check().await, check().await, check().await], [503, 502, 200]);
}

#[tokio::test]
async fn a_change_locks_the_namespace_and_others_are_refused_meanwhile() {
    let api = Api::start(Config::default()).await;
    let session = api.session("sequential").await;
    api.append(&session, 0, true, "x").await;
    api.control().write("/old", b"");
    let commit = Duration::from_millis(600);
    api.control().set_weather(Weather { commit, ..Weather::default() });
    let entry = json!({ "cursor": { "session_id": session, "offset": 1 }, "commit": { "path": "/s" } });
    let batch = json!({ "entries": [entry] });
    let others = async {
        tokio::time::sleep(commit / 4).await;
        let relocation = json!({ "from_path": "/old", "to_path": "/moved" });
        let answers = tokio::join!(
            api.upload("files/upload", json!({ "path": "/b" }), "b"),
            api.finish(&session, 1, "/s", ""),
            api.rpc("files/upload_session/finish_batch_v2", batch.clone()),
            api.rpc("files/delete_v2", json!({ "path": "/old" })),
            api.rpc("files/delete_batch", json!({ "entries": [{ "path": "/old" }] })),
            api.rpc("files/create_folder_v2", json!({ "path": "/folder" })),
            api.rpc("files/move_v2", relocation.clone()),
            api.rpc("files/copy_v2", relocation),
        );
        let reading = api.rpc("files/list_folder", json!({ "path": "" })).await;
        let (a, b, c, d, e, f, g, h) = answers;
        ([a, b, c, d, e, f, g, h], reading)
    };
    let started = std::time::Instant::now();
    let (first, (refused, reading)) = tokio::join!(api.upload("files/upload", json!({ "path": "/a" }), "a"), others);
    assert_eq!(first.0, 200);
    assert!(started.elapsed() >= commit);
    for (status, answer) in refused {
        assert_eq!(status, 429, "{answer}");
        assert_eq!(answer["error"], json!({ "reason": { ".tag": "too_many_write_operations" } }));
    }
    assert_eq!(reading.0, 200);
    let paths: Vec<String> = api.control().files().into_iter().map(|file| file.path).collect();
    assert_eq!(paths, ["/a", "/old"]);
    assert_eq!(api.rpc("files/upload_session/finish_batch_v2", batch).await.1["entries"][0][".tag"], "success");
}

#[tokio::test]
async fn the_most_calls_at_once_are_counted_by_route() {
    let api = Api::start(Config::default()).await;
    api.control().set_weather(Weather { append: Duration::from_millis(100), ..Weather::default() });
    let upload = async |path: &str| api.upload("files/upload", json!({ "path": path }), "x").await.0;
    assert_eq!(api.control().peak_in_progress("files/upload"), 0);
    upload("/a").await;
    assert_eq!(api.control().peak_in_progress("files/upload"), 1);
    tokio::join!(upload("/b"), upload("/c"), upload("/d"));
    assert_eq!(api.control().peak_in_progress("files/upload"), 3);
    upload("/e").await;
    assert_eq!(api.control().peak_in_progress("files/upload"), 3);

    api.control().write("/big", &vec![0; 8 << 20]);
    let download = async || {
        let request = api.request("files/download").header("dropbox-api-arg", r#"{"path": "/big"}"#);
        request.send().await.unwrap()
    };
    let (one, other) = (download().await, download().await);
    assert_eq!(api.control().peak_in_progress("files/download"), 2, "both are still on their way");
    assert_eq!(one.bytes().await.unwrap().len() + other.bytes().await.unwrap().len(), 16 << 20);
}

#[tokio::test]
async fn members_change_teams_and_scopes_change_from_outside() {
    let api = Api::start(Config { team_root: true, ..Config::default() }).await;
    let control = async |method: reqwest::Method, what: &str, text: &str| {
        let request = api.client.request(method, api.url(&format!("/emulator/{what}"))).body(text.to_owned());
        assert_eq!(request.send().await.unwrap().status(), 200, "{what}");
    };
    let root = async || {
        let account = api.rpc("users/get_current_account", json!(null)).await.1;
        account["root_info"]["root_namespace_id"].as_str().unwrap().to_owned()
    };
    let make = async |root: &str, path: &str| {
        let header = json!({ ".tag": "root", "root": root }).to_string();
        let request = api.request("files/create_folder_v2").header("dropbox-api-path-root", header);
        let request = request.header("content-type", "application/json").body(json!({ "path": path }).to_string());
        crate::api::read(request.send().await.unwrap()).await
    };
    let first = root().await;
    assert_eq!(make(&first, "/one").await.0, 200);
    control(reqwest::Method::POST, "team/change", "").await;
    let (status, answer) = make(&first, "/two").await;
    let second = root().await;
    assert_eq!((status, &answer["error"][".tag"]), (422, &json!("invalid_root")));
    assert_eq!(answer["error"]["invalid_root"]["root_namespace_id"], json!(second));
    assert_ne!(first, second);
    assert_eq!(make(&second, "/one").await.0, 200, "the other team's space is another one");

    control(reqwest::Method::PUT, "scopes", "account_info.read files.metadata.read").await;
    let (status, answer) = make(&second, "/three").await;
    assert_eq!((status, &answer["error"]["required_scope"]), (401, &json!("files.content.write")));
    control(reqwest::Method::PUT, "scopes", &dropbox_emulator::SCOPES.join(" ")).await;
    assert_eq!(make(&second, "/three").await.0, 200);
    control(reqwest::Method::PUT, "app/secret", "new").await;
    control(reqwest::Method::POST, "app/delete", "").await;
}
