//! What makes transfers fast, what bounds them, and how they go on.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dropbox::files::{Checkpoint, Metadata};
use dropbox::{Client, ContentHasher, Error, Settings, Space};
use dropbox_emulator::{Config, Emulator, Fault, FaultKind};

use crate::support::*;

const APPEND: &str = "files/upload_session/append_v2";

#[tokio::test]
async fn a_large_file_goes_both_ways_over_several_connections_and_no_more_than_allowed() {
    let emulator = emulator().await;
    emulator.control().set_weather("latency=20ms,connection=60MiB/s".parse().unwrap());
    let data = sample(20 * CHUNK + 9);
    for (allowed, name) in [(3, "/narrow"), (32, "/wide")] {
        let client = Client::new(Settings { parallelism: allowed, memory: 32 * CHUNK, ..settings(&emulator) }).unwrap();
        upload(&client, name, &data).await.unwrap();
        assert!(download(&client, name).await.unwrap() == data);
        for route in [APPEND, "files/download"] {
            let peak = emulator.control().peak_in_progress(route);
            if allowed == 3 {
                assert!((2..=3).contains(&peak), "{route}: {peak} at once");
            } else {
                assert!(peak > 3, "{route}: {peak} at once");
            }
        }
    }
}

#[tokio::test]
async fn a_slow_reader_gets_no_more_connections() {
    let emulator = emulator().await;
    emulator.control().write("/large", &sample(16 * CHUNK));
    let mut download = client(&emulator).open("/large", None).await.unwrap();
    let mut read = 0;
    while let Some(piece) = download.chunk().await.unwrap() {
        read += piece.len();
        tokio::time::sleep(Duration::from_micros(piece.len() as u64 / 100)).await;
    }
    assert_eq!(read, 16 * CHUNK);
    // Those that a fast start takes: 32 MiB in ranges of 4 MiB.
    assert!(emulator.control().peak_in_progress("files/download") <= 8);
}

#[tokio::test]
async fn dropbox_is_left_alone_for_as_long_as_it_asks() {
    let emulator = emulator().await;
    for kind in [
        FaultKind::TooManyRequests { retry_after: 1 },
        FaultKind::TooManyRequestsText { retry_after: 1 },
        FaultKind::Unavailable { retry_after: 1 },
    ] {
        for (route, at) in [(APPEND, 5), ("files/upload_session/finish", 1), ("files/download", 2)] {
            emulator.control().inject(Fault::next(route, kind).nth(at));
            let (client, data, start) = (client(&emulator), sample(10 * CHUNK), Instant::now());
            upload(&client, "/x", &data).await.unwrap();
            assert!(download(&client, "/x").await.unwrap() == data);
            assert!(start.elapsed() >= Duration::from_secs(1), "{kind:?} at {route}: {:?}", start.elapsed());
            emulator.control().remove("/x");
        }
    }
}

