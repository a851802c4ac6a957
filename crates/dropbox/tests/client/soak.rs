//! Random faults, transfer after transfer: `SOAK_SECONDS` long (`make soak`), repeatable by `SOAK_SEED`.

use std::time::{Duration, Instant};

use dropbox::Error;
use dropbox_emulator::{Emulator, Fault, FaultKind};

use crate::support::*;

/// SplitMix64 (public domain, Sebastiano Vigna).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

const ROUTES: [&str; 9] = [
    "*",
    "oauth2/token",
    "files/upload",
    "files/upload_session/start",
    "files/upload_session/append_v2",
    "files/upload_session/finish",
    "files/upload_session/finish_batch_v2",
    "files/get_metadata",
    "files/download",
];

const SESSION_ROUTE: &str = "files/upload_session/append_v2";

const KINDS: [FaultKind; 19] = [
    FaultKind::Status500,
    FaultKind::Status502,
    FaultKind::Status503,
    FaultKind::TooManyRequests { retry_after: 0 },
    FaultKind::TooManyRequestsText { retry_after: 0 },
    FaultKind::TooManyWriteOperations,
    FaultKind::ResetBeforeBody,
    FaultKind::ResetBeforeEffect,
    FaultKind::ResetAfterBody,
    FaultKind::ResetMidAnswer,
    FaultKind::AnswerLostAfterEffect,
    FaultKind::SlowBody { bytes_per_second: 30 * MIB as u64 },
    FaultKind::StalledBody,
    FaultKind::StalledAnswer,
    FaultKind::AccessTokenExpired,
    FaultKind::IncorrectOffset { correct_offset: 0 },
    FaultKind::ContentHashMismatch,
    FaultKind::SessionLost,
    FaultKind::DamagedBody,
];

#[tokio::test]
async fn random_faults_never_make_a_wrong_file() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seconds = number("SOAK_SECONDS").unwrap_or(10);
    let seed = number("SOAK_SEED").unwrap_or_else(|| getrandom::u64().unwrap());
    println!("SOAK_SEED={seed} repeats this run");
    let (mut random, emulator) = (Random(seed), emulator().await);
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut whole, mut failed) = (0, 0);
    while whole + failed == 0 || Instant::now() < end {
        let path = format!("/{}", whole + failed);
        let length = random.pick(&[0, 1000, CHUNK, CHUNK + 1, 2 * CHUNK, 5 * CHUNK + 17, 9 * CHUNK]);
        if transfer(&emulator, &mut random, &path, length).await {
            whole += 1;
        } else {
            failed += 1;
        }
        emulator.control().clear_faults();
        emulator.control().remove(&path);
        emulator.control().remove(&format!("{path}.meta"));
        assert_eq!(emulator.control().files(), [], "something was left at {path}");
    }
    println!("{whole} transfers whole, {failed} failed as they should");
    assert!(whole > 0, "no transfer came through");
}

/// Whether it came through; anything but a whole file or a clean failure panics.
async fn transfer(emulator: &Emulator, random: &mut Random, path: &str, length: usize) -> bool {
    let mut faults = Vec::new();
    for _ in 0..random.below(6) {
        let kind = random.pick(&KINDS);
        let route = match kind {
            // Refusals that only these routes know.
            FaultKind::IncorrectOffset { .. } | FaultKind::SessionLost | FaultKind::ContentHashMismatch => {
                SESSION_ROUTE
            }
            _ => random.pick(&ROUTES),
        };
        let fault = Fault::next(route, kind).nth(1 + random.below(8) as u32);
        faults.push(fault.clone());
        emulator.control().inject(fault);
    }
    let (client, data) = (client(emulator), sample(length));
    let mut upload = client.start_upload();
    let with_companion = random.below(2) == 0;
    let uploaded = async {
        for piece in data.chunks(1 << 20) {
            upload.write(bytes::Bytes::copy_from_slice(piece)).await?;
        }
        if with_companion {
            let companion =
                dropbox::files::Companion { path: format!("{path}.meta"), content: b"{}".as_slice().into() };
            let committed = upload.commit_with(path, &companion).await?;
            committed.companion.map(|_| ())
        } else {
            upload.commit(path).await.map(|_| ())
        }
    }
    .await;
    let there = emulator.control().read(path);
    match &uploaded {
        Ok(()) => assert!(there.as_ref() == Some(&data), "{faults:?}: not what was written"),
        Err(error) => {
            let injected = |kind: FaultKind| faults.iter().any(|fault| fault.kind == kind);
            let explained = match error {
                Error::ContentMismatch { .. } => injected(FaultKind::DamagedBody),
                error if error.is_session_lost() => {
                    injected(FaultKind::SessionLost) || injected(FaultKind::IncorrectOffset { correct_offset: 0 })
                }
                // Two refusals in a row of one call.
                Error::Auth(_) => injected(FaultKind::AccessTokenExpired),
                Error::UnexpectedAnswer { .. } => injected(FaultKind::DamagedBody),
                _ => false,
            };
            assert!(explained, "{faults:?}: {error:?}");
            // Only the companion may be missing of a file that is there.
            assert!(there.is_none() || with_companion && there.as_ref() == Some(&data), "{faults:?}");
            return false;
        }
    }
    match download(&client, path).await {
        Ok(read) => assert!(read == data, "{faults:?}: not what is stored"),
        Err(Error::ContentMismatch { .. }) => assert!(faults.iter().any(|fault| fault.kind == FaultKind::DamagedBody)),
        Err(Error::UnexpectedAnswer { .. }) => assert!(faults.iter().any(|fault| fault.kind == FaultKind::DamagedBody)),
        Err(Error::Auth(_)) => assert!(faults.iter().any(|fault| fault.kind == FaultKind::AccessTokenExpired)),
        Err(error) => panic!("{faults:?}: {error:?}"),
    }
    true
}
