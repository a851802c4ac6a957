//! Paths of the server's machine in what people save.

use std::path::Path;

use domain::access::Permission;

use super::caller::Caller;
use super::problem::Problem;
use crate::app::App;
use crate::host_paths::{Refusal, Use};

/// Decides whether the path in a field may be used, and returns the approval to keep with it; `before` is the one of the same path.
pub(crate) async fn approve(
    app: &App,
    caller: &Caller,
    path: Option<(&'static str, &Path)>,
    used: Use,
    before: Option<String>,
) -> Result<Option<String>, Problem> {
    let Some((field, path)) = path.map(|(field, path)| (field, path.to_owned())) else { return Ok(None) };
    let administers = caller.allows(Permission::Administer);
    let approved = app.host_paths(move |paths| paths.approve(&path, used, administers, before.as_deref())).await;
    approved.map_err(|refusal| match refusal {
        Refusal::NotAllowed { .. } => Problem::forbidden(refusal.to_string()),
        refusal => Problem::invalid_field(field, refusal.to_string()),
    })
}