#[tokio::test]
async fn only_one_call_at_a_time_changes_the_namespace() {
    let emulator = emulator().await;
    // Any two at once would be refused.
    emulator.control().set_weather("commit=20ms".parse().unwrap());
    let clients = [client(&emulator), client(&emulator)];
    let tasks: Vec<_> = (0..12)
        .map(|index| {
            let client = clients[index % 2].clone();
            tokio::spawn(async move {
                let length = if index % 3 == 0 { CHUNK + 1 } else { 10 };
                upload(&client, &format!("/{index}"), &sample(length)).await.unwrap();
                client.create_folder(&format!("/folder {index}")).await.unwrap();
                client.delete(&format!("/{index}")).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(emulator.control().requests().iter().all(|request| request.status != 429));
}

#[tokio::test]
async fn a_bandwidth_is_kept_in_both_directions() {
    let emulator = emulator().await;
    let bandwidth = NonZeroU64::new(16 * MIB as u64);
    let client = Client::new(Settings { bandwidth, ..settings(&emulator) }).unwrap();
    let (data, start) = (sample(3 * CHUNK), Instant::now());
    upload(&client, "/x", &data).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(700), "{:?}", start.elapsed());
    let start = Instant::now();
    assert!(download(&client, "/x").await.unwrap() == data);
    assert!(start.elapsed() >= Duration::from_millis(700), "{:?}", start.elapsed());
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let emulator = emulator().await;
    let good = settings(&emulator);
    for bad in [
        Settings { chunk_size: 5 * MIB, ..good.clone() },
        Settings { chunk_size: 0, ..good.clone() },
        Settings { chunk_size: 152 * MIB, memory: 1 << 30, ..good.clone() },
        Settings { memory: 7 * MIB, ..good.clone() },
        Settings { parallelism: 0, ..good },
    ] {
        assert!(matches!(Client::new(bad), Err(Error::Settings(_))));
    }
}

/// Writes until Dropbox has all that is sent, and gives the state as another process would read it.
async fn interrupted(client: &Client, data: &[u8]) -> Checkpoint {
    let mut upload = client.start_upload();
    for piece in data.chunks(MIB) {
        upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    // The last chunk is not sent before it is known whether more comes.
    let on_their_way = (data.len() - 1) / CHUNK * CHUNK;
    while upload.checkpoint().is_none_or(|checkpoint| checkpoint.stored() < on_their_way as u64) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        upload.write(Bytes::new()).await.unwrap();
    }
    let json = serde_json::to_string(&upload.checkpoint().unwrap()).unwrap();
    serde_json::from_str(&json).unwrap()
}

async fn resumed(client: &Client, checkpoint: &Checkpoint, data: &[u8]) -> Result<(), Error> {
    let mut upload = client.resume_upload(checkpoint)?;
    for piece in data.chunks(700_001) {
        upload.write(Bytes::copy_from_slice(piece)).await?;
    }
    upload.commit("/resumed").await.map(|file| assert_eq!(file.content_hash, Some(ContentHasher::of(data))))
}

#[tokio::test]
async fn another_process_goes_on_where_one_was_interrupted() {
    let emulator = emulator().await;
    let data = sample(9 * CHUNK + 5);
    for at in [2 * CHUNK + 1, 5 * CHUNK, 9 * CHUNK + 5] {
        let checkpoint = interrupted(&client(&emulator), &data[..at]).await;
        assert!(checkpoint.stored() > 0);
        let before = sent(&emulator);
        resumed(&client(&emulator), &checkpoint, &data).await.unwrap();
        let again = sent(&emulator) - before;
        assert_eq!(again, data.len() as u64 - checkpoint.stored(), "interrupted at {at}");
        assert!(emulator.control().read("/resumed").unwrap() == data);
        emulator.control().remove("/resumed");
    }
}

#[tokio::test]
async fn a_sealed_upload_is_committed_by_another_process() {
    let emulator = emulator().await;
    let (client, data) = (client(&emulator), sample(2 * CHUNK + 5));
    let mut upload = client.start_upload();
    upload.write(data.clone().into()).await.unwrap();
    upload.seal().await.unwrap();
    let checkpoint = upload.checkpoint().unwrap();
    assert_eq!(checkpoint.stored(), data.len() as u64);
    drop(upload);
    let before = sent(&emulator);
    resumed(&client, &checkpoint, &data).await.unwrap();
    assert_eq!(sent(&emulator), before);
}

#[tokio::test]
async fn an_upload_does_not_go_on_with_other_bytes_or_a_session_that_is_gone() {
    let emulator = emulator().await;
    let (client, data) = (client(&emulator), sample(4 * CHUNK + 5));
    let checkpoint = interrupted(&client, &data[..3 * CHUNK]).await;
    let mut other = data.clone();
    other[10] ^= 1;
    assert!(matches!(resumed(&client, &checkpoint, &other).await, Err(Error::Changed { offset: 0 })));
    assert!(matches!(resumed(&client, &checkpoint, &data[..10]).await, Err(Error::Changed { .. })));
    emulator.control().advance_clock(Duration::from_secs(8 * 24 * 3600));
    let error = resumed(&client, &checkpoint, &data).await.unwrap_err();
    assert!(error.is_session_lost(), "{error:?}");
    assert_eq!(emulator.control().files(), []);
}

/// Bytes of all appends.
fn sent(emulator: &Emulator) -> u64 {
    let appends = emulator.control().requests().into_iter().filter(|request| request.route == APPEND);
    appends.map(|request| request.body_bytes).sum()
}

#[tokio::test]
async fn a_file_that_changes_during_a_download_is_never_mixed() {
    let emulator = emulator().await;
    let (client, older) = (client(&emulator), sample(8 * CHUNK));
    emulator.control().write("/x", &older);
    let mut download = client.open("/x", None).await.unwrap();
    let mut read = download.chunk().await.unwrap().unwrap().to_vec();
    emulator.control().write("/x", &vec![1; 8 * CHUNK]);
    let ended = loop {
        match download.chunk().await {
            Ok(Some(piece)) => read.extend_from_slice(&piece),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    // The old revision to its end, or an error.
    assert!(ended.is_err() || read == older);
}

#[tokio::test]
async fn a_team_has_two_spaces() {
    let emulator = Emulator::start(Config { team_root: true, ..Config::default() }).await.unwrap();
    let home = client(&emulator);
    let team = Client::new(Settings { space: Space::Team, ..settings(&emulator) }).unwrap();
    upload(&home, "/mine", &sample(10)).await.unwrap();
    upload(&team, "/ours", &sample(2 * CHUNK)).await.unwrap();
    let paths: Vec<String> = emulator.control().files().into_iter().map(|file| file.path).collect();
    assert_eq!(paths, ["/Ada Lovelace/mine", "/ours"]);
    assert!(download(&team, "/ours").await.unwrap() == sample(2 * CHUNK));
    assert!(home.metadata("/ours").await.unwrap().is_none());

    let alone = self::emulator().await;
    let without = Client::new(Settings { space: Space::Team, ..settings(&alone) }).unwrap();
    let error = upload(&without, "/x", b"x").await.unwrap_err();
    assert!(error.to_string().contains("no team space"), "{error}");
}

#[tokio::test]
async fn a_hundred_thousand_files_are_listed() {
    // M-12
    let emulator = emulator().await;
    let files = (0..100_000).map(|index| (format!("/jobs/{}/{index}", index % 100), Vec::new()));
    emulator.control().write_many(files);
    let client = client(&emulator);
    emulator.control().inject(Fault::next("files/list_folder/continue", FaultKind::RepeatedPage).nth(3));
    emulator.control().inject(Fault::next("files/list_folder/continue", FaultKind::EmptyPage).nth(7));
    emulator.control().inject(Fault::next("files/list_folder/continue", FaultKind::CursorReset).nth(20));
    let entries = client.list_folder("/jobs", true).await.unwrap();
    assert_eq!(entries.iter().filter(|entry| matches!(entry, Metadata::File(_))).count(), 100_000);
    assert_eq!(entries.len(), 100_101);
}
