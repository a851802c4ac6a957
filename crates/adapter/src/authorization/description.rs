//! What an adapter says of its authorization, as data.

use std::sync::Arc;

use super::{Environment, Provider};
use crate::{Authorization, Error};

/// Access that a person grants in a browser.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// The party that grants it: `Dropbox`.
    pub provider: &'static str,
    /// The secret field that names the app. A grant belongs to its app: another value needs a new authorization.
    pub app: &'static str,
    /// The scopes to ask for.
    pub scopes: &'static [Scope],
    /// Heading of `steps`.
    pub steps_title: &'static str,
    /// How a person registers an app with the provider.
    pub steps: &'static [Step],
    /// What to do if the provider does not accept the redirect URI.
    pub redirect_help: RedirectHelp,
    /// Whether the provider can show a code to paste, for servers that it cannot redirect to.
    pub shows_code: bool,
    /// How a person revokes the access without this program, as a sentence without its full stop.
    pub revoke_by_hand: &'static str,
    /// The variables that [`Self::connect`] and [`Provider::own_access`] read.
    pub variables: &'static [Variable],
    /// Returns what a fault means, as a cause and the cure to apply before authorizing again.
    pub words: fn(&Authorization) -> (String, Option<&'static str>),
    /// Prepares the provider with what operators set in the environment.
    pub connect: fn(&Environment) -> Result<Arc<dyn Provider>, Error>,
}

impl Description {
    /// Returns the names of the scopes.
    pub fn scope_names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.scopes.iter().map(|scope| scope.name)
    }

    /// Returns the names of the scopes that a successful act has proved.
    pub fn proved_by(&self, act: Act) -> impl Iterator<Item = &'static str> + use<> {
        self.scopes
            .iter()
            .filter(move |scope| act == Act::Test || scope.proved_by.contains(&act))
            .map(|scope| scope.name)
    }

    /// Returns whether backups and restores work without a scope.
    pub fn works_without(&self, scope: &str) -> bool {
        self.scopes.iter().any(|known| known.name == scope && !known.needed)
    }

    /// Returns the name of the variable that holds a grant, for commands without a server.
    pub fn grant_variable(&self) -> &'static str {
        let grant = self.variables.iter().find(|variable| variable.holds == Holds::Grant);
        grant.map_or("", |variable| variable.name)
    }

    /// Returns the required scopes that were not granted. Empty if the granted scopes are not known.
    pub fn missing(&self, granted: &[String]) -> Vec<String> {
        let lacks = |scope: &&str| !granted.is_empty() && !granted.iter().any(|granted| granted == scope);
        self.scope_names().filter(lacks).map(str::to_owned).collect()
    }
}

/// A variable in the environment of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it sets, in under 70 characters and without a full stop.
    pub help: &'static str,
    /// What it holds.
    pub holds: Holds,
}

/// What a variable holds. Servers have apps and grants of their own, and read only the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// A secret of the app that is needed.
    App,
    /// A secret of the app that can be left out.
    OptionalApp,
    /// The grant.
    Grant,
    /// How the provider is reached.
    Network,
}

/// One permission of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// The provider's name of it.
    pub name: &'static str,
    /// Whether backups or restores need it.
    pub needed: bool,
    /// The acts that fail without it.
    pub proved_by: &'static [Act],
}

/// An act that proves scopes if it succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Account and space were looked up.
    Account,
    /// Files or folders were listed.
    List,
    /// A backup was read.
    Read,
    /// A backup was written.
    Write,
    /// A connection test passed, which needs every scope.
    Test,
}

/// A step of registering an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// One sentence. `**x**` is bold, and `[x](https://y)` a link.
    pub text: &'static str,
    /// What is to be copied in this step.
    pub shows: Option<Shows>,
}

/// What a step shows below its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// The scopes.
    Scopes,
    /// The redirect URI of this server.
    RedirectUri,
}

/// What to do if the provider does not accept the redirect URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedirectHelp {
    /// What the person sees, as a question.
    pub question: &'static str,
    /// What to do; the redirect URI is shown below.
    pub help: &'static str,
}
