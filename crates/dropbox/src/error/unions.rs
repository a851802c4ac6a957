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
        IncorrectOffset { #[serde(deserialize_with = "crate::lenient::number")] correct_offset: u64 },
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
        IncorrectOffset { #[serde(deserialize_with = "crate::lenient::number")] correct_offset: u64 },
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
    /// `files/copy_v2`.
    RelocationError {
        #[error("could not read the original: {from_lookup}")]
        FromLookup { from_lookup: LookupError },
        #[error("could not read the original: {from_write}")]
        FromWrite { from_write: WriteError },
        #[error("could not write: {to}")]
        To { to: WriteError },
        #[error("Dropbox does not copy shared folders: copy the files in it one by one")]
        CantCopySharedFolder,
        #[error("a shared folder cannot lie in another shared folder: choose a folder that is not shared")]
        CantNestSharedFolder,
        #[error("a folder cannot be copied into itself: choose another folder")]
        CantMoveFolderIntoItself,
        #[error("it would copy more than 10,000 files and folders, which Dropbox does not do at once")]
        TooManyFiles,
        #[error("original and copy are the same path, or one lies in the other: choose another folder")]
        DuplicatedOrNestedPaths,
        #[error("it would change who owns the file: choose a folder of the same owner")]
        CantTransferOwnership,
        #[error("Dropbox is full: free space or enlarge the plan, then run again")]
        InsufficientQuota,
        #[error("Dropbox had an internal error while copying: try again later")]
        InternalError,
        #[error("this shared folder cannot be moved there: choose another folder")]
        CantMoveSharedFolder,
        #[error("Dropbox does not put this file into the Vault: choose a folder outside of it")]
        CantMoveIntoVault,
        #[error("Dropbox does not put this file into the Family Room: choose a folder outside of it")]
        CantMoveIntoFamily,
        #[error("too many changes to this Dropbox at once: try again in a moment")]
        TooManyWriteOperations,
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

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};

    use serde::de::DeserializeOwned;

    use super::*;
    use crate::error::{AccessError, AuthError, PathRootError};

    /// Every tag is a variant of its own, whose text is a sentence; one that nobody knows yet is `Other`.
    fn knows<E: DeserializeOwned + Debug + Display>(tags: &[&str]) {
        // Whatever a variant may carry; `malformed_path` is a tag of looking up and of writing. A reader ignores the rest.
        let carried = r#""correct_offset":1,"required_scope":"s","reason":{".tag":"malformed_path"},"conflict":{".tag":"file"},
            "path":{".tag":"malformed_path"},"lookup_failed":{".tag":"closed"},"from_lookup":{".tag":"not_found"},
            "from_write":{".tag":"team_folder"},"to":{".tag":"team_folder"},"path_lookup":{".tag":"not_found"},
            "path_write":{".tag":"team_folder"}"#;
        for tag in tags {
            let error: E = serde_json::from_str(&format!(r#"{{".tag":"{tag}",{carried}}}"#)).unwrap();
            assert_ne!(format!("{error:?}"), "Other", "{tag}");
            assert!(error.to_string().len() > 5 && !error.to_string().contains("does not name"), "{tag}: {error}");
        }
        let unknown: E = serde_json::from_str(r#"{".tag":"added_next_year","with":{"more":1}}"#).unwrap();
        assert_eq!(format!("{unknown:?}"), "Other");
    }

    #[test]
    fn every_tag_of_the_specification_is_known() {
        let append = [
            "not_found",
            "incorrect_offset",
            "closed",
            "too_large",
            "concurrent_session_invalid_offset",
            "concurrent_session_invalid_data_size",
        ];
        knows::<UploadSessionAppendError>(&[&append[..], &["payload_too_large", "content_hash_mismatch"]].concat());
        knows::<UploadSessionLookupError>(&[&append[..], &["not_closed", "payload_too_large"]].concat());
        knows::<UploadSessionStartError>(&[
            "concurrent_session_data_not_allowed",
            "concurrent_session_close_not_allowed",
            "payload_too_large",
            "content_hash_mismatch",
        ]);
        knows::<UploadSessionFinishError>(&[
            "lookup_failed",
            "path",
            "properties_error",
            "too_many_shared_folder_targets",
            "too_many_write_operations",
            "concurrent_session_data_not_allowed",
            "concurrent_session_not_closed",
            "concurrent_session_missing_data",
            "payload_too_large",
            "content_hash_mismatch",
            "encryption_not_supported",
        ]);
        knows::<UploadError>(&[
            "path",
            "properties_error",
            "payload_too_large",
            "content_hash_mismatch",
            "encryption_not_supported",
        ]);
        knows::<WriteError>(&[
            "malformed_path",
            "conflict",
            "no_write_permission",
            "insufficient_space",
            "disallowed_name",
            "team_folder",
            "operation_suppressed",
            "too_many_write_operations",
            "access_restricted",
        ]);
        knows::<WriteConflictError>(&["file", "folder", "file_ancestor"]);
        knows::<LookupError>(&[
            "malformed_path",
            "not_found",
            "not_file",
            "not_folder",
            "restricted_content",
            "unsupported_content_type",
            "locked",
        ]);
        knows::<DeleteError>(&["path_lookup", "path_write", "too_many_write_operations", "too_many_files"]);
        knows::<RelocationError>(&[
            "from_lookup",
            "from_write",
            "to",
            "cant_copy_shared_folder",
            "cant_nest_shared_folder",
            "cant_move_folder_into_itself",
            "too_many_files",
            "duplicated_or_nested_paths",
            "cant_transfer_ownership",
            "insufficient_quota",
            "internal_error",
            "cant_move_shared_folder",
            "cant_move_into_vault",
            "cant_move_into_family",
            // Of the batch only, by the specification.
            "too_many_write_operations",
        ]);
        knows::<CreateFolderError>(&["path"]);
        knows::<GetMetadataError>(&["path"]);
        knows::<DownloadError>(&["path", "unsupported_file"]);
        knows::<ListFolderError>(&["path", "template_error"]);
        knows::<ListFolderContinueError>(&["path", "reset"]);
        knows::<AuthError>(&[
            "invalid_access_token",
            "invalid_select_user",
            "invalid_select_admin",
            "user_suspended",
            "expired_access_token",
            "missing_scope",
            "route_access_denied",
        ]);
        knows::<AccessError>(&["invalid_account_type", "paper_access_denied", "team_access_denied", "no_permission"]);
        knows::<PathRootError>(&["invalid_root", "no_permission"]);
    }
}
