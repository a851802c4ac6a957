//! Paths of the server's machine in what people save.

use domain::access::Permission;

use super::caller::Caller;
use super::problem::Problem;
use crate::app::App;
use crate::host_paths::Refusal;
use crate::settings::HostPath;

/// Decides whether the path in a field may be used, and returns the approval to keep with it; `before` is the one of the same path.
pub(crate) async fn approve(
    app: &App,
    caller: &Caller,
    path: Option<HostPath>,
    before: Option<String>,
) -> Result<Option<String>, Problem> {
    let Some(asked) = path else { return Ok(None) };
    let field = asked.field();
    let administers = caller.allows(Permission::Administer);
    let approved =
        app.host_paths(move |paths| paths.approve(&asked.path, asked.used, administers, before.as_deref())).await;
    approved.map_err(|refusal| match refusal {
        Refusal::NotAllowed { .. } => Problem::forbidden(refusal.to_string()),
        refusal => Problem::invalid_field(&field, refusal.to_string()),
    })
}
