//! Refusals that concern who is asking: the token endpoint's, and HTTP 401, 403, 422 and 429 of every route.

use serde::Deserialize;

const LOG_IN_AGAIN: &str = "log in again";

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
}

impl std::fmt::Display for OAuthError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let description = &self.error_description;
        let cure = match self.error.as_str() {
            _ if description.contains("redirect_uri") => {
                "the redirect URI is not the one registered: add the exact address to the app's settings in the Dropbox App Console"
                    .to_owned()
            }
            "invalid_grant" if description.contains("code") => {
                "Dropbox does not know this code: it is mistyped, used already or older than ten minutes. Start the login again".to_owned()
            }
            "invalid_grant" => format!(
                "Dropbox no longer accepts this authorization: it was revoked, or the app or its permissions changed; {LOG_IN_AGAIN}"
            ),
            "invalid_client" | "invalid_client_id" | "unauthorized_client" => {
                "Dropbox does not know this app key, or the app secret does not belong to it: copy both again from the Dropbox App Console"
                    .to_owned()
            }
            "invalid_scope" => {
                "the app lacks a permission: enable the scopes on its Permissions tab, submit, and log in again".to_owned()
            }
            _ => "Dropbox refused the authorization".to_owned(),
        };
        write!(f, "{cure} ({}: {description})", self.error)
    }
}

/// 401: the token does not do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, thiserror::Error)]
#[serde(tag = ".tag", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the specification's tags; their texts say what they mean")]
pub enum AuthError {
    #[error("Dropbox does not accept the access: it was revoked; {LOG_IN_AGAIN}")]
    InvalidAccessToken,
    #[error("the access has expired and could not be renewed; {LOG_IN_AGAIN}")]
    ExpiredAccessToken,
    #[error(
        "the app lacks the permission {required_scope}: enable it on the app's Permissions tab in the Dropbox App Console, submit, then {LOG_IN_AGAIN}"
    )]
    MissingScope { required_scope: String },
    #[error("Dropbox has suspended this user: see dropbox.com/help")]
    UserSuspended,
    #[error("the team member that was selected is not valid; {LOG_IN_AGAIN}")]
    InvalidSelectUser,
    #[error("the team administrator that was selected is not valid; {LOG_IN_AGAIN}")]
    InvalidSelectAdmin,
    #[error(
        "this app may not use this part of the Dropbox API: check the app's access type in the Dropbox App Console"
    )]
    RouteAccessDenied,
    #[error("Dropbox does not accept the access, for a reason it does not name; {LOG_IN_AGAIN}")]
    #[serde(other)]
    Other,
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

/// 422: the path root that was asked for does not exist (any more).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, thiserror::Error)]
#[serde(tag = ".tag", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the specification's tags; their texts say what they mean")]
pub enum PathRootError {
    #[error("the account's team space has changed (it joined or left a team): choose the folder again")]
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
