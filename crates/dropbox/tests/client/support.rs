//! A client at an emulator.

use std::time::Duration;

use bytes::Bytes;
use dropbox::{Client, Endpoints, Error, RetryPolicy, Settings, Timeouts};
use dropbox_emulator::{Config, Emulator};

pub(crate) const MIB: usize = 1024 * 1024;
pub(crate) const CHUNK: usize = 4 * MIB;

pub(crate) async fn emulator() -> Emulator {
    Emulator::start(Config::default()).await.unwrap()
}

pub(crate) fn settings(emulator: &Emulator) -> Settings {
    let standard = Config::default();
    let mut settings = Settings::new(standard.app_key);
    settings.refresh_token = Some(standard.refresh_token.into());
    settings.endpoints = Endpoints::parse(&emulator.api_url(), &emulator.content_url(), &emulator.web_url()).unwrap();
    settings.retry =
        RetryPolicy { first_wait: Duration::from_millis(1), longest_wait: Duration::from_millis(5), ..settings.retry };
    settings.chunk_size = CHUNK;
    settings.memory = 8 * CHUNK;
    settings.timeouts = Timeouts {
        connect: Duration::from_secs(5),
        idle: Duration::from_millis(700),
        answer: Duration::from_millis(1500),
        stall: Duration::from_secs(60),
    };
    settings
}

pub(crate) fn client(emulator: &Emulator) -> Client {
    Client::new(settings(emulator)).unwrap()
}

pub(crate) fn sample(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 31 % 251) as u8).collect()
}

pub(crate) async fn upload(client: &Client, path: &str, data: &[u8]) -> Result<dropbox::files::FileMetadata, Error> {
    let mut upload = client.start_upload();
    for piece in data.chunks(300_000) {
        upload.write(Bytes::copy_from_slice(piece)).await?;
    }
    upload.commit(path).await
}

pub(crate) async fn download(client: &Client, path: &str) -> Result<Vec<u8>, Error> {
    let mut download = client.open(path, None).await?;
    let mut all = Vec::new();
    while let Some(piece) = download.chunk().await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

pub(crate) fn count(emulator: &Emulator, route: &str) -> usize {
    emulator.control().requests().iter().filter(|request| request.route == route).count()
}
