//! Access that a person grants in a browser, as with OAuth 2.0.
//!
//! An adapter whose storage asks for it puts a [`Description`] into its manifest, and implements [`Provider`] and [`Client`] in its own
//! folder. Everything else belongs to the program, which knows no provider: pending authorizations and their expiry, grants and their
//! encryption, the status of a grant, the pages.

mod description;
mod environment;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::SecretString;

pub use self::description::{Act, Description, Holds, RedirectHelp, Scope, Shows, Step, Variable};
pub use self::environment::Environment;
use crate::destination::Usage;
use crate::{Error, Manifest, Secrets, Settings};

/// The party that grants access, as this process reaches it.
///
/// Its errors have [`crate::Kind::Unauthorized`] where, and only where, the provider says something about the grant or the app; what may pass by
/// itself never does.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Returns the address of the page on which a person grants the access.
    ///
    /// # Errors
    /// If the app's secrets cannot be used.
    fn consent_url(&self, app: &Secrets, consent: &Consent<'_>) -> Result<String, Error>;

    /// Exchanges the code that the provider returned for a grant.
    ///
    /// # Errors
    /// If the provider refuses the code. The text is shown to the person who authorizes.
    async fn exchange(&self, app: &Secrets, answer: &Answer<'_>) -> Result<Granted, Error>;

    /// Creates a client with a grant. Nothing is connected to yet.
    ///
    /// # Errors
    /// If the app's secrets cannot be used.
    fn client(&self, app: &Secrets, grant: &SecretString, usage: &Use<'_>) -> Result<Arc<dyn Client>, Error>;

    /// Returns whether clients of these settings must keep to the [`Account::place`] that was found first.
    fn pins_place(&self, _settings: &Settings) -> bool {
        false
    }

    /// Reads the app's secrets, and the grant if there is one, from the environment: for commands that work without a server.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    fn own_access(&self) -> Result<(Secrets, Option<SecretString>), Error>;
}

/// Access with one grant.
#[async_trait]
pub trait Client: Any + Send + Sync {
    /// Returns the account that the grant belongs to.
    async fn account(&self) -> Result<Account, Error>;

    /// Returns the space of the account; `None` if the provider does not say.
    async fn usage(&self) -> Result<Option<Usage>, Error>;

    /// Ends the grant for good.
    async fn revoke(&self) -> Result<(), Error>;

    /// Tries a scope by a call that changes nothing. Returns `None` if no such call needs it.
    async fn has_scope(&self, scope: &str) -> Option<bool>;
}

/// What the consent page is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Consent<'a> {
    /// 64 random characters of base64url, kept until [`Provider::exchange`] gets them: the verifier of PKCE (RFC 7636).
    pub verifier: &'a SecretString,
    /// Where the provider sends the browser; `None` if it is to show a code instead.
    pub redirect_uri: Option<&'a str>,
    /// Comes back with the redirect unchanged.
    pub state: Option<&'a str>,
    /// Whether the person must be asked again which account to use, even if they approved the app before.
    pub ask_again: bool,
}

/// Creates a [`Consent::verifier`].
///
/// # Errors
/// If the operating system has no randomness.
pub fn new_verifier() -> Result<SecretString, Error> {
    let mut entropy = [0; 48];
    getrandom::fill(&mut entropy).map_err(|error| Error::failed("no randomness", error))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(entropy).into())
}

/// What came back from the consent page.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The code.
    pub code: &'a SecretString,
    /// As in [`Consent`].
    pub verifier: &'a SecretString,
    /// As in [`Consent`]. `None`: a person has pasted the code.
    pub redirect_uri: Option<&'a str>,
}

/// What a code was exchanged for.
#[derive(Debug)]
pub struct Granted {
    /// Lasts until it is revoked: a refresh token, for instance.
    pub grant: SecretString,
    /// The granted scopes; empty if the provider does not say.
    pub scopes: Vec<String>,
    /// The id of the account, if the answer has it.
    pub account_id: Option<String>,
}

/// What a client is for.
#[derive(Debug, Clone, Copy)]
pub struct Use<'a> {
    /// The destination's settings; `None` for calls about the account itself.
    pub settings: Option<&'a Settings>,
    /// The [`Account::place`] to keep to.
    pub place: Option<&'a str>,
    /// How long calls are retried.
    pub patience: Patience,
}

/// How long a call is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Patience {
    /// A user waits for the answer.
    Short,
    /// A command runs in a terminal.
    Medium,
    /// A scheduled run works without anyone watching.
    Long,
}

/// The account behind a grant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Stable id. A grant for another id than before needs a person's confirmation.
    pub id: String,
    /// Name of the owner.
    pub name: String,
    /// Address of the owner.
    pub email: String,
    /// The team that it belongs to.
    pub team: Option<String>,
    /// What else decides where its files are, and can change while the account stays: the id of a team's space.
    pub place: Option<String>,
}

/// The providers of all adapters of a program.
#[derive(Clone, Default)]
pub struct Providers(BTreeMap<&'static str, Arc<dyn Provider>>);

impl Providers {
    /// Prepares the provider of each manifest that has one.
    ///
    /// # Errors
    /// If a variable in the environment is wrong.
    pub fn of<'a>(manifests: impl IntoIterator<Item = &'a Manifest>, environment: &Environment) -> Result<Self, Error> {
        let described = manifests.into_iter().filter_map(|manifest| Some((manifest.id, manifest.authorization?)));
        described
            .map(|(id, description)| Ok((id, (description.connect)(environment)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Returns the provider of an adapter.
    pub fn get(&self, adapter_id: &str) -> Option<&Arc<dyn Provider>> {
        self.0.get(adapter_id)
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}
