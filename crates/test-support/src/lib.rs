//! Real servers and tools for the tests of the other crates. A failure to set one up panics with what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod authority;
mod mount;
mod postgres;
mod random;
mod relay;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

pub use authority::{Authority, Identity};
pub use mount::Mount;
pub use postgres::{PostgresServer, PostgresVersion};
pub use random::Random;
pub use relay::{Fate, Relay};

/// The folder into which `scripts/install-test-tools` puts what is not a Debian package.
pub fn tools() -> PathBuf {
    let tools = std::env::var_os("DBACKUP_TEST_TOOLS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-tools"), PathBuf::from);
    tools.canonicalize().unwrap_or_else(|_| panic!("{} is missing: run scripts/install-test-tools", tools.display()))
}

/// Runs a command that has to succeed and gives its standard output.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}\n{}", describe(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// An output in words, for failure messages.
pub fn describe(output: &Output) -> String {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{}\nstdout: {stdout}\nstderr: {stderr}", output.status)
}

/// Writes an executable shell script.
pub fn script(path: &Path, body: &str) {
    fs::write(path, format!("#!/bin/bash\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Waits for something that another process does, and panics if it does not within half a minute.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
