//! The program's contract: one line of JSON, `ca.pem`, an end on SIGTERM.

#![expect(clippy::disallowed_methods, reason = "the emulator itself runs as a plain child process here")]

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

pub(crate) async fn start(arguments: &[&str]) -> (Child, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dropbox-emulator"))
        .args(["--listen", "127.0.0.1:0"])
        .args(arguments)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    (child, serde_json::from_str(&line).unwrap())
}

async fn signal_and_wait(mut child: Child, signal: &str) {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
    assert!(child.wait().await.unwrap().success());
}

fn client(ca: Option<&str>) -> reqwest::Client {
    let builder = reqwest::Client::builder().timeout(Duration::from_secs(20)).no_proxy();
    match ca {
        None => builder.build().unwrap(),
        Some(ca) => {
            let ca = reqwest::Certificate::from_pem(&std::fs::read(ca).unwrap()).unwrap();
            builder.tls_certs_only([ca]).build().unwrap()
        }
    }
}

#[tokio::test]
async fn with_tls_it_says_where_it_is_and_whom_to_trust() {
    let folder = tempfile::tempdir().unwrap();
    let tls_dir = folder.path().join("new/tls");
    let (child, ready) = start(&["--tls-dir", tls_dir.to_str().unwrap(), "--proxy", "127.0.0.1:0"]).await;
    for name in ["api", "content", "notify", "web"] {
        assert!(ready[name].as_str().unwrap().starts_with("https://127.0.0.1:"), "{ready}");
    }
    assert!(ready["proxy"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert_eq!(ready["ca"], tls_dir.join("ca.pem").to_str().unwrap());
    assert_eq!(ready["refresh_token"], "emulator-refresh-token");
    let url = format!("{}/2/check/user", ready["api"].as_str().unwrap());
    let response = client(ready["ca"].as_str()).post(&url).send().await.unwrap();
    assert_eq!(response.status(), 400);
    let local = url.replace("127.0.0.1", "localhost");
    assert_eq!(client(ready["ca"].as_str()).post(&local).send().await.unwrap().status(), 400);
    signal_and_wait(child, "-TERM").await;
}

#[tokio::test]
async fn without_tls_it_serves_the_given_app() {
    let (child, ready) = start(&["--plain", "--app-key", "k", "--app-secret", "s", "--refresh-token", "r"]).await;
    assert_eq!(
        (&ready["app_key"], &ready["app_secret"], &ready["refresh_token"]),
        (&"k".into(), &"s".into(), &"r".into())
    );
    assert!(ready["ca"].is_null() && ready["proxy"].is_null());
    let url = format!("{}/oauth2/token", ready["api"].as_str().unwrap());
    let request = client(None).post(&url).header("content-type", "application/x-www-form-urlencoded");
    let request = request.body("grant_type=refresh_token&refresh_token=r&client_id=k&client_secret=s");
    assert_eq!(request.send().await.unwrap().status(), 200);
    signal_and_wait(child, "-INT").await;
}
