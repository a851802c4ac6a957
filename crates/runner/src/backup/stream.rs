//! The stream of one dump: out of the tool, through the stages, into every upload; all of them end together.

use std::time::Duration;

use adapter::destination::Upload;
use domain::rows::Rows;
use domain::{Compression, Warning};
use futures_util::future::join_all;
use pipeline::keys::Recipient;
use pipeline::stream::{self, Interrupted, Receiver, Sender};
use pipeline::{EncodeError, Encoded, Progress, encode, fan_out};
use sources::Dump;

use super::Failure;
use crate::stall::{self, Stalled};

/// Maximum time for counting rows. A snapshot of the database is held meanwhile.
const COUNT_LIMIT: Duration = Duration::from_secs(60);

/// What came of it. Nothing is published yet.
pub(super) struct Stream {
    /// What the dump lacks, and what could not be checked.
    pub(super) warnings: Vec<Warning>,
    /// The rows of the database's tables, if they are known.
    pub(super) rows: Option<Rows>,
    /// Sizes and hashes; none if no upload was left, which ends the dump too.
    pub(super) encoded: Option<Encoded>,
    /// In the order in which they were given.
    pub(super) uploads: Vec<Result<Box<dyn Upload>, Failure>>,
}

/// Who takes the stream.
pub(super) struct Sinks<'a> {
    /// Each with its destination's position in the request.
    pub(super) uploads: Vec<(usize, Box<dyn Upload>)>,
    /// Told at once which destination has failed.
    pub(super) on_failure: &'a (dyn Fn(usize, &Failure) + Sync),
}

/// Runs a dump to its proved end. Fails if the dump or the stages fail; an upload that fails leaves the others alone.
pub(super) async fn run(
    dump: Box<dyn Dump>,
    (compression, recipients): (Compression, Vec<Recipient>),
    sinks: Sinks<'_>,
    progress: &Progress,
    stall: &Stall<'_>,
) -> Result<Stream, Failure> {
    let (plain, encoder_input) = stream::channel();
    let (encoder_output, stored) = stream::channel();
    let encoding = encode(compression, recipients, encoder_input, encoder_output, progress.clone());
    let Sinks { uploads, on_failure } = sinks;
    let (senders, receivers): (Vec<Sender>, Vec<Receiver>) = uploads.iter().map(|_| stream::channel()).unzip();
    let feeding = uploads.into_iter().zip(receivers).map(|((index, upload), pieces)| async move {
        progress.uploading(index, upload.acknowledged());
        match feed(upload, pieces).await {
            Ok(upload) => {
                progress.verifying(index);
                Ok(upload)
            }
            Err(Fed::Destination(error)) => {
                let failure = Failure::Destination(error);
                on_failure(index, &failure);
                Err(failure)
            }
            Err(Fed::Interrupted) => {
                Err(Failure::Destination(adapter::Error::failed("the upload stopped", Interrupted)))
            }
        }
    });
    let (dumped, encoded, copied, uploads) =
        tokio::join!(pump(dump, plain, progress, stall), encoding, fan_out(stored, senders), join_all(feeding));
    let encoded = match encoded.unwrap_or_else(|error| Err(EncodeError::Stage(std::io::Error::other(error)))) {
        Ok(encoded) => Some(encoded),
        Err(EncodeError::Interrupted) => None,
        Err(error) => return Err(error.into()),
    };
    match dumped {
        Err(Pumped::Source(error)) => Err(error.into()),
        Err(Pumped::Stalled(stalled)) => Err(stalled.into()),
        // The dump was stopped because nobody was left to take it: the uploads say why.
        Err(Pumped::NobodyListens) => Ok(Stream { warnings: Vec::new(), rows: None, encoded: None, uploads }),
        Ok((warnings, rows)) => Ok(Stream { warnings, rows, encoded: encoded.filter(|_| copied.is_ok()), uploads }),
    }
}

/// How long nothing may move, and who is told of silence.
pub(super) struct Stall<'a> {
    pub(super) limit: Duration,
    pub(super) on_silence: &'a (dyn Fn(Duration) + Sync),
}

enum Pumped {
    Source(sources::Error),
    Stalled(Stalled),
    NobodyListens,
}

/// Moves the dump into the stages; says that it ended only after it has proved so.
async fn pump(
    mut dump: Box<dyn Dump>,
    plain: Sender,
    progress: &Progress,
    stall: &Stall<'_>,
) -> Result<(Vec<Warning>, Option<Rows>), Pumped> {
    loop {
        let piece = tokio::select! {
            piece = stall::of_database(stall.limit, dump.next(), stall.on_silence) => {
                piece.map_err(Pumped::Stalled)?.map_err(Pumped::Source)?
            }
            () = plain.closed() => return Err(Pumped::NobodyListens),
        };
        let Some(piece) = piece else { break };
        progress.add_dumped(piece.len());
        plain.send(piece).await.map_err(|Interrupted| Pumped::NobodyListens)?;
    }
    let rows = dump.count_rows(COUNT_LIMIT).await.map(Rows::bounded);
    let warnings = dump.finish().await.map_err(Pumped::Source)?;
    plain.end().await.map_err(|Interrupted| Pumped::NobodyListens)?;
    Ok((warnings, rows))
}

enum Fed {
    Destination(adapter::Error),
    Interrupted,
}

async fn feed(mut upload: Box<dyn Upload>, mut pieces: Receiver) -> Result<Box<dyn Upload>, Fed> {
    while let Some(piece) = pieces.receive().await.map_err(|Interrupted| Fed::Interrupted)? {
        upload.write(piece).await.map_err(Fed::Destination)?;
    }
    Ok(upload)
}
