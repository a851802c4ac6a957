//! What an error means for a caller: what to do next, whether to try again, whether it may have happened all the same.

use std::time::Duration;

use super::{
    AuthError, CreateFolderError, DeleteError, DownloadError, Error, GetMetadataError, ListFolderContinueError,
    ListFolderError, LookupError, RateLimitReason, RelocationError, RouteError, UploadError, UploadSessionAppendError,
    UploadSessionFinishError, UploadSessionStartError, WriteConflictError, WriteError,
};

impl Error {
    /// Whether only a new authorization helps: there is none yet, or its grant is gone. A 401 does not say so, nor does a
    /// missing scope ([`Error::missing_scope`]) or an unknown app ([`Error::invalid_client`]).
    pub fn needs_login(&self) -> bool {
        matches!(self.cause(), Self::NotAuthorized) || self.grant_revoked()
    }

    /// Whether the token endpoint says that the grant is gone (`invalid_grant`). Nothing else proves it.
    pub fn grant_revoked(&self) -> bool {
        matches!(self.cause(), Self::OAuth(error) if error.is_invalid_grant())
    }

    /// The scope that the call needs and the grant lacks.
    pub fn missing_scope(&self) -> Option<&str> {
        match self.cause() {
            Self::Auth(AuthError::MissingScope { required_scope }) => Some(required_scope),
            _ => None,
        }
    }

    /// Whether Dropbox does not know the app key, or its secret is another one (`invalid_client`): the app was deleted, or its
    /// secret was reset.
    pub fn invalid_client(&self) -> bool {
        matches!(self.cause(), Self::OAuth(error) if error.is_invalid_client())
    }

    /// The error behind a transfer that was given up, or that ended without an answer.
    fn cause(&self) -> &Self {
        match self {
            Self::Stalled { cause, .. } | Self::Unsettled { cause, .. } => cause.cause(),
            error => error,
        }
    }

    /// How long Dropbox wants to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Server { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether Dropbox wants fewer requests at once.
    pub(crate) fn is_overloaded(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { reason: RateLimitReason::TooManyRequests, .. } | Self::Server { status: 503, .. }
        )
    }

    /// Whether the path is taken by a file or folder.
    pub fn is_conflict(&self) -> bool {
        let Some(WriteError::Conflict { conflict }) = self.write_error() else { return false };
        matches!(conflict, WriteConflictError::File | WriteConflictError::Folder)
    }

    /// Whether Dropbox has forgotten the upload session, or has ended it: the upload has to start again.
    pub fn is_session_lost(&self) -> bool {
        use UploadSessionAppendError as Append;
        let Self::Route { error, .. } = self else { return false };
        match error {
            RouteError::SessionAppend(error) => matches!(error, Append::NotFound | Append::Closed),
            RouteError::SessionFinish(UploadSessionFinishError::LookupFailed { .. }) => true,
            _ => false,
        }
    }

    /// Whether the account has no room left.
    pub fn is_full(&self) -> bool {
        matches!(self.write_error(), Some(WriteError::InsufficientSpace))
            || matches!(self.relocation_error(), Some(RelocationError::InsufficientQuota))
    }

    /// Whether Dropbox does not copy this file inside itself, for a reason that does not concern a download and an upload of it.
    /// Nothing was copied.
    pub fn refuses_copy(&self) -> bool {
        use RelocationError as Refusal;
        match self.relocation_error() {
            // These have causes that an upload meets, too, or may pass.
            Some(
                Refusal::To { .. }
                | Refusal::InsufficientQuota
                | Refusal::InternalError
                | Refusal::TooManyWriteOperations,
            ) => false,
            Some(_) => true,
            None => matches!(self, Self::Auth(AuthError::RouteAccessDenied)),
        }
    }

    /// Whether the path that was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        let Self::Route { error, .. } = self else { return false };
        match error {
            RouteError::Download(DownloadError::Path { path })
            | RouteError::GetMetadata(GetMetadataError::Path { path })
            | RouteError::ListFolder(ListFolderError::Path { path })
            | RouteError::ListFolderContinue(ListFolderContinueError::Path { path })
            | RouteError::Delete(DeleteError::PathLookup { path_lookup: path })
            | RouteError::Relocation(RelocationError::FromLookup { from_lookup: path }) => {
                *path == LookupError::NotFound
            }
            _ => false,
        }
    }

    /// Whether the effect of the call is unknown: it may have happened though no answer came.
    pub(crate) fn is_ambiguous(&self) -> bool {
        matches!(
            self,
            Self::Network { unsent: false, .. }
                | Self::Server { .. }
                | Self::UnexpectedAnswer { .. }
                | Self::Intermediary { .. }
        ) || matches!(self.relocation_error(), Some(RelocationError::InternalError))
    }

    /// Whether Dropbox may still be at the call: no answer of its own came, unlike a 503, which refuses.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.is_ambiguous() && !matches!(self, Self::Server { status: 503, .. })
    }

    /// Whether it ended attempts without deciding anything about what they were to do.
    pub(crate) fn decides_nothing(&self) -> bool {
        let is_about_access = matches!(
            self,
            Self::NotAuthorized | Self::OAuth(_) | Self::Auth(_) | Self::Access { .. } | Self::PathRoot(_)
        );
        let is_given_up = matches!(self, Self::Stopped(_) | Self::Stalled { .. });
        is_about_access || is_given_up || self.is_transient() || self.is_ambiguous()
    }

    /// Whether trying the same again may pass.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Network { .. } | Self::Server { .. } | Self::RateLimited { .. } | Self::Intermediary { .. } => true,
            Self::Route {
                error:
                    RouteError::SessionFinish(UploadSessionFinishError::TooManyWriteOperations)
                    | RouteError::Delete(DeleteError::TooManyWriteOperations)
                    | RouteError::Relocation(RelocationError::TooManyWriteOperations),
                ..
            } => true,
            _ => matches!(self.write_error(), Some(WriteError::TooManyWriteOperations)),
        }
    }

    /// Whether data was damaged on its way to Dropbox, which noticed. Sending it again may pass.
    pub(crate) fn is_damaged(&self) -> bool {
        let Self::Route { error, .. } = self else { return false };
        matches!(
            error,
            RouteError::Upload(UploadError::ContentHashMismatch)
                | RouteError::SessionStart(UploadSessionStartError::ContentHashMismatch)
                | RouteError::SessionAppend(UploadSessionAppendError::ContentHashMismatch)
                | RouteError::SessionFinish(UploadSessionFinishError::ContentHashMismatch)
        )
    }

    fn write_error(&self) -> Option<&WriteError> {
        let Self::Route { error, .. } = self else { return None };
        match error {
            RouteError::Upload(UploadError::Path { reason, .. }) => Some(reason),
            RouteError::SessionFinish(UploadSessionFinishError::Path { path })
            | RouteError::CreateFolder(CreateFolderError::Path { path })
            | RouteError::Delete(DeleteError::PathWrite { path_write: path })
            | RouteError::Relocation(RelocationError::To { to: path }) => Some(path),
            _ => None,
        }
    }

    fn relocation_error(&self) -> Option<&RelocationError> {
        match self {
            Self::Route { error: RouteError::Relocation(error), .. } => Some(error),
            _ => None,
        }
    }
}
