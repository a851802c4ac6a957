//! Which machine this is.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::digest::Digester;

/// Length of each half of [`fingerprint`].
const FINGERPRINT_LEN: usize = 8;

/// Returns this machine's host name, or `None` if it has none.
pub fn name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    (!name.is_empty()).then_some(name)
}

/// What names of private files say of their writer: eight hexadecimal digits of the host name's SHA-256, and as many of the boot's.
pub fn fingerprint() -> (String, String) {
    (
        digits(name().unwrap_or_default().as_bytes()),
        digits(&fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default()),
    )
}

/// Returns when this machine started, or `None` where the kernel does not tell.
pub(crate) fn boot_time() -> Option<SystemTime> {
    let statistics = fs::read_to_string("/proc/stat").ok()?;
    let seconds = statistics.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

fn digits(text: &[u8]) -> String {
    let mut digester = Digester::default();
    digester.update(text);
    let mut digits = digester.finish().sha256;
    digits.truncate(FINGERPRINT_LEN);
    digits
}
