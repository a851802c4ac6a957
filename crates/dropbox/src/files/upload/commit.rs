//! The last call, which makes files visible, and the proof that they are what was written.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::session::start;
use super::wire::{CommitInfo, Cursor, Finish, FinishBatch, FinishedBatch, FinishedEntry, UploadArg};
use super::{Content, Upload, Whole, broken};
use crate::body::{Flow, Payload};
use crate::client::Client;
use crate::content_hash::ContentHasher;
use crate::error::{Error, RouteError, UnspecifiedError, UploadError, UploadSessionFinishError};
use crate::files::gate::{Gate, prepared};
use crate::files::{FileMetadata, Metadata};
use crate::retry::Progress;

/// A small file that becomes visible in the same call as the upload: the description of a backup, for instance.
#[derive(Debug, Clone)]
pub struct Companion {
    /// Where.
    pub path: String,
    /// All of it.
    pub content: Bytes,
}

/// What became of an upload and its companion.
#[derive(Debug)]
pub struct Committed {
    /// The upload, visible and proved.
    pub file: FileMetadata,
    /// The companion, or why it is not there.
    pub companion: Result<FileMetadata, Error>,
}

/// A file to be made visible.
struct Entry<'a> {
    path: &'a str,
    size: u64,
    content_hash: &'a str,
    content: Content,
}

/// What became of an entry; none if nothing has been decided.
type Outcome = Option<Result<FileMetadata, Error>>;

impl Upload {
    /// Makes the file visible at `path`, and proves that Dropbox holds what was written: its content hash must be ours, or
    /// the file is removed again.
    ///
    /// # Errors
    /// [`Error::is_conflict`] if the path is taken: nothing is lost, commit again under another. [`Error::ContentMismatch`].
    /// [`Error::Stopped`] if the gate closed before anything was published. As [`Upload::write`].
    pub async fn commit(&mut self, path: &str) -> Result<FileMetadata, Error> {
        self.seal().await?;
        let whole = sealed(&self.whole)?;
        let entry = Entry { path, size: whole.size, content_hash: &whole.content_hash, content: whole.content.clone() };
        let progress = self.fresh_progress();
        let outcome = publish(&self.client, &progress, std::slice::from_ref(&entry), &*self.gate).await.pop().flatten();
        let proved =
            prove(&self.client, &entry, outcome.unwrap_or_else(|| Err(broken("a commit without an outcome")))).await;
        proved.inspect(|file| self.acknowledged.store(file.size, Ordering::Relaxed))
    }

    /// The same with a companion: both become visible in one call, and the companion never without the file.
    ///
    /// # Errors
    /// As [`Upload::commit`]; that only the companion is missing is in [`Committed::companion`].
    pub async fn commit_with(&mut self, path: &str, companion: &Companion) -> Result<Committed, Error> {
        self.seal().await?;
        let (client, progress, gate) = (self.client.clone(), self.fresh_progress(), Arc::clone(&self.gate));
        let whole = self.whole.as_mut().ok_or_else(|| broken("an upload that is not sealed"))?;
        let companion_hash = ContentHasher::of(&companion.content);
        let small = Payload::from(companion.content.clone());
        // Neither changes the namespace, so both go at once.
        let own_session = async {
            match &whole.content {
                Content::Here(payload) => start(&client, &progress, Some((payload, &whole.content_hash))).await,
                Content::Session(id) => Ok(id.clone()),
            }
        };
        let sessions =
            async { tokio::try_join!(own_session, start(&client, &progress, Some((&small, &companion_hash)))) };
        let (own_session, companion_session) = prepared(&*gate, Box::pin(sessions)).await?;
        whole.content = Content::Session(own_session);
        self.acknowledged.store(whole.size, Ordering::Relaxed);
        let entries = [
            Entry { path, size: whole.size, content_hash: &whole.content_hash, content: whole.content.clone() },
            Entry {
                path: &companion.path,
                size: small.len(),
                content_hash: &companion_hash,
                content: Content::Session(companion_session),
            },
        ];
        let mut outcomes = publish(&client, &progress, &entries, &*gate).await.into_iter();
        let (file, beside) = (outcomes.next().flatten(), outcomes.next().flatten());
        let file =
            prove(&client, &entries[0], file.unwrap_or_else(|| Err(broken("a commit without an outcome")))).await;
        match (file, beside) {
            (Ok(file), beside) => {
                let beside = beside.unwrap_or_else(|| Err(broken("a commit without an outcome")));
                Ok(Committed { file, companion: prove(&client, &entries[1], beside).await })
            }
            // The companion of a file that is not there describes nothing.
            (Err(error), Some(Ok(_))) => client.delete(&companion.path).await.and(Err(error)),
            (Err(error), _) => Err(error),
        }
    }

