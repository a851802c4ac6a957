//! The changes of a plan, made together.

use catalog::{ConfigurationEdit, ConfigurationWrite, Destination, NewAuditEntry};
use secrecy::SecretString;

use super::{Action, Change, Plan, Wanted, plan};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::problem::Problem;

/// Maximum number of attempts while other requests change the configuration.
const MAX_ATTEMPTS: usize = 3;
/// Maximum length of the detail of an audit entry, in characters.
const MAX_DETAIL_LEN: usize = 2000;

/// Makes the server what is wanted, or changes nothing. Of two calls at once, the second waits.
pub(crate) async fn apply(app: &App, caller: &Caller, address: &str, wanted: &Wanted) -> Result<Plan, Problem> {
    let _turn = app.applying.lock().await;
    let mut attempt = 1;
    loop {
        let plan = plan(app, caller, wanted).await?;
        let named_apps = named_apps(app, &plan)?;
        match write(app, caller, address, &plan).await {
            Err(catalog::Error::Conflict) if attempt < MAX_ATTEMPTS => attempt += 1,
            Err(error) => return Err(error.into()),
            Ok(()) => {
                follow_up(app, named_apps, &plan).await;
                return Ok(plan);
            }
        }
    }
}

/// Looks at what was changed. Everything is stored already: what fails here is told in the log, and not as a failure of the change.
async fn follow_up(app: &App, named_apps: Vec<(String, Option<SecretString>)>, plan: &Plan) {
    let mut failures = Vec::new();
    for (id, named_app) in named_apps {
        failures.extend(app.settle_authorization(&id, named_app).await.err());
    }
    for edit in &plan.edits {
        if let ConfigurationEdit::Grant(id, ..) = edit {
            failures.extend(app.look_at_new_grant(id).await.err());
        }
    }
    for problem in failures {
        tracing::warn!(%problem, "a destination that was applied could not be looked at");
    }
}

async fn write(app: &App, caller: &Caller, address: &str, plan: &Plan) -> Result<(), catalog::Error> {
    let actor = caller.describe();
    let changes: Vec<&Change> = plan.changes.iter().filter(|change| change.action != Action::Keep).collect();
    if plan.edits.is_empty() {
        return Ok(());
    }
    let entries: Vec<(String, String)> = changes.into_iter().map(|change| (object(change), detail(change))).collect();
    let entry =
        |(object, detail)| NewAuditEntry { actor: &actor, address, action: "apply", object, refused: false, detail };
    let audit: Vec<NewAuditEntry<'_>> =
        entries.iter().map(|(object, detail)| (object.as_str(), detail.as_str())).map(entry).collect();
    let write = ConfigurationWrite { edits: &plan.edits, audit: &audit };
    app.catalog.change_configuration(&plan.seen, write, app.now()).await
}

fn object(change: &Change) -> String {
    format!("{} {}", change.kind.trim_end_matches('s'), change.name)
}

fn detail(change: &Change) -> String {
    let word = match change.action {
        Action::Create => "created",
        Action::Update => "changed",
        Action::Keep => "kept",
        Action::Delete => "removed",
    };
    let fields = change.fields.iter().map(super::FieldChange::in_words).collect::<Vec<_>>().join("; ");
    let detail = if fields.is_empty() { word.to_owned() } else { format!("{word}: {fields}") };
    detail.chars().take(MAX_DETAIL_LEN).collect()
}

/// Returns the destinations that exist and are changed, but for those with a new grant, with the secrets that name their apps so far.
fn named_apps(app: &App, plan: &Plan) -> Result<Vec<(String, Option<SecretString>)>, Problem> {
    let has = |destination: &Destination, is_it: fn(&ConfigurationEdit, &str) -> bool| {
        plan.edits.iter().any(|edit| is_it(edit, &destination.id))
    };
    let changed = |destination: &&Destination| {
        has(destination, |edit, of| matches!(edit, ConfigurationEdit::Destination(id, _) if id == of))
            && !has(destination, |edit, of| matches!(edit, ConfigurationEdit::Grant(id, ..) if id == of))
    };
    let destinations = plan.seen.destinations.iter().filter(changed);
    destinations.map(|destination| Ok((destination.id.clone(), app.app_of(destination)?))).collect()
}
