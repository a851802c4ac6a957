//! The inbound stages: digest, decrypt, decompress, digest. What the layers are is read from the data, not from its name.

use std::cell::Cell;
use std::io::{self, BufReader, Cursor, Read};
use std::rc::Rc;

use bytes::{Buf, Bytes};
use tokio::task::JoinHandle;

use crate::digest::{Digested, Digester};
use crate::keys::Identity;
use crate::stream::{Interrupted, PIECE_SIZE, Receiver, Sender};

const AGE_MAGIC: &[u8] = b"age-encryption.org/";
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// zstd windows beyond 128 MiB are refused, as by the zstd command: memory stays bounded whatever the file claims.
const MAX_ZSTD_WINDOW_LOG: u32 = 27;
/// Maximum bytes of the age header, which age keeps and parses again for every line: 600 recipients.
const MAX_AGE_HEADER: usize = 64 * 1024;

/// What went in and what came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The dump.
    pub plain: Digested,
    /// The file as it came from the destination.
    pub stored: Digested,
    /// The layers that were found and checked, the outermost first: `age`, then `zstd` or `gzip`.
    pub layers: Vec<&'static str>,
}

/// Why a backup cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The destination or the restore went away; they know why.
    #[error("the stream was interrupted")]
    Interrupted,
    /// Encrypted, and no key was given.
    #[error("the backup is encrypted: give the identity that opens it (--identity FILE)")]
    IdentityNeeded,
    /// Not encrypted, though it is kept as if it were: somebody put it there, or it is damaged at its very start.
    #[error("the backup should be encrypted and is not: it is damaged, or not what was backed up")]
    NotEncrypted,
    /// Encrypted to somebody else.
    #[error("none of the given identities opens this backup: it was encrypted to another recipient")]
    WrongIdentity,
    /// age found damage.
    #[error("the backup is damaged or cut off: {0}")]
    Damaged(String),
    /// Something follows after the data's own end.
    #[error("the backup is damaged: data follows after its end")]
    TrailingData,
}

impl From<Interrupted> for DecodeError {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

/// The keys for a backup, and whether it has to be encrypted (its name or sidecar says so).
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// What may open it.
    pub identities: Vec<Identity>,
    /// Whether plain data is refused.
    pub must_be_encrypted: bool,
}

/// Opens a stored backup on a thread of its own.
///
/// Pieces reach `output` as they are decoded. The last piece is held back until everything is known to be whole (age's last
/// chunk, the compression's checksum, and `verify`): a reader that has seen the end has seen a whole backup, and one that has
/// not can never have had all of a broken one.
pub fn decode<E: Send + 'static>(
    keys: Keys,
    input: Receiver,
    output: Sender,
    verify: impl FnOnce(&Decoded) -> Result<(), E> + Send + 'static,
) -> JoinHandle<Result<Result<Decoded, E>, DecodeError>> {
    tokio::task::spawn_blocking(move || {
        let mut stored = StreamReader::new(input);
        let mut plain = Digester::default();
        let mut held = Bytes::new();
        let mut layers = Vec::new();
        {
            let mut layer = decrypt(&mut stored, &keys, &mut layers)?;
            let mut dump = decompress(&mut layer, &mut layers)?;
            loop {
                let piece = read_piece(&mut dump)?;
                if piece.is_empty() {
                    break;
                }
                plain.update(&piece);
                let ready = std::mem::replace(&mut held, piece);
                if !ready.is_empty() {
                    output.blocking_send(ready)?;
                }
            }
            drop(dump);
            expect_end(&mut layer)?;
        }
        expect_end(&mut stored)?;
        let decoded = Decoded { plain: plain.finish(), stored: stored.digester.finish(), layers };
        if let Err(refused) = verify(&decoded) {
            return Ok(Err(refused));
        }
        if !held.is_empty() {
            output.blocking_send(held)?;
        }
        output.blocking_end()?;
        Ok(Ok(decoded))
    })
}

