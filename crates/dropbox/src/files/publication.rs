//! The calls that make files visible, without overwriting, and the proof that they are what they have to be.

use std::sync::Arc;

use super::gate::Gate;
use super::upload::broken;
use super::upload::wire::{CommitInfo, Cursor, Finish, FinishBatch, FinishedBatch, FinishedEntry, UploadArg};
use super::{FileMetadata, Metadata};
use crate::body::{Flow, Payload};
use crate::client::Client;
use crate::error::{
    Error, LookupError, RelocationError, RouteError, UnspecifiedError, UploadError, UploadSessionFinishError,
};
use crate::retry::Progress;

/// A file to be made visible.
pub(super) struct Entry<'a> {
    pub(super) path: &'a str,
    /// Bytes.
    pub(super) size: u64,
    pub(super) content_hash: &'a str,
    pub(super) content: Content,
}

/// Where a file's content is until it is visible.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// Here: it goes up with the commit.
    Here(Payload),
    /// In a session at Dropbox.
    Session(String),
    /// In another file at Dropbox, at this path.
    File(String),
}

/// What became of an entry; `None` if nothing has been decided.
pub(super) type Outcome = Option<Result<FileMetadata, Error>>;

/// Compares Dropbox's hash with the expected one; a file that has another one is removed.
pub(super) async fn prove(
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
    let transferred = if matches!(entry.content, Content::File(_)) { "to be copied" } else { "sent" };
    Err(Error::ContentMismatch { path: entry.path.to_owned(), transferred, expected, found })
}

/// Commits entries until each is there or has met something final.
pub(super) async fn publish(
    client: &Client,
    progress: &Progress,
    entries: &[Entry<'_>],
    gate: &dyn Gate,
) -> Vec<Outcome> {
    let outcomes = entries.iter().map(|_| None).collect();
    let publication =
        Publication { client, progress, entries, gate, outcomes, retry: 0, ambiguous: false, unanswered: false };
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
    /// An attempt had no answer at all: Dropbox may still be at it.
    unanswered: bool,
}

/// Refusals of one attempt, by the entry's index.
type Refusals = Vec<(usize, Error)>;

impl Publication<'_> {
    async fn run(mut self) -> Vec<Outcome> {
        self.attempts().await;
        if self.unanswered {
            for (entry, outcome) in self.entries.iter().zip(&mut self.outcomes) {
                if let Some(Err(error)) = outcome
                    && error.decides_nothing()
                {
                    *error = Error::Unsettled { path: entry.path.to_owned(), cause: Box::new(error.clone()) };
                }
            }
        }
        self.outcomes
    }

    async fn attempts(&mut self) {
        loop {
            let pending: Vec<usize> = (0..self.entries.len()).filter(|index| self.outcomes[*index].is_none()).collect();
            let Some(&first) = pending.first() else { return };
            let refusals = self.attempt(pending).await;
            self.ambiguous |= refusals.iter().any(|(_, error)| error.is_ambiguous());
            self.unanswered |= refusals.iter().any(|(_, error)| error.is_unanswered());
            if self.ambiguous
                && let Err(error) = self.settle(&refusals).await
            {
                self.outcomes[first] = Some(Err(error));
                return;
            }
            let passing = self.sort(refusals);
            // Without the first file the others mean nothing.
            if matches!(self.outcomes[0], Some(Err(_))) {
                return;
            }
            let Some(error) = passing else { continue };
            if let Err(error) = self.wait(error).await {
                let open = self.outcomes.iter().position(Option::is_none).unwrap_or(first);
                self.outcomes[open] = Some(Err(error));
                return;
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
            // An original that was found a moment ago: Dropbox may not see it everywhere yet (ISSUE rclone#8881).
            let unseen = is_original_unseen(&error) && self.retry < self.client.settings().retry.retries;
            if error.is_transient() || error.is_ambiguous() || damaged || unfinished || unseen {
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
            Content::File(from) => client.copy_once(from, entry.path, gate).await,
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

fn is_original_unseen(error: &Error) -> bool {
    matches!(
        error,
        Error::Route {
            error: RouteError::Relocation(RelocationError::FromLookup { from_lookup: LookupError::NotFound }),
            ..
        }
    )
}

fn is_lookup_failed(error: &Error) -> bool {
    matches!(
        error,
        Error::Route { error: RouteError::SessionFinish(UploadSessionFinishError::LookupFailed { .. }), .. }
    )
}
