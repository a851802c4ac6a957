//! The weather, as curl feels it. Limits are lower bounds of the time a transfer takes: never faster than they allow.

#![expect(clippy::disallowed_methods, reason = "curl runs as a plain child process")]

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::process::{Child, Command};

use crate::api::Api;
use crate::program;

const KIB: usize = 1024;

/// What a bucket may let through at once: a little more than the emulator's own burst and first turn.
const BURST: f64 = 0.05;

struct Station {
    api: Api,
    _child: Child,
    folder: tempfile::TempDir,
}

impl Station {
    async fn start(weather: &str) -> Station {
        let (child, ready) = program::start(&["--plain", "--weather", weather]).await;
        let api = Api::connect(ready["api"].as_str().unwrap().to_owned(), None).await;
        Station { api, _child: child, folder: tempfile::tempdir().unwrap() }
    }

    /// A file of that size to send.
    fn file(&self, size: usize) -> String {
        let file = self.folder.path().join(size.to_string());
        if !file.exists() {
            std::fs::write(&file, vec![b'x'; size]).unwrap();
        }
        format!("@{}", file.to_str().unwrap())
    }

    fn curl(&self, route: &str, content_type: &str, arg: &str, body: &str) -> Command {
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--output", "/dev/null"])
            .args(["--write-out", "%{time_total}", "--max-time", "30", "--data-binary", body])
            .args(["--header", &format!("Authorization: Bearer {}", self.api.token)])
            .args(["--header", &format!("Dropbox-API-Arg: {arg}"), "--header", "Expect:"])
            .args(["--header", &format!("Content-Type: application/{content_type}")])
            .arg(self.api.url(&format!("/2/{route}")))
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Seconds that an upload takes.
    async fn upload(&self, path: &str, size: usize) -> f64 {
        seconds(self.curl("files/upload", "octet-stream", &json!({ "path": path }).to_string(), &self.file(size))).await
    }

    /// Seconds that a download takes.
    async fn download(&self, path: &str) -> f64 {
        seconds(self.curl("files/download", "octet-stream", &json!({ "path": path }).to_string(), "")).await
    }

    /// The time of a small call.
    async fn glance(&self) -> f64 {
        seconds(self.curl("users/get_space_usage", "json", "", "null")).await
    }
}

async fn seconds(mut command: Command) -> f64 {
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "curl: {}", output.status);
    String::from_utf8(output.stdout).unwrap().parse().unwrap()
}

#[tokio::test]
async fn latency_is_added_to_each_request() {
    let station = Station::start("latency=80ms").await;
    let times = tokio::join!(station.glance(), station.glance(), station.glance(), station.upload("/a", 10));
    for time in [times.0, times.1, times.2, times.3] {
        assert!((0.08..1.0).contains(&time), "{times:?}");
    }
}

#[tokio::test]
async fn a_connection_s_limit_holds_both_ways_and_for_each_alone() {
    let station = Station::start("connection=2MiB/s").await;
    let one = 800.0 / 2048.0;
    let started = Instant::now();
    let up = tokio::join!(
        station.upload("/a", 800 * KIB),
        station.upload("/b", 800 * KIB),
        station.upload("/c", 800 * KIB),
        station.upload("/d", 800 * KIB)
    );
    let all = started.elapsed().as_secs_f64();
    for time in [up.0, up.1, up.2, up.3] {
        assert!(time > one - BURST, "{up:?}");
    }
    assert!(all < 3.5 * one, "each has its own line: {all}, {up:?}");
    let down = station.download("/a").await;
    assert!(down > one - BURST, "{down}");
}

#[tokio::test]
async fn all_connections_share_the_total_fairly() {
    let station = Station::start("total=4MiB/s").await;
    let one = 600.0 / 4096.0;
    let started = Instant::now();
    let up = tokio::join!(
        station.upload("/a", 600 * KIB),
        station.upload("/b", 600 * KIB),
        station.upload("/c", 600 * KIB),
        station.upload("/d", 600 * KIB)
    );
    let all = started.elapsed().as_secs_f64();
    assert!(all > 4.0 * one - BURST, "{all}, {up:?}");
    let first = [up.0, up.1, up.2, up.3].into_iter().fold(f64::MAX, f64::min);
    assert!(first > 1.3 * one, "none has the line to itself: {up:?}");
    let started = Instant::now();
    let down = tokio::join!(station.download("/a"), station.download("/b"), station.glance());
    let all = started.elapsed().as_secs_f64();
    assert!(all > 2.0 * one - BURST, "{all}, {down:?}");
}

#[tokio::test]
async fn an_upload_call_with_data_costs_its_fixed_time() {
    let station = Station::start("append=300ms").await;
    let session = station.api.session("concurrent").await;
    let append = async |offset: usize, close: bool, body: &str| {
        let arg = json!({ "cursor": { "session_id": session, "offset": offset }, "close": close });
        seconds(station.curl("files/upload_session/append_v2", "octet-stream", &arg.to_string(), body)).await
    };
    let block = 4 << 20;
    let file = station.file(block);
    let times = tokio::join!(append(0, false, &file), append(block, false, &file), station.upload("/a", 1));
    for time in [times.0, times.1, times.2] {
        assert!(time >= 0.3, "{times:?}");
    }
    let without = append(2 * block, true, "").await;
    assert!(without < 0.3, "a call without data costs nothing: {without}");
}

#[tokio::test]
async fn weather_changes_at_once_for_open_connections_too() {
    let station = Station::start("connection=50KiB/s").await;
    let change = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        station.api.client.put(station.api.url("/emulator/weather")).body("none").send().await.unwrap();
    };
    let (time, ()) = tokio::join!(station.upload("/a", 2048 * KIB), change);
    assert!((0.1..10.0).contains(&time), "at 50 KiB/s it would take 40 s, it took {time}");
}
