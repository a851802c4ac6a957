//! Who may do what: codes, grants with or without a refresh token, and access tokens.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::pkce::Challenge;
use crate::people::Person;
use crate::random;

/// How long an authorization code can be exchanged.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// Scopes, sorted.
pub(crate) type Scopes = BTreeSet<String>;

/// Everything that was granted.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Grants {
    codes: HashMap<String, (Code, Timestamp)>,
    /// Codes that were exchanged: people paste them where a refresh token belongs.
    spent_codes: HashSet<String>,
    /// By refresh token; a grant without one has a name that nobody knows.
    grants: HashMap<String, Grant>,
    access_tokens: HashMap<String, AccessToken>,
    /// What a person has agreed to, by app.
    #[serde(default)]
    approved: HashMap<String, Scopes>,
}

/// A person's consent, waiting to be exchanged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Code {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: Option<String>,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) offline: bool,
    pub(crate) scopes: Scopes,
    /// Who agreed.
    #[serde(default)]
    pub(crate) person: Person,
}

/// A consent that was exchanged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) client_id: String,
    pub(crate) scopes: Scopes,
    /// Whether it can be refreshed only with the app's secret: so for what the secret was used to get.
    pub(crate) needs_secret: bool,
    /// Whose Dropbox it is for.
    #[serde(default)]
    pub(crate) person: Person,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct AccessToken {
    grant: String,
    scopes: Scopes,
    expires: Timestamp,
    #[serde(default)]
    person: Person,
}

/// What an access token is good for.
pub(crate) enum Access {
    Unknown,
    Expired,
    Good(Scopes, Person),
}

impl Grants {
    /// Makes a refresh token good that was agreed upon beforehand.
    pub(crate) fn add_ready_made(&mut self, refresh_token: &str, client_id: &str, scopes: &[&str]) {
        let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        let grant = Grant { client_id: client_id.to_owned(), scopes, needs_secret: false, person: Person::Ada };
        self.grants.entry(refresh_token.to_owned()).or_insert(grant);
    }

    /// A code for a consent.
    pub(crate) fn issue_code(&mut self, consent: Code, now: Timestamp) -> String {
        self.approved.entry(consent.client_id.clone()).or_default().extend(consent.scopes.iter().cloned());
        let code = random::secret();
        self.codes.insert(code.clone(), (consent, now + CODE_LIFETIME));
        code
    }

    /// Whether the signed-in person has agreed to all of it before, on the consent page, and not disconnected the app since.
    pub(crate) fn is_approved(&self, consent: &Code) -> bool {
        self.approved.get(&consent.client_id).is_some_and(|scopes| consent.scopes.is_subset(scopes))
    }

    /// Takes a code, which is thereby used up; `None` if there is no such code or it is too old.
    pub(crate) fn take_code(&mut self, code: &str, now: Timestamp) -> Option<Code> {
        let (consent, expires) = self.codes.remove(code)?;
        self.spent_codes.insert(code.to_owned());
        (now < expires).then_some(consent)
    }

    /// Whether that is an authorization code, exchanged or not.
    pub(crate) fn is_code(&self, word: &str) -> bool {
        self.spent_codes.contains(word) || self.codes.contains_key(word)
    }

    /// Remembers a grant and answers with its refresh token.
    pub(crate) fn add(&mut self, grant: Grant) -> String {
        let refresh_token = random::secret();
        self.grants.insert(refresh_token.clone(), grant);
        refresh_token
    }

    /// The grant of a refresh token.
    pub(crate) fn find(&self, refresh_token: &str) -> Option<&Grant> {
        self.grants.get(refresh_token)
    }

    /// A new access token for a grant.
    pub(crate) fn issue_access_token(
        &mut self,
        grant: &str,
        (scopes, person): (Scopes, Person),
        lifetime: Duration,
        now: Timestamp,
    ) -> String {
        let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::from_hours(24));
        self.access_tokens.retain(|_, token| token.expires + SignedDuration::from_hours(24) > now);
        let token = format!("sl.u.{}", random::secret());
        let access = AccessToken { grant: grant.to_owned(), scopes, expires: now + lifetime, person };
        self.access_tokens.insert(token.clone(), access);
        token
    }

    /// What an access token is good for.
    pub(crate) fn access(&self, token: &str, now: Timestamp) -> Access {
        match self.access_tokens.get(token) {
            None => Access::Unknown,
            Some(access) if access.expires <= now => Access::Expired,
            Some(access) => Access::Good(access.scopes.clone(), access.person),
        }
    }

    /// Revokes the grant that an access token belongs to, with its refresh token and all siblings.
    pub(crate) fn revoke_by_access_token(&mut self, token: &str) {
        if let Some(grant) = self.access_tokens.get(token).map(|access| access.grant.clone()) {
            self.revoke(&grant);
        }
    }

    /// Revokes a grant and everything made of it.
    pub(crate) fn revoke(&mut self, refresh_token: &str) {
        self.grants.remove(refresh_token);
        self.access_tokens.retain(|_, access| access.grant != refresh_token);
    }

    /// Every refresh token that is good.
    pub(crate) fn refresh_tokens(&self) -> Vec<String> {
        self.grants.keys().cloned().collect()
    }

    /// Revokes all grants and everything made of them.
    pub(crate) fn revoke_all(&mut self) {
        self.grants.clear();
        self.access_tokens.clear();
        self.approved.clear();
    }

    /// Ends the life of every access token.
    pub(crate) fn expire_access_tokens(&mut self, now: Timestamp) {
        for access in self.access_tokens.values_mut() {
            access.expires = access.expires.min(now);
        }
    }

    /// Changes the scopes of every grant, and of the access tokens made of them.
    pub(crate) fn set_all_scopes(&mut self, scopes: &[&str]) {
        for refresh_token in self.refresh_tokens() {
            self.set_scopes(&refresh_token, scopes);
        }
    }

    /// Changes the scopes of a grant and of the access tokens made of it.
    pub(crate) fn set_scopes(&mut self, refresh_token: &str, scopes: &[&str]) {
        let scopes: Scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        for access in self.access_tokens.values_mut().filter(|access| access.grant == refresh_token) {
            access.scopes = scopes.clone();
        }
        if let Some(grant) = self.grants.get_mut(refresh_token) {
            grant.scopes = scopes;
        }
    }
}
