//! Who calls, and from which namespace.

use std::sync::Arc;

use hyper::header::AUTHORIZATION;
use serde_json::json;

use super::{Arg, path_root};
use crate::app::{Account, App};
use crate::failure::Failure;
use crate::faults::FaultKind;
use crate::http::request::Head;
use crate::oauth::grants::Access;
use crate::people::Person;
use crate::tree::path::{Fault, Grammar, Place, View};

/// A caller whose token is good for the route.
pub(crate) struct Caller {
    pub(crate) app: Arc<App>,
    /// Its access token.
    pub(crate) token: String,
    /// Whose token it is.
    pub(crate) person: Person,
    /// What its paths start from.
    pub(crate) view: View,
    /// The root namespace.
    root: (String, View),
    /// The fault that hits this call.
    pub(crate) fault: Option<FaultKind>,
}

impl Caller {
    /// Checks token, scope and `Dropbox-API-Path-Root`.
    pub(super) fn identify(
        app: &Arc<App>,
        head: &Head,
        scope: Option<&'static str>,
        fault: Option<FaultKind>,
    ) -> Result<Caller, Failure> {
        let token = bearer(head)?;
        if app.secret().is_none() {
            return Err(Failure::unauthorized("invalid_access_token"));
        }
        let (scopes, person) = match app.account().grants.access(&token, app.clock.now()) {
            Access::Unknown => return Err(Failure::unauthorized("invalid_access_token")),
            Access::Expired => return Err(Failure::unauthorized("expired_access_token")),
            Access::Good(scopes, person) => (scopes, person),
        };
        if let Some(required) = scope.filter(|&scope| !scopes.contains(scope)) {
            return Err(Failure::Unauthorized(json!({ ".tag": "missing_scope", "required_scope": required })));
        }
        let (view, root) = path_root::view(app, head, person)?;
        Ok(Caller { app: app.clone(), token, person, view, root, fault })
    }

    /// The place that a path names.
    pub(crate) fn place(
        &self,
        account: &Account,
        grammar: Grammar,
        path: &str,
        arg: &Arg,
    ) -> Result<Result<Place, Fault>, Failure> {
        let namespace = |number: &str| path_root::namespace(&self.app, self.person, &self.root, number);
        grammar.place(path, &self.view, namespace, &account.tree, arg.place)
    }
}

fn bearer(head: &Head) -> Result<String, Failure> {
    let sent = head.header(AUTHORIZATION).map(str::to_owned).or_else(|| head.parameter("authorization"));
    let Some(sent) = sent else {
        let problem = "Must provide HTTP header \"Authorization\" or URL parameter \"authorization\".";
        return Err(Failure::BadInput(problem.to_owned()));
    };
    match sent.strip_prefix("Bearer ").map(str::trim).filter(|token| !token.is_empty()) {
        Some(token) => Ok(token.to_owned()),
        None => {
            let problem = "Invalid authorization value in HTTP header \"Authorization\": expecting \"Bearer <token>\".";
            Err(Failure::BadInput(problem.to_owned()))
        }
    }
}
