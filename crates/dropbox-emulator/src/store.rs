//! Where the bytes lie: one file per received body, shared by the sessions, files and old revisions made of it.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tempfile::TempDir;
use tokio::io::{AsyncWriteExt as _, BufWriter};

use crate::config::Store;
use crate::hash::ContentHasher;
use crate::random;

/// Bytes gathered before they go to the disk.
const WRITE_BUFFER: usize = 1024 * 1024;

/// The folder of bodies.
#[derive(Debug)]
pub(crate) struct BlobStore {
    kind: Store,
    folder: PathBuf,
    _temporary: Option<TempDir>,
    closing: Arc<AtomicBool>,
}

impl BlobStore {
    /// Opens the folder `blobs` in `state`, or a temporary one.
    pub(crate) fn open(kind: Store, state: Option<&Path>) -> io::Result<BlobStore> {
        let (folder, temporary) = match state {
            Some(state) => (state.join("blobs"), None),
            None => {
                let temporary = tempfile::Builder::new().prefix("dropbox-emulator-").tempdir()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        fs::create_dir_all(&folder)?;
        Ok(BlobStore { kind, folder, _temporary: temporary, closing: Arc::default() })
    }

    /// From now on nothing is deleted any more: the emulator is going, its state stays.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// The body of that name, which must lie in the folder.
    pub(crate) fn adopt(&self, name: &str) -> Arc<Blob> {
        Arc::new(Blob { path: self.folder.join(name), closing: self.closing.clone() })
    }

    /// Deletes the bodies that nothing refers to: uploads that were under way when an emulator was killed.
    pub(crate) fn sweep(&self, is_used: impl Fn(&str) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(&is_used) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Begins a body.
    pub(crate) async fn create(&self) -> io::Result<BlobWriter> {
        if self.kind == Store::Hash {
            return Ok(BlobWriter { blob: None, file: None, len: 0 });
        }
        let blob = self.adopt(&random::identifier());
        let file = BufWriter::with_capacity(WRITE_BUFFER, tokio::fs::File::create(&blob.path).await?);
        Ok(BlobWriter { blob: Some(blob), file: Some(file), len: 0 })
    }

    /// Stores `bytes` at once, without the runtime.
    pub(crate) fn put(&self, bytes: &[u8]) -> io::Result<Content> {
        let mut segments = Vec::new();
        if self.kind == Store::Bytes && !bytes.is_empty() {
            let blob = self.adopt(&random::identifier());
            fs::write(&blob.path, bytes)?;
            segments.push(Segment { blob, len: bytes.len() as u64 });
        }
        Ok(Content { segments, size: bytes.len() as u64, hash: ContentHasher::of(bytes) })
    }
}

/// One body on disk; it goes when the last that uses it goes.
#[derive(Debug)]
pub(crate) struct Blob {
    path: PathBuf,
    closing: Arc<AtomicBool>,
}

impl Blob {
    /// The name it is adopted by.
    pub(crate) fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        if !self.closing.load(Ordering::Relaxed) {
            // A body that is gone already, or a folder that cannot be written any more, harms nobody here.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A body being received. Dropped before [`BlobWriter::finish`], it leaves nothing behind.
pub(crate) struct BlobWriter {
    blob: Option<Arc<Blob>>,
    file: Option<BufWriter<tokio::fs::File>>,
    len: u64,
}

impl BlobWriter {
    /// Adds bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.len += bytes.len() as u64;
        match &mut self.file {
            Some(file) => file.write_all(bytes).await,
            None => Ok(()),
        }
    }

    /// The whole body; nothing at all for an empty one, or if only hashes are kept.
    pub(crate) async fn finish(mut self) -> io::Result<Vec<Segment>> {
        if let Some(file) = &mut self.file {
            file.flush().await?;
        }
        let blob = self.blob.filter(|_| self.len > 0);
        Ok(blob.into_iter().map(|blob| Segment { blob, len: self.len }).collect())
    }
}

/// A body as a part of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Segment {
    /// Where the bytes are.
    #[serde(serialize_with = "write_name", deserialize_with = "read_name")]
    pub(crate) blob: Arc<Blob>,
    /// How many.
    pub(crate) len: u64,
}

fn write_name<S: Serializer>(blob: &Arc<Blob>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(blob.name())
}

/// A blob that knows its name only, until [`BlobStore::adopt`] puts the real one in its place.
fn read_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Blob>, D::Error> {
    let path = PathBuf::from(String::deserialize(deserializer)?);
    Ok(Arc::new(Blob { path, closing: Arc::new(AtomicBool::new(true)) }))
}

/// A file's bytes, with what its metadata says of them. The two differ only after `Control::corrupt`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Content {
    /// The bytes, in order; none if only hashes are kept.
    pub(crate) segments: Vec<Segment>,
    /// The size in the metadata.
    pub(crate) size: u64,
    /// The content hash in the metadata.
    pub(crate) hash: String,
}

impl Content {
    /// How many bytes there are to read.
    pub(crate) fn stored(&self) -> u64 {
        self.segments.iter().map(|segment| segment.len).sum()
    }

    /// The pieces of files that make up `length` bytes from `offset`.
    pub(crate) fn slices(&self, offset: u64, length: u64) -> Vec<Slice> {
        let (mut skip, mut wanted) = (offset, length);
        let mut slices = Vec::new();
        for segment in &self.segments {
            let from = skip.min(segment.len);
            let take = wanted.min(segment.len - from);
            if take > 0 {
                slices.push(Slice { blob: segment.blob.clone(), offset: from, len: take });
            }
            skip -= from;
            wanted -= take;
        }
        slices
    }

    /// Everything, without the runtime.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for segment in &self.segments {
            fs::File::open(&segment.blob.path)?.read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    }
}

/// A piece of one body.
#[derive(Debug)]
pub(crate) struct Slice {
    blob: Arc<Blob>,
    /// First byte.
    pub(crate) offset: u64,
    /// How many bytes.
    pub(crate) len: u64,
}

impl Slice {
    /// The file it is in.
    pub(crate) fn path(&self) -> &Path {
        &self.blob.path
    }
}
