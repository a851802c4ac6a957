//! Refusals that concern who is asking: the token endpoint's, and HTTP 401, 403, 422 and 429 of every route.

use serde::Deserialize;

const AUTHORIZE_AGAIN: &str = "Authorize again";

/// The token endpoint's refusal (RFC 6749 section 5.2), HTTP 400 or 401.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OAuthError {
    /// `invalid_grant`, `invalid_client`, ...
    pub error: String,
    /// Dropbox's words.
    #[serde(default)]
    pub error_description: String,
}

impl OAuthError {
    /// Whether the grant or code is gone for good.
    pub fn is_invalid_grant(&self) -> bool {
        self.error == "invalid_grant"
    }

    /// Whether Dropbox does not know the app key, or its secret is another one.
    pub fn is_invalid_client(&self) -> bool {
        matches!(self.error.as_str(), "invalid_client" | "invalid_client_id" | "unauthorized_client")
    }

    fn cure(&self) -> String {
        let description = &self.error_description;
        match self.error.as_str() {
            _ if description.contains("redirect_uri") => {
                "The redirect URI is not registered. Add the exact address to the app's settings in the Dropbox App Console".to_owned()
            }
            "invalid_grant" if description.contains("code") => {
                "Dropbox did not accept the authorization code: it is incomplete, was already used, or is older than ten minutes. Start the authorization again".to_owned()
            }
            "invalid_grant" => format!(
                "Dropbox no longer accepts this authorization: it was revoked, or the app was disconnected. {AUTHORIZE_AGAIN}"
            ),
            _ if self.is_invalid_client() => {
                "Dropbox does not know this app key, or the app secret is wrong: the app was deleted, or its secret was reset. Copy both again from the Dropbox App Console".to_owned()
            }
            "invalid_scope" => format!(
                "The app lacks a permission. Enable the scopes on its Permissions tab, and submit. {AUTHORIZE_AGAIN}"
            ),
            _ => "Dropbox refused the authorization".to_owned(),
        }
    }
}

impl std::fmt::Display for OAuthError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}: {})", self.cure(), self.error, self.error_description)
    }
}

/// 401: the access token is not accepted, even after a refresh. It proves nothing about the grant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, thiserror::Error)]
#[serde(tag = ".tag", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the specification's tags; their texts say what they mean")]
pub enum AuthError {
    #[error("Dropbox rejected a new access token (invalid_access_token). Try again later")]
    InvalidAccessToken,
    #[error(
        "Dropbox says that a new access token has expired (expired_access_token). Check this machine's clock, then try again"
    )]
    ExpiredAccessToken,
    #[error(
        "The app lacks the permission {required_scope}. Enable it on the app's Permissions tab in the Dropbox App Console, and submit. {AUTHORIZE_AGAIN}"
    )]
    MissingScope {
        #[serde(default)]
        required_scope: String,
    },
    #[error("Dropbox has suspended this user: see dropbox.com/help")]
    UserSuspended,
    #[error("The selected team member is not valid. {AUTHORIZE_AGAIN}")]
    InvalidSelectUser,
    #[error("The selected team administrator is not valid. {AUTHORIZE_AGAIN}")]
    InvalidSelectAdmin,
    #[error(
        "Dropbox does not let this app use this part of its API (route_access_denied). Check the app's access type in the Dropbox App Console"
    )]
    RouteAccessDenied,
    #[error("Dropbox rejected the access token without giving a reason. Try again later")]
    #[serde(other)]
    Other,
}

impl AuthError {
    /// Whether another access token may be accepted.
    pub(crate) fn is_about_the_token(&self) -> bool {
        !matches!(self, Self::MissingScope { .. } | Self::UserSuspended)
    }
}

/// 403: the account may not do this.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, thiserror::Error)]
#[serde(tag = ".tag", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the specification's tags; their texts say what they mean")]
pub enum AccessError {
    #[error(
        "this type of Dropbox account cannot do this; a business account may have used up its monthly API upload calls"
    )]
    InvalidAccountType,
    #[error("Dropbox denies access to Paper")]
    PaperAccessDenied,
    #[error("the team's administrator does not allow this app")]
    TeamAccessDenied,
    #[error("the account has no permission for this: {no_permission_reason:?}")]
    NoPermission {
        #[serde(default, rename = "reason")]
        no_permission_reason: Option<serde_json::Value>,
    },
    #[error("Dropbox denies the access, for a reason it does not name")]
    #[serde(other)]
    Other,
}

/// 422: the requested path root does not exist, or no longer does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, thiserror::Error)]
#[serde(tag = ".tag", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the specification's tags; their texts say what they mean")]
pub enum PathRootError {
    #[error(
        "The account's team space has changed: it joined or left a team. Nothing was written to the new one. Choose the folder again"
    )]
    InvalidRoot,
    #[error("the account may not use this team space: choose another folder")]
    NoPermission,
    #[error("Dropbox does not accept the team space, for a reason it does not name: choose the folder again")]
    #[serde(other)]
    Other,
}

/// 429: why to slow down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, thiserror::Error)]
#[serde(tag = ".tag", rename_all = "snake_case")]
pub enum RateLimitReason {
    /// Another change to the same namespace is going on: contention for a lock, not a rate.
    #[error("too many write operations in this Dropbox at once")]
    TooManyWriteOperations,
    /// Calls per time.
    #[error("too many requests")]
    #[serde(other)]
    TooManyRequests,
}
