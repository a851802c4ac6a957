//! Dropbox's error unions, as they go over the wire: `.tag` names the case, a case with a union inside repeats its own
//! name as the field. Source: files.stone and auth.stone of dropbox/dropbox-api-spec.

use serde::Serialize;

/// A union that a route answers with under HTTP 409.
pub(crate) trait RouteError: Serialize {}

macro_rules! unions {
    ($($(#[$doc:meta])* $name:ident { $($body:tt)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(tag = ".tag", rename_all = "snake_case")]
        pub(crate) enum $name { $($body)* }
        impl RouteError for $name {}
    )*};
}

unions! {
    /// A path that is to be read.
    LookupError { MalformedPath, NotFound, NotFile, NotFolder }

    /// What stands where something is to be written.
    Conflict { File, Folder, FileAncestor }

    /// A path that is to be written.
    WriteError {
        MalformedPath, Conflict { conflict: Conflict }, NoWritePermission, InsufficientSpace, DisallowedName,
    }

    /// Of `upload`.
    UploadError { Path(UploadWriteFailed), PayloadTooLarge, ContentHashMismatch }

    /// Of `upload_session/start`.
    StartError {
        ConcurrentSessionDataNotAllowed, ConcurrentSessionCloseNotAllowed, PayloadTooLarge, ContentHashMismatch,
    }

    /// Of `upload_session/append_v2`, and inside of [`FinishError`].
    SessionError {
        NotFound, IncorrectOffset { correct_offset: u64 }, Closed, NotClosed, TooLarge, ConcurrentSessionInvalidOffset,
        ConcurrentSessionInvalidDataSize, PayloadTooLarge, ContentHashMismatch,
    }

    /// Of `upload_session/append_batch` as a whole.
    AppendBatchError { PayloadTooLarge, ContentHashMismatch, LengthMismatch }

    /// Of `upload_session/finish` and of each entry of `finish_batch_v2`.
    FinishError {
        LookupFailed { lookup_failed: SessionError }, Path { path: WriteError }, ConcurrentSessionDataNotAllowed,
        ConcurrentSessionNotClosed, ConcurrentSessionMissingData, PayloadTooLarge, ContentHashMismatch,
    }

    /// Of the routes that read one path: `get_metadata`, `download`, `list_folder`, `get_temporary_link`.
    ReadError { Path { path: LookupError } }

    /// Of `download`, for a range outside of the file. Undocumented; the Go SDK looks for this under 409.
    RangeError { Range { range: RangeProblem } }

    /// The only one.
    RangeProblem { NotSatisfiable }

    /// Of `list_folder/continue`.
    ListContinueError { Path { path: LookupError }, Reset }

    /// Of `list_folder/longpoll`.
    LongpollError { Reset }

    /// Of `create_folder_v2`.
    CreateFolderError { Path { path: WriteError } }

    /// Of `delete_v2` and of each entry of `delete_batch`.
    DeleteError { PathLookup { path_lookup: LookupError }, PathWrite { path_write: WriteError } }

    /// Of `move_v2` and `copy_v2`.
    RelocationError {
        FromLookup { from_lookup: LookupError }, To { to: WriteError }, CantMoveFolderIntoItself,
        DuplicatedOrNestedPaths, InsufficientQuota, TooManyFiles,
    }

    /// Of the `check` routes.
    PollError { InvalidAsyncJobId }
}

/// A file that could not be named; its bytes wait in a session that `finish` can name without sending them again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct UploadWriteFailed {
    /// Why.
    pub(crate) reason: WriteError,
    /// The session, or an empty string for a path that can never be written.
    pub(crate) upload_session_id: String,
}

impl WriteError {
    /// `conflict` with what stands there.
    pub(crate) fn conflict(conflict: Conflict) -> WriteError {
        WriteError::Conflict { conflict }
    }
}

impl From<SessionError> for FinishError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::PayloadTooLarge => FinishError::PayloadTooLarge,
            SessionError::ContentHashMismatch => FinishError::ContentHashMismatch,
            lookup_failed => FinishError::LookupFailed { lookup_failed },
        }
    }
}
