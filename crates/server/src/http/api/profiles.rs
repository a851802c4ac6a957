//! Encryption profiles: to whom backups are encrypted (M-14).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use catalog::{NewProfile, Page, PageRequest, Profile};
use pipeline::keys::{Identity, Recipient};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::edit::MergePatch;
use super::super::extract::{Body, Id, Query};
use super::super::lists::{List, NamedListQuery, list as answer};
use super::super::problem::{Fields, Problem};
use super::super::revision::{HasRevision, IfMatch, Revised};
use super::super::time::Time;
use crate::app::App;
use crate::failure::Failure;
use crate::recovery_sheet::RecoverySheet;

/// age itself has no limit; nobody means more.
const MOST_RECIPIENTS: usize = 20;

/// An encryption profile.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Profile)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProfileInfo {
    id: String,
    name: String,
    /// age public keys.
    recipients: Vec<String>,
    /// Whether this server can open what it encrypts.
    can_decrypt: bool,
    /// When the private key was handed out; it is, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    exported_at: Option<Time>,
    /// Counts the changes that users make, from 1. It is also the `ETag`.
    revision: i64,
    created_at: Time,
}

impl HasRevision for ProfileInfo {
    fn revision(&self) -> i64 {
        self.revision
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// A profile that is made. Without keys of one's own the server makes a pair.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileInput {
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) name: String,
    /// Public keys (age1...) of one's own: the server can write backups then, and cannot read them.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub(crate) recipients: Vec<String>,
    /// An age identity file of one's own, instead: the server can read, too.
    #[schema(write_only, value_type = Option<String>, max_length = 20000)]
    pub(crate) identity: Option<SecretString>,
}

/// Another name for a profile.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileChange {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// A private key, handed out once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExportedIdentity {
    /// The file that `age -d -i` and `dbackup restore --identity` take.
    identity: String,
    /// A page to print and keep where the server is not.
    recovery_sheet: String,
}

impl From<Profile> for ProfileInfo {
    fn from(profile: Profile) -> Self {
        Self {
            can_decrypt: profile.has_identity(),
            id: profile.id,
            name: profile.name,
            recipients: profile.recipients,
            exported_at: profile.exported_at.map(Time::from),
            revision: profile.revision,
            created_at: profile.created_at.into(),
        }
    }
}

fn gone() -> Problem {
    Problem::not_found("the encryption profile")
}

/// By name.
#[utoipa::path(get, path = "/api/profiles", tag = "profiles", params(NamedListQuery), responses((status = 200, body = List<ProfileInfo>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<NamedListQuery>,
) -> Result<Json<List<ProfileInfo>>, Problem> {
    let request = query.page()?;
    let page = match &query.name {
        Some(name) => Page::of_one(app.catalog.profile_by_name(name).await?),
        None => app.catalog.profiles(&request).await?,
    };
    Ok(answer(page, |profile| profile.name.clone(), ProfileInfo::from))
}

/// Makes one. Its keys never change: other keys are another profile.
#[utoipa::path(post, path = "/api/profiles", tag = "profiles", request_body = ProfileInput, responses((status = 201, body = ProfileInfo)))]
pub(crate) async fn create(
    State(app): State<App>,
    Body(input): Body<ProfileInput>,
) -> Result<(StatusCode, Revised<ProfileInfo>), Problem> {
    let new = check(&app, input)?;
    Ok((StatusCode::CREATED, Revised(app.catalog.create_profile(&new, app.now()).await?.into())))
}

/// Checks a profile that is to be made, and finds its keys.
pub(crate) fn check(app: &App, input: ProfileInput) -> Result<NewProfile, Problem> {
    let mut fields = Fields::default();
    fields.check_name(&input.name);
    fields
        .check("recipients", input.recipients.len() <= MOST_RECIPIENTS, || format!("may be {MOST_RECIPIENTS} at most"));
    let both = input.identity.is_some() && !input.recipients.is_empty();
    fields.check("identity", !both, || "holds its own public keys: leave the recipients out".to_owned());
    fields.finish()?;
    let (recipients, identity) = keys(app, &input)?;
    Ok(NewProfile { name: input.name, recipients, identity })
}

fn keys(app: &App, input: &ProfileInput) -> Result<(Vec<String>, Option<SecretString>), Problem> {
    if let Some(identity) = &input.identity {
        let identities =
            Identity::parse_file(identity).map_err(|error| Problem::invalid_field("identity", error.to_string()))?;
        return Ok((
            identities.iter().map(|identity| identity.recipient().to_string()).collect(),
            Some(identity.clone()),
        ));
    }
    if input.recipients.is_empty() {
        let identity = Identity::generate();
        return Ok((vec![identity.recipient().to_string()], Some(identity.to_file(&app.now().to_string()))));
    }
    let parsed = input.recipients.iter().map(|text| text.parse::<Recipient>().map(|recipient| recipient.to_string()));
    let parsed = parsed.collect::<Result<Vec<_>, _>>();
    Ok((parsed.map_err(|error| Problem::invalid_field("recipients", error.to_string()))?, None))
}