    /// Patience for the commit begins with it.
    fn fresh_progress(&self) -> Progress {
        Progress::new(self.client.settings().timeouts.stall)
    }
}

fn sealed(whole: &Option<Whole>) -> Result<&Whole, Error> {
    whole.as_ref().ok_or_else(|| broken("an upload that is not sealed"))
}

/// Compares Dropbox's hash with ours; a file that is not what was written is removed.
async fn prove(
    client: &Client,
    entry: &Entry<'_>,
    outcome: Result<FileMetadata, Error>,
) -> Result<FileMetadata, Error> {
    let file = outcome?;
    let found = match &file.content_hash {
        Some(hash) => hash.to_ascii_lowercase(),
        None if file.size == entry.size => client.hash_by_reading(&file).await?,
        None => format!("{} bytes", file.size),
    };
    if found == entry.content_hash && file.size == entry.size {
        return Ok(file);
    }
    let found = match client.delete_revision(entry.path, Some(&file.rev)).await {
        Ok(()) => found,
        Err(error) => format!("{found} (and it could not be removed: {error})"),
    };
    let expected = entry.content_hash.to_owned();
    Err(Error::ContentMismatch { path: entry.path.to_owned(), transferred: "sent", expected, found })
}

/// Commits entries until each is there or has met something final.
async fn publish(client: &Client, progress: &Progress, entries: &[Entry<'_>], gate: &dyn Gate) -> Vec<Outcome> {
    let outcomes = entries.iter().map(|_| None).collect();
    let publication = Publication { client, progress, entries, gate, outcomes, retry: 0, ambiguous: false };
    publication.run().await
}

/// Entries on their way to be visible.
struct Publication<'a> {
    client: &'a Client,
    progress: &'a Progress,
    entries: &'a [Entry<'a>],
    gate: &'a dyn Gate,
    outcomes: Vec<Outcome>,
    retry: u32,
    /// An answer was lost: what it was about may have happened.
    ambiguous: bool,
}

/// Refusals of one attempt, by the entry's index.
type Refusals = Vec<(usize, Error)>;

impl Publication<'_> {
    async fn run(mut self) -> Vec<Outcome> {
        loop {
            let pending: Vec<usize> = (0..self.entries.len()).filter(|index| self.outcomes[*index].is_none()).collect();
            let Some(&first) = pending.first() else { return self.outcomes };
            let refusals = self.attempt(pending).await;
            self.ambiguous |= refusals.iter().any(|(_, error)| error.is_ambiguous());
            if self.ambiguous
                && let Err(error) = self.settle(&refusals).await
            {
                self.outcomes[first] = Some(Err(error));
                return self.outcomes;
            }
            let passing = self.sort(refusals);
            // Without the first file the others mean nothing.
            if matches!(self.outcomes[0], Some(Err(_))) {
                return self.outcomes;
            }
            let Some(error) = passing else { continue };
            if let Err(error) = self.wait(error).await {
                let open = self.outcomes.iter().position(Option::is_none).unwrap_or(first);
                self.outcomes[open] = Some(Err(error));
                return self.outcomes;
            }
            self.retry = self.retry.saturating_add(1);
        }
    }

    /// The gate, until the first file is there: its companion is never left out.
    fn gate(&self) -> Option<&dyn Gate> {
        self.outcomes[0].is_none().then_some(self.gate)
    }

    /// Waits before the next attempt, which finds the gate closed if that ended the wait.
    async fn wait(&self, error: Error) -> Result<(), Error> {
        let waiting = self.client.settings().retry.wait_in_transfer(error, self.retry, self.progress);
        let Some(gate) = self.gate() else { return waiting.await };
        tokio::select! {
            biased;
            () = gate.closed() => Ok(()),
            waited = waiting => waited,
        }
    }

    async fn attempt(&mut self, pending: Vec<usize>) -> Refusals {
        let first = pending.first().copied().unwrap_or_default();
        let entries = pending.iter().map(|index| &self.entries[*index]).collect();
        match publish_once(self.client, entries, self.gate()).await {
            Err(error) => vec![(first, error)],
            Ok(results) => {
                let mut refusals = Refusals::new();
                for (index, result) in pending.into_iter().zip(results) {
                    match result {
                        Ok(file) => self.outcomes[index] = Some(Ok(file)),
                        Err(error) => refusals.push((index, error)),
                    }
                }
                refusals
            }
        }
    }

    /// Looks whether an unanswered commit happened. The file is ours if it has our hash. It is ours, too, if it has our size and
    /// the session is gone, for only the commit ends a session: then its hash is for [`prove`] to judge.
    async fn settle(&mut self, refusals: &Refusals) -> Result<(), Error> {
        for (index, entry) in self.entries.iter().enumerate() {
            if self.outcomes[index].is_some() {
                continue;
            }
            let Some(Metadata::File(file)) = self.client.metadata(entry.path).await? else { continue };
            let is_gone = refusals.iter().any(|(refused, error)| *refused == index && is_lookup_failed(error));
            if file.size == entry.size && (is_gone || file.has_hash(entry.content_hash) == Some(true)) {
                self.outcomes[index] = Some(Ok(file));
            }
        }
        Ok(())
    }

    /// Makes final what is final; returns one of the errors that may pass.
    fn sort(&mut self, refusals: Refusals) -> Option<Error> {
        let mut passing = None;
        for (index, error) in refusals {
            if self.outcomes[index].is_some() {
                continue;
            }
            let damaged = error.is_damaged() && self.retry < self.client.settings().retry.retries;
            // Dropbox may still be at the commit whose answer was lost: the session is gone, the file not there yet.
            let unfinished = self.ambiguous && is_lookup_failed(&error);
            if error.is_transient() || error.is_ambiguous() || damaged || unfinished {
                passing = Some(error);
            } else {
                self.outcomes[index] = Some(Err(error));
            }
        }
        passing
    }
}