fn decrypt<'a>(
    stored: &'a mut StreamReader,
    keys: &Keys,
    layers: &mut Vec<&'static str>,
) -> Result<Box<dyn Read + 'a>, DecodeError> {
    let head = read_head(stored, AGE_MAGIC.len())?;
    let is_age = head == AGE_MAGIC;
    let whole = Read::chain(Cursor::new(head), stored);
    if !is_age {
        return if keys.must_be_encrypted { Err(DecodeError::NotEncrypted) } else { Ok(Box::new(whole)) };
    }
    if keys.identities.is_empty() {
        return Err(DecodeError::IdentityNeeded);
    }
    layers.push("age");
    let room = Rc::new(Cell::new(Some(MAX_AGE_HEADER)));
    let bounded = Bounded { inner: whole, room: Rc::clone(&room) };
    let decryptor = age::Decryptor::new_buffered(BufReader::new(bounded)).map_err(|error| undecryptable(&error))?;
    room.set(None);
    let identities = keys.identities.iter().map(|identity| &identity.0 as &dyn age::Identity);
    Ok(Box::new(decryptor.decrypt(identities).map_err(|error| undecryptable(&error))?))
}

fn decompress<'a>(
    layer: &'a mut Box<dyn Read + '_>,
    layers: &mut Vec<&'static str>,
) -> Result<Box<dyn Read + 'a>, DecodeError> {
    let head = read_head(layer, ZSTD_MAGIC.len())?;
    let (is_zstd, is_gzip) = (head == ZSTD_MAGIC, head.starts_with(GZIP_MAGIC));
    let whole = Read::chain(Cursor::new(head), layer);
    if is_zstd {
        layers.push("zstd");
        let mut decoder = zstd::stream::read::Decoder::new(whole).map_err(broken)?;
        decoder.window_log_max(MAX_ZSTD_WINDOW_LOG).map_err(broken)?;
        Ok(Box::new(decoder))
    } else if is_gzip {
        layers.push("gzip");
        Ok(Box::new(flate2::read::MultiGzDecoder::new(whole)))
    } else {
        Ok(Box::new(whole))
    }
}

/// Reads up to `length` bytes: fewer only if the stream is shorter.
fn read_head(reader: &mut impl Read, length: usize) -> Result<Vec<u8>, DecodeError> {
    let mut head = Vec::with_capacity(length);
    reader.by_ref().take(length as u64).read_to_end(&mut head).map_err(broken)?;
    Ok(head)
}

fn read_piece(reader: &mut impl Read) -> Result<Bytes, DecodeError> {
    let mut piece = Vec::with_capacity(PIECE_SIZE);
    reader.by_ref().take(PIECE_SIZE as u64).read_to_end(&mut piece).map_err(broken)?;
    Ok(piece.into())
}

/// A decoder may stop at its own end; the layer below must end there too.
fn expect_end(reader: &mut impl Read) -> Result<(), DecodeError> {
    if read_head(reader, 1)?.is_empty() { Ok(()) } else { Err(DecodeError::TrailingData) }
}

fn undecryptable(error: &age::DecryptError) -> DecodeError {
    match error {
        age::DecryptError::NoMatchingKeys => DecodeError::WrongIdentity,
        age::DecryptError::Io(cause) if is_interruption(cause) => DecodeError::Interrupted,
        error => DecodeError::Damaged(error.to_string()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a function for map_err")]
fn broken(error: io::Error) -> DecodeError {
    if is_interruption(&error) { DecodeError::Interrupted } else { DecodeError::Damaged(error.to_string()) }
}

fn is_interruption(error: &io::Error) -> bool {
    error.get_ref().and_then(|cause| cause.downcast_ref::<Interrupted>()).is_some()
}

/// Gives no more than there is room for, if that is limited.
struct Bounded<R> {
    inner: R,
    room: Rc<Cell<Option<usize>>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if let Some(room) = self.room.get() {
            let left = room.checked_sub(read);
            self.room.set(Some(left.ok_or_else(|| io::Error::other("its age header is longer than 64 KiB"))?));
        }
        Ok(read)
    }
}

/// Reads a stream as the standard library's `Read`, hashing on the way.
struct StreamReader {
    input: Receiver,
    current: Bytes,
    digester: Digester,
}

impl StreamReader {
    fn new(input: Receiver) -> Self {
        Self { input, current: Bytes::new(), digester: Digester::default() }
    }
}

impl Read for StreamReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.input.blocking_receive().map_err(io::Error::other)? {
                Some(piece) => {
                    self.digester.update(&piece);
                    self.current = piece;
                }
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
