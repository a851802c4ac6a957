//! Which errors of Dropbox mean that its user has to do something about the authorization.

use ::dropbox::error::{AuthError, Error};

/// What is wrong with an authorization. Every other refusal, HTTP 401 included, can pass by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantFault {
    /// The token endpoint does not accept the refresh token.
    Revoked,
    /// Dropbox does not know the app, or the App Secret is not the app's.
    AppNotRecognized,
    /// The call needs a permission that was not granted.
    MissingScope(String),
}

impl GrantFault {
    /// Returns `None` if the error does not concern the authorization, or may pass by itself.
    pub fn of(error: &Error) -> Option<Self> {
        match error {
            Error::Stalled { cause, .. } => Self::of(cause),
            Error::OAuth(error) if error.is_invalid_grant() => Some(Self::Revoked),
            Error::OAuth(error) => {
                matches!(error.error.as_str(), "invalid_client" | "invalid_client_id" | "unauthorized_client")
                    .then_some(Self::AppNotRecognized)
            }
            Error::Auth(AuthError::MissingScope { required_scope }) => Some(Self::MissingScope(required_scope.clone())),
            _ => None,
        }
    }
}

/// What is wrong, and what to do before authorizing again; how to authorize depends on the program.
impl std::fmt::Display for GrantFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Revoked => {
                f.write_str("Dropbox no longer accepts this authorization: it was revoked, or the app was changed")
            }
            Self::AppNotRecognized => f.write_str(
                "Dropbox does not recognize the app: its App Key or App Secret was changed, or the app was deleted. \
                 Copy both again from the Settings tab of your app in the Dropbox App Console",
            ),
            Self::MissingScope(scope) => write!(
                f,
                "the app is missing the scope {scope}. Enable it on the Permissions tab of your app in the Dropbox App Console and click Submit"
            ),
        }
    }
}
