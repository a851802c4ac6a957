//! The header `Dropbox-API-Path-Root`: which namespace a call's paths start from.
//!
//! Source: <https://www.dropbox.com/developers/reference/path-root-header-modes>.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::failure::Failure;
use crate::http::request::Head;
use crate::people::Person;
use crate::tree::path::View;

/// The first team's root namespace. Each further one is the next but one hundred.
const TEAM_NAMESPACE: u32 = 3_001_000;

#[derive(Deserialize)]
#[serde(tag = ".tag", rename_all = "snake_case")]
enum PathRoot {
    Home,
    Root { root: String },
    NamespaceId { namespace_id: String },
}

/// The number of the root namespace, and what is seen in it. A team that the members have changed to has a space of its own,
/// which is a folder of the same tree.
fn root(app: &App, person: Person) -> (String, View) {
    if !app.config.team_root {
        return (person.home_namespace().to_owned(), app.home(person));
    }
    match app.account().team_changes {
        0 => (TEAM_NAMESPACE.to_string(), View::root()),
        changes => ((TEAM_NAMESPACE + 100 * changes).to_string(), View::below(&format!("/Team {}", changes + 1))),
    }
}

/// A namespace by its number, if the person can see it. Takes what [`root`] found, since the account may be locked by now.
pub(super) fn namespace(app: &App, person: Person, root: &(String, View), number: &str) -> Option<View> {
    if number == person.home_namespace() {
        return Some(app.home(person));
    }
    (number == root.0).then(|| root.1.clone())
}

/// `RootInfo`, as the account and `invalid_root` have it.
pub(super) fn root_info(app: &App, person: Person) -> Value {
    let ((root, _), home) = (root(app, person), person.home_namespace());
    if app.config.team_root {
        let home_path = app.home(person).prefix().to_owned();
        json!({ ".tag": "team", "root_namespace_id": root, "home_namespace_id": home, "home_path": home_path })
    } else {
        json!({ ".tag": "user", "root_namespace_id": root, "home_namespace_id": home })
    }
}

/// That the root asked for is not the account's.
pub(crate) fn invalid(app: &App, person: Person) -> Failure {
    Failure::PathRoot(json!({ ".tag": "invalid_root", "invalid_root": root_info(app, person) }))
}

/// What the header asks for, home without it; and the root namespace.
pub(super) fn view(app: &App, head: &Head, person: Person) -> Result<(View, (String, View)), Failure> {
    let root = root(app, person);
    let Some(header) = head.header("dropbox-api-path-root") else { return Ok((app.home(person), root)) };
    let view = match serde_json::from_str(header) {
        Ok(PathRoot::Home) => app.home(person),
        Ok(PathRoot::Root { root: asked }) if asked == root.0 => root.1.clone(),
        Ok(PathRoot::Root { .. }) => return Err(invalid(app, person)),
        Ok(PathRoot::NamespaceId { namespace_id }) => namespace(app, person, &root, &namespace_id)
            .ok_or_else(|| Failure::PathRoot(json!({ ".tag": "no_permission" })))?,
        Err(error) => return Err(Failure::BadInput(format!("HTTP header \"Dropbox-API-Path-Root\": {error}"))),
    };
    Ok((view, root))
}
