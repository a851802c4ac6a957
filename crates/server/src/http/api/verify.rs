//! Verifying a backup at a destination.

use adapter::destination::{Destination, How};
use axum::Json;
use axum::extract::State;
use catalog::NewVerification;
use domain::run::FailureCode;
use domain::stored::{VerificationMethod, VerificationResult};
use runner::restore::Examined;
use runner::{OpenError, OpenRequest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::extract::{Body, Id};
use super::super::problem::Problem;
use super::backups::check_backup;
use crate::app::App;
use crate::failure::Failure;
use crate::patience::Patience;
use crate::stored_copies::method;

/// What is left where a content cannot be compared.
const CHECK_EVERYTHING: &str = "Check everything to read, decrypt and decompress it";

/// Which backup, and how thoroughly.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifyInput {
    /// As the list shows it.
    #[schema(min_length = 1, max_length = 2000)]
    path: String,
    /// Check everything: read all of it, decrypt it with the server's keys, decompress it, and compare the dump with the sidecar.
    #[serde(default)]
    #[schema(required = false)]
    deep: bool,
}

/// Whether a destination holds what was backed up.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verification {
    result: VerificationResult,
    /// How the content was compared: absent if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_by: Option<VerificationMethod>,
    /// In words.
    detail: String,
}

/// What a verification found: the backup, if it was found whole or cannot be told, and what is told and kept.
struct Found {
    examined: Option<Examined>,
    verification: Verification,
}

/// Compares what the storage holds with the sidecar: by its own hash where it has one, otherwise by reading the file. With `deep`, all of
/// it is read, decrypted and decompressed, and the dump is compared, too.
#[utoipa::path(post, path = "/api/destinations/{id}/backups/verify", tag = "backups", params(("id" = String, Path)),
    request_body = VerifyInput, responses((status = 200, body = Verification)))]
pub(crate) async fn verify(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    Body(input): Body<VerifyInput>,
) -> Result<Json<Verification>, Problem> {
    check_backup(&input.path)?;
    let epoch = app.catalog.epoch(&id).await?;
    let patience = if input.deep { Patience::Long } else { Patience::Short };
    let destination = app.open_destination(&id, patience).await?;
    let found = match input.deep {
        true => check_everything(&app, &*destination, &input.path).await?,
        false => compare(&*destination, &input.path).await?,
    };
    let by = caller.describe();
    let Found { examined, verification } = found;
    let how = verification.checked_by.unwrap_or(VerificationMethod::SizeAndTag);
    let stored = NewVerification { by: &by, how, result: verification.result, detail: &verification.detail };
    app.record_verification((&id, epoch), &input.path, examined.as_ref(), stored).await;
    Ok(Json(verification))
}

async fn compare(destination: &dyn Destination, path: &str) -> Result<Found, Failure> {
    match runner::restore::verify(destination, path).await {
        Ok(examined) => Ok(Found { verification: outcome_of(&examined), examined: Some(examined) }),
        Err(error @ OpenError::Altered { .. }) => Ok(altered(&error, None)),
        Err(error) => Err(error.into()),
    }
}

/// What a comparison came to, and how the content was compared.
fn outcome_of(examined: &Examined) -> Verification {
    if let Some(how) = examined.proved {
        let detail = format!("the content is the sidecar's, checked by {how}");
        return Verification { result: VerificationResult::Whole, checked_by: Some(method(how)), detail };
    }
    let (checked_by, detail) = match examined.sidecar.problem() {
        Some(why) => (None, format!("there is nothing to compare it with: {why}. {CHECK_EVERYTHING}")),
        None => {
            let detail =
                format!("only its size was compared: the storage knows no hash of its content. {CHECK_EVERYTHING}");
            (Some(method(How::SizeAndTag)), detail)
        }
    };
    Verification { result: VerificationResult::Unknown, checked_by, detail }
}

async fn check_everything(app: &App, destination: &dyn Destination, path: &str) -> Result<Found, Failure> {
    let identities = app.identities().await?;
    let request = OpenRequest { destination, path, identities };
    let deep = Some(VerificationMethod::Deep);
    match runner::restore::verify_deep(request).await {
        Ok((examined, checks)) => {
            // Without a sidecar it is whole in itself, and may be another backup.
            let is_compared = checks.missing.is_none();
            let result = if is_compared { VerificationResult::Whole } else { VerificationResult::Unknown };
            let verification = Verification { result, checked_by: deep, detail: checks.to_string() };
            Ok(Found { examined: Some(examined), verification })
        }
        Err(error) => match error.code() {
            FailureCode::Altered | FailureCode::Damaged => Ok(altered(&error, deep)),
            // Without the key nothing was found out, which takes nothing from an earlier verification.
            _ => Err(error.into()),
        },
    }
}

fn altered(error: &OpenError, checked_by: Option<VerificationMethod>) -> Found {
    let verification = Verification { result: VerificationResult::Altered, checked_by, detail: error.to_string() };
    Found { examined: None, verification }
}