/// One of them.
#[utoipa::path(get, path = "/api/profiles/{id}", tag = "profiles", params(("id" = String, Path)), responses((status = 200, body = ProfileInfo)))]
pub(crate) async fn show(State(app): State<App>, Id(id): Id) -> Result<Revised<ProfileInfo>, Problem> {
    Ok(Revised(app.catalog.profile(&id).await?.ok_or_else(gone)?.into()))
}

/// Renames one.
#[utoipa::path(patch, path = "/api/profiles/{id}", tag = "profiles", params(("id" = String, Path), IfMatch),
    request_body(content = ProfileChange, content_type = "application/merge-patch+json"), responses((status = 200, body = ProfileInfo)))]
pub(crate) async fn rename(
    State(app): State<App>,
    Id(id): Id,
    if_match: IfMatch,
    patch: MergePatch,
) -> Result<Revised<ProfileInfo>, Problem> {
    let change: ProfileChange = patch.read()?;
    let mut fields = Fields::default();
    fields.check_name(&change.name);
    fields.finish()?;
    let before = app.catalog.profile(&id).await?.ok_or_else(gone)?;
    if_match.check(before.revision)?;
    let renamed = app.catalog.rename_profile(&id, before.revision, &change.name).await;
    Ok(Revised(renamed.map_err(|error| if_match.refusal(error))?.ok_or_else(gone)?.into()))
}

/// Removes one that no job uses. What was encrypted to it opens only with its private key: export that first.
#[utoipa::path(delete, path = "/api/profiles/{id}", tag = "profiles", params(("id" = String, Path), IfMatch), responses((status = 204)))]
pub(crate) async fn delete(State(app): State<App>, Id(id): Id, if_match: IfMatch) -> Result<StatusCode, Problem> {
    let profile = app.catalog.profile(&id).await?.ok_or_else(gone)?;
    if_match.check(profile.revision)?;
    if profile.has_identity() && profile.exported_at.is_none() {
        return Err(Problem::conflict(
            "notExported",
            "This server holds the only copy of the private key. Export it first, or these backups can never be decrypted.",
        ));
    }
    let deleted = app.catalog.delete_profile(&id, profile.revision).await.map_err(|error| if_match.refusal(error))?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(gone()) }
}

/// Hands out the private key with a recovery sheet, once.
#[utoipa::path(post, path = "/api/profiles/{id}/export", tag = "profiles", params(("id" = String, Path)),
    responses((status = 200, body = ExportedIdentity)))]
pub(crate) async fn export(State(app): State<App>, Id(id): Id) -> Result<Json<ExportedIdentity>, Problem> {
    let profile = app.catalog.profile(&id).await?.ok_or_else(gone)?;
    let identity = app.catalog.profile_identity(&profile)?.ok_or_else(|| {
        Problem::conflict("noIdentity", "this server does not have the private key: whoever made the public key does")
    })?;
    if !app.catalog.mark_exported(&id, app.now()).await? {
        return Err(Problem::conflict(
            "exported",
            "the private key was handed out already; it is, once. Use the copy that was kept then",
        ));
    }
    let file = identity.expose_secret().to_owned();
    let recovery_sheet = recovery_sheet(&app, &profile, &file).await?;
    Ok(Json(ExportedIdentity { identity: file, recovery_sheet }))
}

/// Maximum number of destinations that a recovery sheet names.
const MAX_NAMED_DESTINATIONS: usize = 20;

async fn recovery_sheet(app: &App, profile: &Profile, identity: &str) -> Result<String, Problem> {
    Identity::parse_file(&identity.to_owned().into()).map_err(Failure::from)?;
    let first = PageRequest { after: None, limit: MAX_NAMED_DESTINATIONS };
    let destinations = app.catalog.destinations(&first).await?.items;
    let destinations = destinations
        .iter()
        .map(|destination| Ok((destination.name.clone(), app.destination_settings(destination)?.address())));
    let sheet = RecoverySheet {
        profile: &profile.name,
        recipients: &profile.recipients,
        identity,
        date: &app.now().strftime("%F").to_string(),
        signed_by: app.signer.public_key(),
        server: app.config.public_url.as_str(),
        destinations: &destinations.collect::<Result<Vec<_>, Problem>>()?,
        adapters: &app.config.adapters,
    };
    Ok(sheet.text())
}
