//! OAuth 2 with PKCE: the address of the consent page, and a code exchanged for a grant.
//!
//! With a redirect URI Dropbox sends the browser back with the code; without one it shows the code for copying.
//! PKCE (RFC 7636, S256) is used always, the app secret only if there is one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

use crate::error::{Error, OAuthError};
use crate::lenient;
use crate::retry::Attempts;
use crate::settings::Settings;
use crate::transport;

/// The permissions that a backup destination needs, as the app's Permissions tab names them.
pub const SCOPES: [&str; 5] =
    ["files.metadata.read", "files.metadata.write", "files.content.read", "files.content.write", "account_info.read"];

const TOKEN_ROUTE: &str = "oauth2/token";

/// The secret that ties a code to whoever asked for it.
#[derive(Debug, Clone)]
pub struct Pkce {
    verifier: SecretString,
}

impl Pkce {
    /// Makes a verifier (64 characters) of 48 bytes of chance.
    pub fn new(entropy: [u8; 48]) -> Self {
        Self { verifier: URL_SAFE_NO_PAD.encode(entropy).into() }
    }

    /// Takes up a verifier that was kept.
    pub fn resume(verifier: SecretString) -> Self {
        Self { verifier }
    }

    /// The verifier, to be kept between the two halves of the flow.
    pub fn verifier(&self) -> &SecretString {
        &self.verifier
    }

    fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.expose_secret().as_bytes()))
    }
}

/// The address of the consent page.
///
/// `redirect_uri` must be registered with the app to the letter. `state` comes back unchanged (at most 500 bytes).
/// `ask_again` keeps Dropbox from redirecting a user who has approved the app before without a question, and lets another
/// account sign in.
pub fn authorize_url(
    settings: &Settings,
    pkce: &Pkce,
    redirect_uri: Option<&str>,
    state: Option<&str>,
    ask_again: bool,
) -> Url {
    let mut url = settings.endpoints.web.clone();
    url.set_path("/oauth2/authorize");
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("client_id", &settings.app_key)
            .append_pair("response_type", "code")
            .append_pair("token_access_type", "offline")
            .append_pair("scope", &SCOPES.join(" "))
            .append_pair("code_challenge", &pkce.challenge())
            .append_pair("code_challenge_method", "S256");
        if let Some(redirect_uri) = redirect_uri {
            query.append_pair("redirect_uri", redirect_uri);
        }
        if let Some(state) = state {
            query.append_pair("state", state);
        }
        if ask_again {
            query.append_pair("force_reapprove", "true").append_pair("force_reauthentication", "true");
        }
    }
    url
}

/// What the token endpoint grants.
#[derive(Debug, Deserialize)]
pub struct Grant {
    /// For the calls of the next hours.
    pub access_token: SecretString,
    /// The access token's life in seconds.
    #[serde(default = "four_hours", deserialize_with = "lenient::number")]
    pub expires_in: u64,
    /// Lasts until it is revoked; absent in the answer to a refresh.
    #[serde(default)]
    pub refresh_token: Option<SecretString>,
    /// The granted scopes, separated by spaces.
    #[serde(default)]
    pub scope: String,
    /// The account.
    #[serde(default)]
    pub account_id: Option<String>,
}

/// What Dropbox's access tokens last; RFC 6749 lets a server leave it out.
fn four_hours() -> u64 {
    14_400
}

/// Exchanges a code for a grant with a refresh token. A [`crate::Client`] made with that refresh token uses the access token that
/// came with it.
///
/// # Errors
/// [`Error::OAuth`] if the code is wrong, used or old, or the app's key or secret is wrong; [`Error::ExchangeLost`] if the code may
/// have been used up without an answer; network errors.
pub async fn exchange_code(
    settings: &Settings,
    pkce: &Pkce,
    code: &str,
    redirect_uri: Option<&str>,
) -> Result<Grant, Error> {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code.trim()),
        ("code_verifier", pkce.verifier.expose_secret()),
    ];
    if let Some(redirect_uri) = redirect_uri {
        form.push(("redirect_uri", redirect_uri));
    }
    let http = transport::http_client(settings)?;
    let grant = with_retries(settings, || token_request(&http, settings, &form)).await?;
    let Some(refresh_token) = grant.refresh_token.clone() else {
        return Err(unexpected("a grant without a refresh token"));
    };
    let granted = Settings { refresh_token: Some(refresh_token), ..settings.clone() };
    crate::grant::Grant::of(&granted).tokens.put(grant.access_token.clone(), grant.expires_in).await;
    Ok(grant)
}

