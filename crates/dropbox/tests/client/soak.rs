//! Faults drawn at random, transfer after transfer: from fixed seeds in every test run, from a new one in `make soak`.

use std::time::{Duration, Instant};

use dropbox::Error;
use dropbox_emulator::{Emulator, Fault, FaultKind};
use test_support::Random;

use crate::support::*;

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

/// Seeds that every test run repeats. The first one damages an append, then loses the answer to the commit.
const SEEDS: [u64; 4] = [1_362_245_199_077_900_555, 1, 2, 3];
const TRANSFERS_PER_SEED: usize = 12;

#[tokio::test]
async fn faults_drawn_from_fixed_seeds_never_make_a_wrong_file() {
    let emulator = emulator().await;
    for seed in SEEDS {
        let mut soak = Soak::new(seed);
        for _ in 0..TRANSFERS_PER_SEED {
            soak.step(&emulator).await;
        }
        assert!(soak.whole > 0, "seed {seed}: no transfer came through");
    }
}

/// `make soak`: a random seed, unless `SOAK_SEED` says which, for `SOAK_SECONDS`.
#[tokio::test]
#[ignore = "runs for minutes, with a random seed: make soak"]
async fn random_faults_never_make_a_wrong_file() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let end = Instant::now() + Duration::from_secs(number("SOAK_SECONDS").unwrap_or(300));
    let seed = number("SOAK_SEED").unwrap_or_else(|| getrandom::u64().unwrap());
    println!("SOAK_SEED={seed} repeats this run");
    let (mut soak, emulator) = (Soak::new(seed), emulator().await);
    while soak.whole + soak.failed == 0 || Instant::now() < end {
        soak.step(&emulator).await;
    }
    println!("{} transfers whole, {} failed as they should", soak.whole, soak.failed);
    assert!(soak.whole > 0, "no transfer came through");
}

/// Transfers, one after another, all drawn from one seed.
struct Soak {
    random: Random,
    whole: u32,
    failed: u32,
}

impl Soak {
    fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), whole: 0, failed: 0 }
    }

    async fn step(&mut self, emulator: &Emulator) {
        let path = format!("/{}", self.whole + self.failed);
        let length = self.random.pick(&[0, 1000, CHUNK, CHUNK + 1, 2 * CHUNK, 5 * CHUNK + 17, 9 * CHUNK]);
        if transfer(emulator, &mut self.random, &path, length).await {
            self.whole += 1;
        } else {
            self.failed += 1;
        }
        emulator.control().clear_faults();
        emulator.control().remove(&path);
        emulator.control().remove(&format!("{path}.meta"));
        assert_eq!(emulator.control().files(), [], "something was left at {path}");
    }
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
