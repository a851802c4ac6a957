//! Dropbox's own Python SDK against the emulator, over TLS. Each script in `python_sdk/` asserts for itself.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
#![expect(clippy::disallowed_methods, reason = "the scripts run as plain child processes")]

use std::path::{Path, PathBuf};

use dropbox_emulator::{Config, Emulator, Fault, FaultKind};
use tokio::process::Command;

fn tool(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tools = std::env::var_os("DBACKUP_TEST_TOOLS").map(PathBuf::from);
    let tool = tools.unwrap_or_else(|| here.join("../../target/test-tools")).join("venv/bin").join(name);
    assert!(tool.exists(), "{} is missing: run scripts/install-test-tools", tool.display());
    tool
}

async fn emulator(folder: &Path, config: Config) -> Emulator {
    Emulator::start(Config { tls_dir: Some(folder.to_owned()), ..config }).await.unwrap()
}

async fn run(emulator: &Emulator, script: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python_sdk").join(script);
    let output = Command::new(tool("python"))
        .arg("-B")
        .arg(&script)
        .env("EMULATOR_HOST", emulator.api_url().strip_prefix("https://").unwrap())
        .env("EMULATOR_CA", emulator.ca_file().unwrap())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let last = emulator.control().requests().split_off(emulator.control().requests().len().saturating_sub(3));
    assert!(output.status.success(), "{}:\n{said}\nlast requests: {last:#?}", script.display());
}

macro_rules! scripts {
    ($($name:ident: $script:literal, $config:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let folder = tempfile::tempdir().unwrap();
            let emulator = emulator(folder.path(), $config).await;
            run(&emulator, $script).await;
            emulator.stop().await;
        }
    )*};
}

scripts! {
    consent_exchange_refresh_and_revocation: "oauth.py", Config::default();
    files_folders_listings_and_refusals: "files.py", Config::default();
    upload_sessions: "sessions.py", Config::default();
    parallel_transfers_are_byte_identical: "transfer.py", Config::default();
    a_full_account: "limits.py", Config { quota: 1000, ..Config::default() };
    a_team_account: "team.py", Config { team_root: true, ..Config::default() };
}

#[tokio::test]
async fn an_expired_token_is_refreshed_by_the_sdk() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = emulator(folder.path(), Config::default()).await;
    emulator.control().inject(Fault::next("files/upload", FaultKind::AccessTokenExpired));
    emulator.control().inject(Fault::next("files/download", FaultKind::AccessTokenExpired));
    run(&emulator, "expired.py").await;
    let requests = emulator.control().requests();
    let seen: Vec<(&str, u16)> = requests.iter().map(|request| (request.route.as_str(), request.status)).collect();
    let once = |route| [(route, 401), ("oauth2/token", 200), (route, 200)];
    assert_eq!(seen, [[("oauth2/token", 200)].as_slice(), &once("files/upload"), &once("files/download")].concat());
}
