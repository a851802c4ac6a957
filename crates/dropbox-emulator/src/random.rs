//! Unguessable names: tokens, codes, ids of files, sessions and requests.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `N` bytes from the operating system.
#[expect(clippy::expect_used, reason = "without the system's randomness no token can be made, and there is no way on")]
fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// 64 characters of `A-Za-z0-9_-`, for tokens and codes.
pub(crate) fn secret() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<48>())
}

/// 22 characters of `A-Za-z0-9_-`, as in a file's id.
pub(crate) fn identifier() -> String {
    format!("{}AA", URL_SAFE_NO_PAD.encode(bytes::<15>()))
}

/// 32 hexadecimal digits, as in `X-Dropbox-Request-Id`.
pub(crate) fn request_id() -> String {
    crate::hash::hexadecimal(&bytes::<16>())
}

/// A number below `limit`, which is at most 256.
pub(crate) fn below(limit: u8) -> u8 {
    bytes::<1>()[0] % limit
}
