//! The arguments and answers of the upload routes (SRC: files.stone).

use serde::{Deserialize, Serialize};

use crate::error::UploadSessionFinishError;
use crate::files::FileMetadata;
use crate::files::path::RemotePath;

/// What becomes visible, and where.
#[derive(Serialize)]
pub(in crate::files) struct CommitInfo<'a> {
    path: RemotePath<'a>,
    mode: &'static str,
    autorename: bool,
    mute: bool,
    strict_conflict: bool,
}

impl<'a> CommitInfo<'a> {
    /// Adds a file; whatever lies there already, even the same content, is a conflict.
    pub(in crate::files) fn add(path: &'a str) -> Self {
        Self { path: RemotePath::new(path), mode: "add", autorename: false, mute: true, strict_conflict: true }
    }
}

/// `files/upload`.
#[derive(Serialize)]
pub(in crate::files) struct UploadArg<'a> {
    #[serde(flatten)]
    pub(in crate::files) commit: CommitInfo<'a>,
    pub(in crate::files) content_hash: &'a str,
}

/// `files/upload_session/start`.
#[derive(Serialize)]
pub(in crate::files) struct Start<'a> {
    pub(in crate::files) close: bool,
    pub(in crate::files) session_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::files) content_hash: Option<&'a str>,
}

#[derive(Deserialize)]
pub(in crate::files) struct Started {
    pub(in crate::files) session_id: String,
}

#[derive(Serialize)]
pub(in crate::files) struct Cursor<'a> {
    pub(in crate::files) session_id: &'a str,
    pub(in crate::files) offset: u64,
}

/// `files/upload_session/append_v2`.
#[derive(Serialize)]
pub(in crate::files) struct Append<'a> {
    pub(in crate::files) cursor: Cursor<'a>,
    pub(in crate::files) close: bool,
    pub(in crate::files) content_hash: &'a str,
}

/// `files/upload_session/finish`, and one entry of `finish_batch_v2`.
#[derive(Serialize)]
pub(in crate::files) struct Finish<'a> {
    pub(in crate::files) cursor: Cursor<'a>,
    pub(in crate::files) commit: CommitInfo<'a>,
}

/// `files/upload_session/finish_batch_v2`.
#[derive(Serialize)]
pub(in crate::files) struct FinishBatch<'a> {
    pub(in crate::files) entries: Vec<Finish<'a>>,
}

#[derive(Deserialize)]
pub(in crate::files) struct FinishedBatch {
    pub(in crate::files) entries: Vec<FinishedEntry>,
}

#[derive(Deserialize)]
#[serde(tag = ".tag", rename_all = "snake_case")]
pub(in crate::files) enum FinishedEntry {
    Success(FileMetadata),
    Failure {
        failure: UploadSessionFinishError,
    },
    #[serde(other)]
    Other,
}
