//! Unmodified rclone against the emulator, through its CONNECT proxy.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
#![expect(clippy::disallowed_methods, reason = "rclone runs as a plain child process")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use dropbox_emulator::{Config, Emulator};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

const CONFIG: &str = r#"[box]
type = dropbox
client_id = emulator-app-key
client_secret = emulator-app-secret
token = {"access_token":"old","token_type":"bearer","refresh_token":"emulator-refresh-token","expiry":"2020-01-01T00:00:00Z"}
"#;

struct Rclone {
    emulator: Emulator,
    folder: TempDir,
}

impl Rclone {
    async fn start() -> Rclone {
        let folder = tempfile::tempdir().unwrap();
        let proxy = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let tls_dir = Some(folder.path().to_owned());
        let emulator = Emulator::start(Config { tls_dir, proxy, ..Config::default() }).await.unwrap();
        fs::write(folder.path().join("rclone.conf"), CONFIG).unwrap();
        Rclone { emulator, folder }
    }

    fn local(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn output(&self, arguments: &[&str], input: &[u8]) -> Output {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let tools = std::env::var_os("DBACKUP_TEST_TOOLS").map(PathBuf::from);
        let rclone = tools.unwrap_or_else(|| here.join("../../target/test-tools")).join("venv/bin/rclone");
        assert!(rclone.exists(), "{} is missing: run scripts/install-test-tools", rclone.display());
        let mut child = Command::new(rclone)
            .arg("--config")
            .arg(self.local("rclone.conf"))
            .arg("--ca-cert")
            .arg(self.emulator.ca_file().unwrap())
            .args(["--dropbox-chunk-size", "1Mi", "--dropbox-batch-timeout", "10ms", "--retries", "1"])
            .args(arguments)
            .current_dir(self.folder.path())
            .env("HTTPS_PROXY", self.emulator.proxy_url().unwrap())
            .env_remove("NO_PROXY")
            .env_remove("no_proxy")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).await.unwrap();
        child.wait_with_output().await.unwrap()
    }

    /// What rclone prints; it must succeed.
    async fn run(&self, arguments: &[&str]) -> String {
        self.run_with(arguments, b"").await
    }

    async fn run_with(&self, arguments: &[&str], input: &[u8]) -> String {
        let output = self.output(arguments, input).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "rclone {arguments:?}:\n{said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[tokio::test]
async fn rclone_copies_lists_checks_reads_and_deletes() {
    let rclone = Rclone::start().await;
    let big: Vec<u8> = (0..5_500_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let source = rclone.local("source");
    fs::create_dir_all(source.join("Büro 🦀")).unwrap();
    fs::write(source.join("Büro 🦀/größer als ein Stück.bin"), &big).unwrap();
    fs::write(source.join("klein.txt"), "klein").unwrap();
    fs::write(source.join("leer"), "").unwrap();

    rclone.run(&["copy", "source", "box:Ziel"]).await;
    let files = rclone.emulator.control().files();
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["/Ziel/Büro 🦀/größer als ein Stück.bin", "/Ziel/klein.txt", "/Ziel/leer"]);
    assert_eq!(rclone.emulator.control().read(&files[0].path).unwrap(), big);
    assert_eq!(rclone.emulator.control().open_sessions(), 0);

    rclone.run(&["check", "source", "box:Ziel"]).await;
    rclone.run(&["check", "--download", "source", "box:Ziel"]).await;
    let listed = rclone.run(&["ls", "box:"]).await;
    assert!(listed.contains("5500000 Ziel/Büro 🦀/größer als ein Stück.bin"), "{listed}");
    let listed: serde_json::Value = serde_json::from_str(&rclone.run(&["lsjson", "--hash", "box:Ziel"]).await).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert_eq!(rclone.run(&["cat", "box:Ziel/klein.txt"]).await, "klein");
    assert_eq!(rclone.run(&["cat", "--offset", "1", "--count", "3", "box:Ziel/klein.txt"]).await, "lei");

    rclone.run_with(&["rcat", "box:Ziel/aus der Leitung"], "getippt".as_bytes()).await;
    rclone.run_with(&["rcat", "box:Ziel/lang"], &big).await;
    assert_eq!(rclone.emulator.control().read("/ziel/lang").unwrap(), big);
    let about: serde_json::Value = serde_json::from_str(&rclone.run(&["about", "--json", "box:"]).await).unwrap();
    assert_eq!(about["total"], 2_147_483_648_u64);
    assert_eq!(about["used"], 11_000_012);

    rclone.run(&["copy", "box:Ziel", "back"]).await;
    assert_eq!(fs::read(rclone.local("back/lang")).unwrap(), big);
    rclone.run(&["moveto", "box:Ziel/lang", "box:Ziel/kurz"]).await;
    rclone.run(&["deletefile", "box:Ziel/kurz"]).await;
    rclone.run(&["mkdir", "box:Neu/Ordner"]).await;
    assert_eq!(rclone.run(&["lsf", "--dirs-only", "box:Neu"]).await, "Ordner/\n");
    rclone.run(&["purge", "box:Neu"]).await;
    assert!(!rclone.run(&["lsf", "box:"]).await.contains("Neu"));
    let missing = rclone.output(&["cat", "box:Neu/nichts"], b"").await;
    assert!(!missing.status.success());
}

#[tokio::test]
async fn the_proxy_leads_nowhere_else() {
    let rclone = Rclone::start().await;
    let proxy = rclone.emulator.proxy_url().unwrap().replace("http://", "");
    for (target, expected) in [
        ("CONNECT example.com:443", "HTTP/1.1 403 "),
        ("CONNECT api.dropboxapi.com:80", "HTTP/1.1 403 "),
        ("GET http://api.dropboxapi.com/", "HTTP/1.1 403 "),
        ("CONNECT www.dropbox.com:443", "HTTP/1.1 200 "),
    ] {
        let mut stream = tokio::net::TcpStream::connect(&proxy).await.unwrap();
        stream.write_all(format!("{target} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = [0; 13];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(std::str::from_utf8(&answer).unwrap(), expected, "{target}");
    }
}
