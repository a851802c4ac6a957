//! The outbound stages: digest, compress, encrypt, digest.

use std::io::{self, Write};

use bytes::{Bytes, BytesMut};
use domain::Compression;
use tokio::task::JoinHandle;

use crate::digest::{Digested, Digester};
use crate::keys::Recipient;
use crate::progress::Progress;
use crate::stream::{Interrupted, PIECE_SIZE, Receiver, Sender};

/// More threads than this cost memory (some 20 MB each) and gain nothing: the network is slower by then.
const MAX_COMPRESSION_THREADS: u32 = 4;

/// What went in and what came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The dump.
    pub plain: Digested,
    /// The file at the destinations.
    pub stored: Digested,
}

/// Why encoding ended early.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The dump or every destination went away; they know why.
    #[error("the stream was interrupted")]
    Interrupted,
    /// A stage failed.
    #[error("could not compress or encrypt: {0}")]
    Stage(#[from] io::Error),
}

impl From<Interrupted> for EncodeError {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

/// Compresses and encrypts a stream on a thread of its own. Without recipients nothing is encrypted.
pub fn encode(
    compression: Compression,
    recipients: Vec<Recipient>,
    mut input: Receiver,
    output: Sender,
    progress: Progress,
) -> JoinHandle<Result<Encoded, EncodeError>> {
    tokio::task::spawn_blocking(move || {
        let target = PieceWriter::new(output, progress.clone());
        let mut stages = Compressor::new(compression, Encryptor::new(&recipients, target)?)?;
        let mut plain = Digester::default();
        while let Some(piece) = input.blocking_receive()? {
            plain.update(&piece);
            stages.write_all(&piece).map_err(stage_or_interrupted)?;
        }
        let stored = stages.finish().and_then(Encryptor::finish).map_err(stage_or_interrupted)?.finish()?;
        Ok(Encoded { plain: plain.finish(), stored })
    })
}

fn stage_or_interrupted(error: io::Error) -> EncodeError {
    match error.get_ref() {
        Some(cause) if cause.is::<Interrupted>() => EncodeError::Interrupted,
        _ => EncodeError::Stage(error),
    }
}

enum Compressor<W: Write> {
    None(W),
    Gzip(flate2::write::GzEncoder<W>),
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Compressor<W> {
    fn new(compression: Compression, writer: W) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(writer),
            Compression::Gzip(level) => {
                Self::Gzip(flate2::write::GzEncoder::new(writer, flate2::Compression::new(level.into())))
            }
            Compression::Zstd(level) => {
                let mut encoder = zstd::stream::write::Encoder::new(writer, level.into())?;
                encoder.include_checksum(true)?;
                encoder.multithread(compression_threads())?;
                Self::Zstd(encoder)
            }
        })
    }

    fn finish(self) -> io::Result<W> {
        match self {
            Self::None(writer) => Ok(writer),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(writer) => writer.write(data),
            Self::Gzip(encoder) => encoder.write(data),
            Self::Zstd(encoder) => encoder.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(writer) => writer.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

fn compression_threads() -> u32 {
    let available = std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
    available.min(MAX_COMPRESSION_THREADS)
}

enum Encryptor<W: Write> {
    None(W),
    Age(age::stream::StreamWriter<W>),
}

impl<W: Write> Encryptor<W> {
    fn new(recipients: &[Recipient], writer: W) -> io::Result<Self> {
        if recipients.is_empty() {
            return Ok(Self::None(writer));
        }
        let recipients = recipients.iter().map(|recipient| &recipient.0 as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
        encryptor.wrap_output(writer).map(Self::Age)
    }

    fn finish(self) -> io::Result<W> {
        match self {
            Self::None(writer) => Ok(writer),
            Self::Age(writer) => writer.finish(),
        }
    }
}

impl<W: Write> Write for Encryptor<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(writer) => writer.write(data),
            Self::Age(writer) => writer.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(writer) => writer.flush(),
            Self::Age(writer) => writer.flush(),
        }
    }
}

/// Collects what the last stage writes into pieces, hashes them and passes them on.
struct PieceWriter {
    piece: BytesMut,
    output: Sender,
    digester: Digester,
    progress: Progress,
}

impl PieceWriter {
    fn new(output: Sender, progress: Progress) -> Self {
        Self { piece: BytesMut::with_capacity(PIECE_SIZE), output, digester: Digester::default(), progress }
    }

    fn pass_on(&mut self) -> Result<(), Interrupted> {
        let piece: Bytes = std::mem::replace(&mut self.piece, BytesMut::with_capacity(PIECE_SIZE)).freeze();
        self.digester.update(&piece);
        self.progress.add_stored(piece.len());
        self.output.blocking_send(piece)
    }

    fn finish(mut self) -> Result<Digested, Interrupted> {
        if !self.piece.is_empty() {
            self.pass_on()?;
        }
        self.output.blocking_end()?;
        Ok(self.digester.finish())
    }
}

impl Write for PieceWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let taken = data.len().min(PIECE_SIZE - self.piece.len());
        self.piece.extend_from_slice(&data[..taken]);
        if self.piece.len() == PIECE_SIZE {
            self.pass_on().map_err(io::Error::other)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