/// One try. What befalls one entry of several is in its place.
async fn publish_once(
    client: &Client,
    entries: Vec<&Entry<'_>>,
    gate: Option<&dyn Gate>,
) -> Result<Vec<Result<FileMetadata, Error>>, Error> {
    let flow = Arc::new(Flow::default());
    if let [entry] = entries[..] {
        let (commit, nothing) = (CommitInfo::add(entry.path), Payload::default());
        let file = match &entry.content {
            Content::Here(payload) => {
                let upload = UploadArg { commit, content_hash: entry.content_hash };
                client.upload_once::<_, _, UploadError>("files/upload", &upload, payload, &flow, gate).await
            }
            Content::Session(id) => {
                let finish = Finish { cursor: Cursor { session_id: id, offset: entry.size }, commit };
                let route = "files/upload_session/finish";
                client.upload_once::<_, _, UploadSessionFinishError>(route, &finish, &nothing, &flow, gate).await
            }
        };
        return file.map(|file| vec![Ok(file)]);
    }
    publish_batch(client, entries, gate).await
}

async fn publish_batch(
    client: &Client,
    entries: Vec<&Entry<'_>>,
    gate: Option<&dyn Gate>,
) -> Result<Vec<Result<FileMetadata, Error>>, Error> {
    let route = "files/upload_session/finish_batch_v2";
    let mut batch = FinishBatch { entries: Vec::with_capacity(entries.len()) };
    for entry in &entries {
        let Content::Session(session_id) = &entry.content else { return Err(broken("a batch without sessions")) };
        let cursor = Cursor { session_id, offset: entry.size };
        batch.entries.push(Finish { cursor, commit: CommitInfo::add(entry.path) });
    }
    let finished: FinishedBatch = client.rpc_once::<_, _, UnspecifiedError>(route, &batch, gate).await?;
    if finished.entries.len() != entries.len() {
        let reason = format!("{} results for {} files", finished.entries.len(), entries.len());
        return Err(Error::UnexpectedAnswer { route: route.to_owned(), reason });
    }
    let refused =
        |error: UploadSessionFinishError| Error::Route { route: route.to_owned(), error: error.into(), message: None };
    let results = finished.entries.into_iter().map(|entry| match entry {
        FinishedEntry::Success(file) => Ok(file),
        FinishedEntry::Failure { failure } => Err(refused(failure)),
        FinishedEntry::Other => Err(refused(UploadSessionFinishError::Other)),
    });
    Ok(results.collect())
}

fn is_lookup_failed(error: &Error) -> bool {
    matches!(
        error,
        Error::Route { error: RouteError::SessionFinish(UploadSessionFinishError::LookupFailed { .. }), .. }
    )
}
