//! Hundreds of megabytes through an emulator that keeps only hashes, in flat memory.

use serde_json::json;

use crate::api::{Api, BLOCK, bad};
use crate::program;

/// The most memory that a process has had so far, in bytes.
fn peak_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// 64 MiB that never lie in memory together.
fn piece() -> reqwest::Body {
    let chunk = bytes::Bytes::from(vec![42_u8; 64 * 1024]);
    let chunks = (0..1024).map(move |_| Ok::<_, std::io::Error>(chunk.clone()));
    reqwest::Body::wrap_stream(futures_util::stream::iter(chunks))
}

#[tokio::test]
async fn memory_stays_flat_while_half_a_gigabyte_goes_up() {
    let (child, ready) = program::start(&["--plain", "--store", "hash"]).await;
    let api = Api::connect(ready["api"].as_str().unwrap().to_owned(), None).await;
    let process = child.id().unwrap();
    let session = api.session("concurrent").await;
    let before = peak_memory(process);
    let piece_length = 16 * BLOCK as u64;
    for pair in 0..4 {
        let (one, other) = tokio::join!(
            api.append(&session, 2 * pair * piece_length, false, piece()),
            api.append(&session, (2 * pair + 1) * piece_length, false, piece()),
        );
        assert_eq!((one.0, other.0), (200, 200));
    }
    assert_eq!(api.append(&session, 8 * piece_length, true, "").await.0, 200);
    let (status, file) = api.finish(&session, 8 * piece_length, "/big", "").await;
    assert_eq!((status, &file["size"]), (200, &json!(8 * piece_length)));
    let grown = peak_memory(process) - before;
    assert!(grown < 16 << 20, "{} MiB more", grown >> 20);

    let request = api.request("files/download").header("dropbox-api-arg", r#"{"path": "/big"}"#);
    bad(&crate::api::read(request.send().await.unwrap()).await, "keeps only the hashes");
}