/// Gets a new access token for a refresh token. Dropbox does not rotate refresh tokens. Tried once: the call that needs the
/// token is tried again, and the refresh with it.
pub(crate) async fn refresh(
    http: &reqwest::Client,
    settings: &Settings,
    refresh_token: &SecretString,
) -> Result<Grant, Error> {
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())];
    token_request(http, settings, &form).await
}

async fn with_retries<F: Future<Output = Result<Grant, Error>>>(
    settings: &Settings,
    mut ask: impl FnMut() -> F,
) -> Result<Grant, Error> {
    let (mut attempts, mut ambiguous) = (Attempts::new(), false);
    loop {
        match ask().await {
            Ok(grant) => return Ok(grant),
            // The attempt whose answer was lost has used up the code.
            Err(Error::OAuth(error)) if ambiguous && error.is_invalid_grant() => return Err(Error::ExchangeLost),
            Err(error) => {
                ambiguous |= error.is_ambiguous();
                settings.retry.wait_after(error, &mut attempts).await?;
            }
        }
    }
}

async fn token_request(http: &reqwest::Client, settings: &Settings, form: &[(&str, &str)]) -> Result<Grant, Error> {
    let mut url = settings.endpoints.api.clone();
    url.set_path("/oauth2/token");
    let mut form = form.to_vec();
    form.push(("client_id", &settings.app_key));
    if let Some(secret) = &settings.app_secret {
        form.push(("client_secret", secret.expose_secret()));
    }
    let request = http.post(url).timeout(settings.timeouts.answer).form(&form);
    let response = request.send().await.map_err(|error| transport::network_error(TOKEN_ROUTE, &error))?;
    let (status, headers) = (response.status(), response.headers().clone());
    if status.is_success() && !transport::is_page(&headers) {
        return transport::parse(TOKEN_ROUTE, &transport::body(TOKEN_ROUTE, response).await?);
    }
    let body = transport::error_body(response).await;
    let is_json = headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    match serde_json::from_slice::<OAuthError>(&body) {
        Ok(error) if is_json && status.is_client_error() && status.as_u16() != 429 => Err(Error::OAuth(error)),
        _ => Err(transport::unspecified_refusal(TOKEN_ROUTE, status, &headers, &body)),
    }
}

fn unexpected(reason: &str) -> Error {
    Error::UnexpectedAnswer { route: TOKEN_ROUTE.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pkce_follows_the_rfc_and_the_url_asks_for_offline_access() {
        let pkce = Pkce::new([7; 48]);
        assert_eq!(pkce.verifier().expose_secret().len(), 64);
        let url = authorize_url(&Settings::new("key"), &pkce, Some("http://localhost:3000/cb"), Some("st&ate"), false);
        let pairs: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(url.origin().ascii_serialization(), "https://www.dropbox.com");
        assert_eq!(pairs["token_access_type"], "offline");
        assert_eq!(pairs["state"], "st&ate");
        assert_eq!(pairs["code_challenge_method"], "S256");
        assert_eq!(pairs["code_challenge"], URL_SAFE_NO_PAD.encode(Sha256::digest(pkce.verifier().expose_secret())));
        assert_eq!(pairs["scope"].split(' ').count(), 5);
        assert!(!url.as_str().contains(pkce.verifier().expose_secret()));
        assert!(!url.as_str().contains("force_"));
        let again = authorize_url(&Settings::new("key"), &pkce, None, None, true);
        assert!(again.as_str().ends_with("&force_reapprove=true&force_reauthentication=true"), "{again}");
    }
}
