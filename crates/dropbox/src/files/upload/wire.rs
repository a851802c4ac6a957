//! The arguments and answers of the upload routes (SRC: files.stone).

use serde::{Deserialize, Serialize};

use crate::error::UploadSessionFinishError;
use crate::files::FileMetadata;
use crate::files::path::RemotePath;

/// What becomes visible, and where.
#[derive(Serialize)]
pub(super) struct CommitInfo<'a> {
    path: RemotePath<'a>,
    mode: &'static str,
    autorename: bool,
    mute: bool,
    strict_conflict: bool,
}

impl<'a> CommitInfo<'a> {
    /// Adds a file; whatever lies there already, even the same content, is a conflict.
    pub(super) fn add(path: &'a str) -> Self {
        Self { path: RemotePath::new(path), mode: "add", autorename: false, mute: true, strict_conflict: true }
    }
}

/// `files/upload`.
#[derive(Serialize)]
pub(super) struct UploadArg<'a> {
    #[serde(flatten)]
    pub(super) commit: CommitInfo<'a>,
    pub(super) content_hash: &'a str,
}

/// `files/upload_session/start`.
#[derive(Serialize)]
pub(super) struct Start<'a> {
    pub(super) close: bool,
    pub(super) session_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_hash: Option<&'a str>,
}

#[derive(Deserialize)]
pub(super) struct Started {
    pub(super) session_id: String,
}

#[derive(Serialize)]
pub(super) struct Cursor<'a> {
    pub(super) session_id: &'a str,
    pub(super) offset: u64,
}

/// `files/upload_session/append_v2`.
#[derive(Serialize)]
pub(super) struct Append<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) close: bool,
    pub(super) content_hash: &'a str,
}

/// `files/upload_session/finish`, and one entry of `finish_batch_v2`.
#[derive(Serialize)]
pub(super) struct Finish<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) commit: CommitInfo<'a>,
}

/// `files/upload_session/finish_batch_v2`.
#[derive(Serialize)]
pub(super) struct FinishBatch<'a> {
    pub(super) entries: Vec<Finish<'a>>,
}

#[derive(Deserialize)]
pub(super) struct FinishedBatch {
    pub(super) entries: Vec<FinishedEntry>,
}

#[derive(Deserialize)]
#[serde(tag = ".tag", rename_all = "snake_case")]
pub(super) enum FinishedEntry {
    Success(FileMetadata),
    Failure {
        failure: UploadSessionFinishError,
    },
    #[serde(other)]
    Other,
}
