//! What the tests of a source share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use bytes::Bytes;
use sources::{DumpOptions, Error, Finding, Kind, OnError, Origin, RestoreOptions, Restored, Source, parse};

pub(crate) fn source(address: &str) -> Box<dyn Source> {
    parse(address, Origin::Private, None).unwrap()
}

/// Dumps a database to its proved end.
pub(crate) async fn dump(address: &str, database: &str) -> Vec<u8> {
    let mut dump = source(address).dump(database, DumpOptions::default()).await.unwrap();
    let mut all = Vec::new();
    while let Some(piece) = dump.next().await.unwrap() {
        all.extend_from_slice(&piece);
    }
    dump.finish().await.unwrap();
    all
}

/// Restores a dump; whatever fails is aborted, which has to succeed.
pub(crate) async fn restore(address: &str, dump: &[u8], options: RestoreOptions) -> Result<Restored, Error> {
    let mut restore = source(address).restore(options).await?;
    for piece in dump.chunks(50_000) {
        if let Err(error) = restore.write(Bytes::copy_from_slice(piece)).await {
            restore.abort().await.unwrap();
            return Err(error);
        }
    }
    match restore.finish().await {
        Ok(()) => restore.commit().await,
        Err(error) => {
            restore.abort().await.unwrap();
            Err(error)
        }
    }
}

pub(crate) async fn review(address: &str, dump: &[u8], options: RestoreOptions) -> Vec<Finding> {
    let mut review = source(address).review(options).await.unwrap();
    for piece in dump.chunks(50_000) {
        if review.read(piece).unwrap() {
            break;
        }
    }
    review.finish().await.unwrap()
}

pub(crate) fn overwrite() -> RestoreOptions {
    RestoreOptions { overwrite: true, ..RestoreOptions::default() }
}

pub(crate) fn no_owner() -> RestoreOptions {
    RestoreOptions { no_owner: true, ..RestoreOptions::default() }
}

pub(crate) fn on_errors_continue() -> RestoreOptions {
    RestoreOptions { on_error: OnError::Continue, ..RestoreOptions::default() }
}

/// Returns the passing name of a database that could not be put in its place, and the words.
pub(crate) fn kept(result: Result<Restored, Error>) -> (String, String) {
    let error = result.unwrap_err();
    let Kind::Kept { name } = error.kind() else { panic!("{error}") };
    (name.clone(), error.to_string())
}
