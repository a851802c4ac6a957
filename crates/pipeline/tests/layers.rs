//! What the layers must stand: every combination comes back, stock tools open it, and nothing broken ever ends.
#![allow(clippy::unwrap_used, clippy::panic)]
#![expect(clippy::disallowed_methods, reason = "the tests run stock tools themselves")]

use std::convert::Infallible;
use std::process::{Command, Stdio};

use bytes::Bytes;
use domain::Compression;
use pipeline::keys::{Identity, Recipient};
use pipeline::{DecodeError, Decoded, Encoded, Keys, Progress, decode, encode, stream};
use secrecy::ExposeSecret;

fn sample() -> Vec<u8> {
    (0..3_000_000_u32).flat_map(|number| (number % 1013).to_le_bytes()).collect()
}

async fn run_encode(data: &[u8], compression: Compression, recipients: Vec<Recipient>) -> (Encoded, Vec<u8>) {
    let ((plain, input), (output, stored)) = (stream::channel(), stream::channel());
    let encoding = encode(compression, recipients, input, output, Progress::default());
    let data = Bytes::copy_from_slice(data);
    let feed = tokio::spawn(async move {
        for piece in data.chunks(100_000) {
            plain.send(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        plain.end().await.unwrap();
    });
    let stored = collect(stored).await.0;
    feed.await.unwrap();
    (encoding.await.unwrap().unwrap(), stored)
}

/// What arrived, and whether the end was seen.
async fn collect(mut receiver: stream::Receiver) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    loop {
        match receiver.receive().await {
            Ok(Some(piece)) => all.extend_from_slice(&piece),
            Ok(None) => return (all, true),
            Err(_) => return (all, false),
        }
    }
}

async fn run_decode(stored: &[u8], identities: Vec<Identity>) -> (Result<Decoded, DecodeError>, Vec<u8>, bool) {
    let ((sender, input), (output, plain)) = (stream::channel(), stream::channel());
    let decoding = decode::<Infallible>(Keys { identities, must_be_encrypted: false }, input, output, |_| Ok(()));
    let stored = Bytes::copy_from_slice(stored);
    tokio::spawn(async move {
        for piece in stored.chunks(70_001) {
            if sender.send(Bytes::copy_from_slice(piece)).await.is_err() {
                return;
            }
        }
        let _ = sender.end().await;
    });
    let (plain, ended) = collect(plain).await;
    (decoding.await.unwrap().map(|Ok(decoded)| decoded), plain, ended)
}

const COMPRESSIONS: [Compression; 5] =
    [Compression::None, Compression::Gzip(1), Compression::Gzip(9), Compression::Zstd(1), Compression::Zstd(9)];

#[tokio::test(flavor = "multi_thread")]
async fn every_combination_of_layers_comes_back() {
    // M-14
    let identity = Identity::generate();
    for data in [sample(), Vec::new(), vec![7]] {
        for compression in COMPRESSIONS {
            for recipients in [vec![], vec![Identity::generate().recipient(), identity.recipient()]] {
                let (encoded, stored) = run_encode(&data, compression, recipients).await;
                assert_eq!(encoded.stored.size, stored.len() as u64);
                let (decoded, plain, ended) = run_decode(&stored, vec![identity.clone()]).await;
                let decoded = decoded.unwrap();
                assert!(ended && plain == data, "{compression}");
                assert_eq!((decoded.plain, decoded.stored), (encoded.plain, encoded.stored));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_damaged_never_ends_and_never_arrives_whole() {
    let identity = Identity::generate();
    let data = sample();
    for compression in [Compression::Gzip(1), Compression::Zstd(3)] {
        for recipients in [vec![], vec![identity.recipient()]] {
            let (_, stored) = run_encode(&data, compression, recipients).await;
            let mut damaged: Vec<Vec<u8>> = [1, 2, 15, 16, 17, 1000, stored.len() / 2, stored.len() - 250]
                .map(|cut| stored[..stored.len() - cut].to_vec())
                .into();
            damaged.push([&stored[..], b"tail"].concat());
            for at in [stored.len() / 3, stored.len() / 2, stored.len() - 2] {
                let mut flipped = stored.clone();
                flipped[at] ^= 0x10;
                damaged.push(flipped);
            }
            for (index, broken) in damaged.iter().enumerate() {
                let (decoded, plain, ended) = run_decode(broken, vec![identity.clone()]).await;
                assert!(!ended && plain.len() < data.len(), "damage {index} under {compression} went unnoticed");
                assert!(
                    matches!(decoded, Err(DecodeError::Damaged(_) | DecodeError::TrailingData)),
                    "{index}: {decoded:?}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_does_not_fit_says_so_before_any_byte() {
    let (_, stored) = run_encode(&sample(), Compression::Zstd(3), vec![Identity::generate().recipient()]).await;
    let (decoded, plain, _) = run_decode(&stored, vec![Identity::generate()]).await;
    assert!(matches!(decoded, Err(DecodeError::WrongIdentity)) && plain.is_empty());
    let (decoded, plain, _) = run_decode(&stored, vec![]).await;
    assert!(matches!(decoded, Err(DecodeError::IdentityNeeded)) && plain.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_data_does_not_pass_for_an_encrypted_backup() {
    let ((sender, input), (output, plain)) = (stream::channel(), stream::channel());
    let keys = Keys { identities: vec![Identity::generate()], must_be_encrypted: true };
    let decoding = decode::<Infallible>(keys, input, output, |_| Ok(()));
    sender.send(Bytes::from_static(b"SQLite format 3\0planted")).await.unwrap();
    assert_eq!(collect(plain).await, (vec![], false));
    assert!(matches!(decoding.await.unwrap(), Err(DecodeError::NotEncrypted)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_at_the_end_holds_the_last_piece_back() {
    let (_, stored) = run_encode(b"short", Compression::None, vec![]).await;
    let ((sender, input), (output, plain)) = (stream::channel(), stream::channel());
    let decoding = decode(Keys::default(), input, output, |_| Err("no"));
    sender.send(stored.into()).await.unwrap();
    sender.end().await.unwrap();
    assert_eq!(collect(plain).await, (vec![], false));
    assert_eq!(decoding.await.unwrap().unwrap(), Err("no"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_dump_never_becomes_a_whole_file() {
    let ((plain, input), (output, stored)) = (stream::channel(), stream::channel());
    let encoding = encode(Compression::Zstd(3), vec![], input, output, Progress::default());
    plain.send(Bytes::from_static(b"half")).await.unwrap();
    drop(plain);
    assert!(!collect(stored).await.1);
    assert!(encoding.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_age_and_zstd_open_it() {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::generate();
    let key = folder.path().join("key");
    std::fs::write(&key, identity.to_file("2026-01-01T00:00:00Z").expose_secret()).unwrap();
    let data = sample();
    for (compression, tool) in [(Compression::Zstd(3), "zstd -dc"), (Compression::Gzip(6), "gzip -dc")] {
        let (_, stored) = run_encode(&data, compression, vec![identity.recipient()]).await;
        let file = folder.path().join("stored.age");
        std::fs::write(&file, stored).unwrap();
        let script = format!("set -o pipefail; age -d -i '{}' '{}' | {tool}", key.display(), file.display());
        let output = Command::new("bash").args(["-c", &script]).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success() && output.stdout == data, "{tool}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_age_header_without_end_is_refused_and_many_recipients_are_not() {
    let identity = Identity::generate();
    let recipients: Vec<Recipient> = (0..500).map(|_| Identity::generate().recipient()).collect();
    let recipients = [vec![identity.recipient()], recipients].concat();
    let (_, stored) = run_encode(&sample(), Compression::None, recipients).await;
    let (decoded, plain, _) = run_decode(&stored, vec![identity.clone()]).await;
    decoded.unwrap();
    assert!(plain == sample());
    let stanza = format!("-> X25519 {}\n{}\n", "A".repeat(43), "A".repeat(43));
    let endless = [b"age-encryption.org/v1\n".to_vec(), stanza.repeat(100_000).into_bytes()].concat();
    let one_line = [b"age-encryption.org/v1\n-> X25519 ".to_vec(), vec![b'A'; 100_000_000]].concat();
    for header in [endless, one_line] {
        let (refused, _, ended) = run_decode(&header, vec![identity.clone()]).await;
        let words = refused.unwrap_err().to_string();
        assert!(words.contains("age header is longer than 64 KiB") && !ended, "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zstd_window_of_gigabytes_is_refused() {
    // Magic, a descriptor without content size, a window of 2^31 bytes, an empty last block.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3, 0x01, 0x00, 0x00];
    let (refused, _, ended) = run_decode(&frame, Vec::new()).await;
    assert!(matches!(&refused, Err(DecodeError::Damaged(words)) if words.contains("too much memory")), "{refused:?}");
    assert!(!ended);
}
