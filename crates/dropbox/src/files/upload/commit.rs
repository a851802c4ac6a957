//! The last call of an upload, alone or with a companion.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::session::start;
use super::{Upload, Whole, broken};
use crate::body::Payload;
use crate::content_hash::ContentHasher;
use crate::error::Error;
use crate::files::FileMetadata;
use crate::files::gate::prepared;
use crate::files::publication::{Content, Entry, prove, publish};
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

impl Upload {
    /// Makes the file visible at `path`, and proves that Dropbox holds what was written: its content hash must be ours, or
    /// the file is removed again.
    ///
    /// # Errors
    /// [`Error::is_conflict`] if the path is taken: nothing is lost, commit again under another. [`Error::ContentMismatch`].
    /// [`Error::Stopped`] if the gate closed before anything was published, [`Error::Unsettled`] if an attempt had no answer until then.
    /// As [`Upload::write`].
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
                Content::File(_) => Err(broken("an upload of what is at Dropbox already")),
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
