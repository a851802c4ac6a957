//! The version that `--version` tells, with the commit that a release was built from. Debug builds lack it: each commit would build them anew.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=DBACKUP_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let named = std::env::var("DBACKUP_COMMIT").ok();
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let version = match named.or_else(|| is_release.then(of_repository).flatten()) {
        Some(commit) => format!("{version} ({commit})"),
        None => version,
    };
    println!("cargo::rustc-env=DBACKUP_VERSION={version}");
}

/// Returns the commit and its date: `1a2b3c4d 2026-11-25`. `None` where there is no repository.
fn of_repository() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a build has no tasks that could be cancelled")]
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
    };
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    git(&["log", "-1", "--abbrev=8", "--format=%h %cs"])
}
