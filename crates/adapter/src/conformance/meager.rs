//! A destination that can do the least that dbackup can work with.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use domain::Hashes;
use domain::naming::PARTIAL_PREFIX;
use domain::probe::{Step, Steps};
use pipeline::Counter;

use crate::destination::probe::{space, write_read_delete};
use crate::destination::{
    Capabilities, Companion, Destination, Download, Entry, Expected, Gate, How, Object, OpenGate, Page, Pages, Proof,
    Sealed, Upload, Version, check_path, check_sealed, put,
};
use crate::{Error, Kind};

/// Files per page.
const PAGE_LEN: usize = 2;

type Files = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// Memory that keeps files under the names that their uploads began with. It knows no hash, no version and no room, publishes a
/// pair in two steps, and looks before it publishes, without being sure.
#[derive(Clone, Default)]
pub struct Meager {
    files: Files,
}

impl Meager {
    /// Puts a file there, as another program would.
    pub fn plant(&self, path: &str, content: &'static [u8]) {
        self.with(|files| files.insert(path.to_owned(), Bytes::from_static(content)));
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Bytes>) -> T) -> T {
        act(&mut self.files.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn content(&self, path: &str) -> Result<Option<Bytes>, Error> {
        check_path(path)?;
        Ok(self.with(|files| files.get(path).cloned()))
    }
}

fn entry(content: &Bytes) -> Entry {
    Entry { size: content.len() as u64, ..Entry::default() }
}

#[async_trait]
impl Destination for Meager {
    fn name(&self) -> String {
        "meager:/".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn identity(&self) -> String {
        format!("{:p}", Arc::as_ptr(&self.files))
    }

    async fn create(&self, path: &str) -> Result<Box<dyn Upload>, Error> {
        let (destination, path) = (self.clone(), check_path(path)?.to_owned());
        let gate: Arc<dyn Gate> = Arc::new(OpenGate);
        Ok(Box::new(MeagerUpload {
            destination,
            path,
            content: Vec::new(),
            acknowledged: Counter::default(),
            sealed: false,
            gate,
        }))
    }

    async fn open(&self, path: &str) -> Result<Box<dyn Download>, Error> {
        let content = self.content(path)?.ok_or_else(|| Error::missing(path))?;
        Ok(Box::new(MeagerDownload { entry: entry(&content), left: Some(content) }))
    }

    async fn pages(&self, folder: &str) -> Result<Box<dyn Pages>, Error> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{}/", check_path(folder)?) };
        let is_shown = |path: &str| path.starts_with(&prefix) && !path.contains(PARTIAL_PREFIX);
        let object = |(path, content): (&String, &Bytes)| {
            is_shown(path).then(|| Object { path: path.clone(), size: content.len() as u64, modified: None })
        };
        Ok(Box::new(MeagerPages(self.with(|files| files.iter().filter_map(object).collect()))))
    }

    async fn stat(&self, path: &str) -> Result<Option<Entry>, Error> {
        Ok(self.content(path)?.as_ref().map(entry))
    }

    async fn delete(&self, path: &str, _version: Option<&Version>) -> Result<(), Error> {
        check_path(path)?;
        self.with(|files| files.remove(path));
        Ok(())
    }

    async fn prove(&self, path: &str, _expected: &Expected) -> Result<Proof, Error> {
        let content = self.content(path)?.ok_or_else(|| Error::missing(path))?;
        Ok(Proof { how: How::SizeAndTag, size: content.len() as u64, hashes: Hashes::default() })
    }

    async fn probe(&self, on_step: &(dyn Fn(Step) + Sync)) -> bool {
        let mut steps = Steps::new(on_step);
        write_read_delete(self, &mut steps).await;
        space(self, &mut steps).await;
        steps.passed()
    }
}

struct MeagerUpload {
    destination: Meager,
    path: String,
    content: Vec<u8>,
    acknowledged: Counter,
    sealed: bool,
    gate: Arc<dyn Gate>,
}

#[async_trait]
impl Upload for MeagerUpload {
    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        self.content.extend_from_slice(&piece);
        self.acknowledged.add(piece.len() as u64);
        Ok(())
    }

    fn acknowledged(&self) -> Counter {
        self.acknowledged.clone()
    }

    fn needs_sha256(&self) -> bool {
        false
    }

    fn guard(&mut self, gate: Arc<dyn Gate>) {
        self.gate = gate;
    }

    async fn seal(&mut self, expected: &Expected) -> Result<Sealed, Error> {
        if self.content.len() as u64 != expected.size {
            return Err(Error::new(Kind::Damaged, format!("could not write {}", self.path), "its size is another one"));
        }
        self.sealed = true;
        Ok(Sealed { how: How::SizeAndTag, hashes: Hashes::default() })
    }

    async fn commit(&mut self, path: &str) -> Result<(), Error> {
        check_sealed(self.sealed, path)?;
        if path != self.path {
            let what = format!("could not write {path}");
            return Err(Error::new(Kind::Unsupported, what, format!("the upload began as {}", self.path)));
        }
        self.gate.check().await.map_err(Error::unpublished)?;
        if self.destination.content(path)?.is_some() {
            return Err(Error::taken(path));
        }
        let content = std::mem::take(&mut self.content).into();
        self.destination.with(|files| files.insert(path.to_owned(), content));
        Ok(())
    }

    async fn commit_with(&mut self, path: &str, companion: Companion) -> Result<Result<(), Error>, Error> {
        self.commit(path).await?;
        Ok(put(&self.destination, &companion.path, companion.content).await)
    }
}

struct MeagerDownload {
    entry: Entry,
    left: Option<Bytes>,
}

#[async_trait]
impl Download for MeagerDownload {
    fn entry(&self) -> &Entry {
        &self.entry
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        Ok(self.left.take().filter(|left| !left.is_empty()))
    }
}

struct MeagerPages(VecDeque<Object>);

#[async_trait]
impl Pages for MeagerPages {
    async fn next(&mut self) -> Result<Option<Page>, Error> {
        let length = PAGE_LEN.min(self.0.len());
        let objects: Vec<Object> = self.0.drain(..length).collect();
        Ok((!objects.is_empty()).then(|| Page { objects, ..Page::default() }))
    }
}
