//! The changes of a plan, made together.

use catalog::{ConfigurationEdit, ConfigurationWrite, Destination, GrantChange, NewAuditEntry, NewDestination};
use secrecy::SecretString;
use serde_json::Value;

use super::{Action, Change, Plan, Wanted, WrongField, plan};
use crate::app::App;
use crate::http::api::configuration::ConfigurationInput;
use crate::http::audit_words::singular;
use crate::http::caller::Caller;
use crate::http::extract::read_as;
use crate::http::problem::{FieldError, Problem};

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

/// Applies the configuration that a server is started with.
///
/// # Errors
/// What is wrong with it. Nothing was changed.
pub(crate) async fn apply_at_start(app: &App, wanted: Value) -> Result<(), Vec<WrongField>> {
    let applied = async {
        let input: ConfigurationInput = read_as(wanted)?;
        apply(app, &Caller::at_start(app.now()), "", &input.read()?).await
    };
    let wrong = |FieldError { field, message }| WrongField { field, message };
    let plan = applied.await.map_err(|problem| problem.into_errors("").into_iter().map(wrong).collect::<Vec<_>>())?;
    for change in plan.changes.iter().filter(|change| change.action != Action::Keep) {
        tracing::info!(kind = kind(change), name = change.name, "configuration: {}", detail(change));
    }
    for warning in &plan.warnings {
        tracing::warn!("configuration: {warning}");
    }
    Ok(())
}

/// Looks at what was changed.
async fn follow_up(app: &App, named_apps: Vec<(String, Option<SecretString>)>, plan: &Plan) {
    for (id, named_app) in named_apps {
        app.follow_change(&id, false, named_app).await;
    }
    for edit in &plan.edits {
        if let ConfigurationEdit::Destination(id, NewDestination { grant: GrantChange::Set(..), .. }) = edit {
            app.follow_change(id, true, None).await;
        }
    }
}

async fn write(app: &App, caller: &Caller, address: &str, plan: &Plan) -> Result<(), catalog::Error> {
    if plan.edits.is_empty() {
        return Ok(());
    }
    let (actor, (user, token)) = (caller.describe(), caller.names());
    let changes: Vec<&Change> = plan.changes.iter().filter(|change| change.action != Action::Keep).collect();
    let in_words = |change: &&Change| [event(change), kind(change), object(change), detail(change)];
    let words: Vec<[String; 4]> = changes.iter().map(in_words).collect();
    let mut audit = Vec::new();
    for (change, [event, kind, object, detail]) in changes.iter().zip(&words) {
        audit.push(NewAuditEntry {
            actor: &actor,
            user,
            token,
            address,
            event,
            action: "apply",
            object_kind: kind,
            object_id: &change.id,
            object_name: &change.name,
            object,
            refused: false,
            detail,
        });
    }
    let write = ConfigurationWrite { edits: &plan.edits, audit: &audit };
    app.catalog.change_configuration(&plan.seen, write, app.now()).await
}

fn kind(change: &Change) -> String {
    singular(change.kind)
}

fn event(change: &Change) -> String {
    let act = match change.action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Keep => "keep",
        Action::Delete => "delete",
    };
    format!("{}.{act}", kind(change))
}

fn object(change: &Change) -> String {
    format!("{} {}", kind(change), change.name)
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
    let changed = |destination: &&Destination| {
        plan.edits.iter().any(|edit| match edit {
            ConfigurationEdit::Destination(id, new) => {
                *id == destination.id && !matches!(new.grant, GrantChange::Set(..))
            }
            _ => false,
        })
    };
    let destinations = plan.seen.destinations.iter().filter(changed);
    destinations.map(|destination| Ok((destination.id.clone(), app.app_of(destination)?))).collect()
}
