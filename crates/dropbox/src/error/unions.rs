//! The error unions of the files routes, one enum per union of the API specification (files.stone). A variant's text is for
//! the person who reads it.

use serde::Deserialize;

macro_rules! union {
    ($(#[$meta:meta])* $name:ident { $($body:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize, thiserror::Error)]
        #[serde(tag = ".tag", rename_all = "snake_case")]
        #[expect(missing_docs, reason = "the variants are the specification's tags; their texts say what they mean")]
        pub enum $name {
            $($body)*
            #[error("Dropbox refused for a reason that it does not name")]
            #[serde(other)]
            Other,
        }
    };
}

union! {
    /// Why a path could not be looked up.
    LookupError {
        #[error("Dropbox does not accept the path {}", quoted(.malformed_path))]
        MalformedPath { #[serde(default)] malformed_path: Option<String> },
        #[error("there is nothing at this path in Dropbox")]
        NotFound,
        #[error("this path is a folder, not a file")]
        NotFile,
        #[error("this path is a file, not a folder")]
        NotFolder,
        #[error("Dropbox does not hand out this file for legal reasons")]
        RestrictedContent,
        #[error("Dropbox cannot hand out this kind of file")]
        UnsupportedContentType,
        #[error("this file is locked in Dropbox: unlock it there")]
        Locked,
    }
}

union! {
    /// Why a path could not be written.
    WriteError {
        #[error("Dropbox does not accept the path {}", quoted(.malformed_path))]
        MalformedPath { #[serde(default)] malformed_path: Option<String> },
        #[error("the path is taken by {conflict}")]
        Conflict { conflict: WriteConflictError },
        #[error("the account may not write here: choose a folder that it owns or may edit, and check that the app has files.content.write")]
        NoWritePermission,
        #[error("Dropbox is full: free space or enlarge the plan, then run again")]
        InsufficientSpace,
        #[error("Dropbox does not allow this file name")]
        DisallowedName,
        #[error("this is a team folder and cannot be changed so")]
        TeamFolder,
        #[error("Dropbox suppresses changes at this path (the account excludes it from sync)")]
        OperationSuppressed,
        #[error("too many changes to this Dropbox at once: try again in a moment")]
        TooManyWriteOperations,
        #[error("the team's rules do not allow writing here")]
        AccessRestricted,
    }
}

union! {
    /// What a path is taken by.
    WriteConflictError {
        #[error("a file")]
        File,
        #[error("a folder")]
        Folder,
        #[error("a file where a folder is needed")]
        FileAncestor,
    }
}

union! {
    /// `files/upload`.
    UploadError {
        #[error("could not write: {reason}")]
        Path { reason: WriteError, #[serde(default)] upload_session_id: String },
        #[error("the file's properties were refused")]
        PropertiesError,
        #[error("the request was larger than Dropbox takes in one piece (150 MiB)")]
        PayloadTooLarge,
        #[error("the data was damaged on its way to Dropbox")]
        ContentHashMismatch,
        #[error("this folder is end-to-end encrypted by Dropbox and takes no uploads by apps")]
        EncryptionNotSupported,
    }
}

union! {
    /// `files/upload_session/start`.
    UploadSessionStartError {
        #[error("a concurrent upload session cannot start with data")]
        ConcurrentSessionDataNotAllowed,
        #[error("a concurrent upload session cannot be closed at its start")]
        ConcurrentSessionCloseNotAllowed,
        #[error("the request was larger than Dropbox takes in one piece (150 MiB)")]
        PayloadTooLarge,
        #[error("the data was damaged on its way to Dropbox")]
        ContentHashMismatch,
    }
}

union! {
    /// `files/upload_session/append_v2`.
    UploadSessionAppendError {
        #[error("Dropbox has forgotten the upload session (it keeps one for seven days): run again")]
        NotFound,
        #[error("Dropbox expects the upload to go on at byte {correct_offset}")]
        IncorrectOffset { correct_offset: u64 },
        #[error("the upload session is closed already")]
        Closed,
        #[error("the file is larger than Dropbox stores (2,199,019,061,248 bytes)")]
        TooLarge,
        #[error("the piece does not start at a multiple of 4 MiB")]
        ConcurrentSessionInvalidOffset,
        #[error("the piece is not a multiple of 4 MiB")]
        ConcurrentSessionInvalidDataSize,
        #[error("the request was larger than Dropbox takes in one piece (150 MiB)")]
        PayloadTooLarge,
        #[error("the data was damaged on its way to Dropbox")]
        ContentHashMismatch,
    }
}

union! {
    /// Why an upload session could not be finished as it is.
    UploadSessionLookupError {
        #[error("Dropbox has forgotten the upload session (it keeps one for seven days): run again")]
        NotFound,
        #[error("Dropbox holds {correct_offset} bytes of the upload")]
        IncorrectOffset { correct_offset: u64 },
        #[error("the upload session is closed already")]
        Closed,
        #[error("the upload session was not closed")]
        NotClosed,
        #[error("the file is larger than Dropbox stores (2,199,019,061,248 bytes)")]
        TooLarge,
        #[error("the piece does not start at a multiple of 4 MiB")]
        ConcurrentSessionInvalidOffset,
        #[error("the piece is not a multiple of 4 MiB")]
        ConcurrentSessionInvalidDataSize,
        #[error("the request was larger than Dropbox takes in one piece (150 MiB)")]
        PayloadTooLarge,
    }
}

union! {
    /// `files/upload_session/finish`.
    UploadSessionFinishError {
        #[error("could not finish the upload: {lookup_failed}")]
        LookupFailed { lookup_failed: UploadSessionLookupError },
        #[error("could not write: {path}")]
        Path { path: WriteError },
        #[error("the file's properties were refused")]
        PropertiesError,
        #[error("the file would be shared to too many folders")]
        TooManySharedFolderTargets,
        #[error("too many changes to this Dropbox at once: try again in a moment")]
        TooManyWriteOperations,
        #[error("a concurrent upload session cannot be finished with data")]
        ConcurrentSessionDataNotAllowed,
        #[error("the concurrent upload session was not closed")]
        ConcurrentSessionNotClosed,
        #[error("the concurrent upload session misses data")]
        ConcurrentSessionMissingData,
        #[error("the request was larger than Dropbox takes in one piece (150 MiB)")]
        PayloadTooLarge,
        #[error("the data was damaged on its way to Dropbox")]
        ContentHashMismatch,
        #[error("this folder is end-to-end encrypted by Dropbox and takes no uploads by apps")]
        EncryptionNotSupported,
    }
}

union! {
    /// `files/download`.
    DownloadError {
        #[error("could not read: {path}")]
        Path { path: LookupError },
        #[error("Dropbox cannot hand out this kind of file")]
        UnsupportedFile,
    }
}

union! {
    /// `files/get_metadata`.
    GetMetadataError {
        #[error("could not look up: {path}")]
        Path { path: LookupError },
    }
}

union! {
    /// `files/list_folder`.
    ListFolderError {
        #[error("could not list: {path}")]
        Path { path: LookupError },
        #[error("the listing's template was refused")]
        TemplateError,
    }
}

union! {
    /// `files/list_folder/continue`.
    ListFolderContinueError {
        #[error("could not go on listing: {path}")]
        Path { path: LookupError },
        #[error("Dropbox asks to start the listing again")]
        Reset,
    }
}

union! {
    /// `files/create_folder_v2`.
    CreateFolderError {
        #[error("could not create the folder: {path}")]
        Path { path: WriteError },
    }
}

union! {
    /// `files/delete_v2`.
    DeleteError {
        #[error("could not delete: {path_lookup}")]
        PathLookup { path_lookup: LookupError },
        #[error("could not delete: {path_write}")]
        PathWrite { path_write: WriteError },
        #[error("too many changes to this Dropbox at once: try again in a moment")]
        TooManyWriteOperations,
        #[error("the folder holds more files than Dropbox deletes at once")]
        TooManyFiles,
    }
}

union! {
    /// The refusal of a route that defines none.
    UnspecifiedError {}
}

fn quoted(path: &Option<String>) -> String {
    path.as_ref()
        .map_or_else(|| "(too long, or with characters it does not know)".to_owned(), |path| format!("'{path}'"))
}
