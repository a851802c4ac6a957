//! Writes to the catalog what runs and people do with copies of backups. What cannot be written is found by the next scan: a run that has
//! published a copy does not fail for it.

use adapter::destination::How;
use catalog::{NewCopy, NewVerification};
use domain::stored::{VerificationMethod, VerificationResult};
use runner::SignatureState;
use runner::backup::Stored;
use runner::restore::Examined;

use crate::app::App;

/// A destination's id, and its [`catalog::Catalog::epoch`] from before it was opened.
pub(crate) type Opened<'a> = (&'a str, i64);

impl App {
    /// Records a copy that a backup has published, and that was verified then.
    pub(crate) async fn record_backup(&self, run_id: &str, (destination_id, epoch): Opened<'_>, stored: &Stored) {
        let Some((job, name)) = runner::catalog::parse_path(&stored.path) else { return };
        let by = format!("run {run_id}");
        let new = NewCopy {
            destination_id,
            path: &stored.path,
            job: &job,
            name: &name,
            sidecar: Some(&stored.sidecar),
            signature: Some(stored.sidecar.signature.as_ref().map_or("unsigned", |_| self.signer.public_key())),
            epoch,
            stored_size: i64::try_from(stored.sidecar.size.stored).unwrap_or(i64::MAX),
            verification: Some(whole(&by, stored.proved)),
        };
        noted(self.record_copy(&new).await, destination_id, &stored.path);
    }

    /// Records a copy that a run has copied, and that was compared then.
    pub(crate) async fn record_copied(&self, run_id: &str, opened: Opened<'_>, path: &str, examined: &Examined) {
        let by = format!("run {run_id}");
        let verification = examined.proved.map(|how| whole(&by, how));
        self.record_examined(opened, path, examined, verification).await;
    }

    /// Records a copy as it was found.
    pub(crate) async fn record_examined(
        &self,
        (destination_id, epoch): Opened<'_>,
        path: &str,
        examined: &Examined,
        verification: Option<NewVerification<'_>>,
    ) {
        let Some((job, name)) = runner::catalog::parse_path(path) else { return };
        let signature = examined.sidecar.signature().map(signer_of);
        let new = NewCopy {
            destination_id,
            path,
            job: &job,
            name: &name,
            sidecar: examined.sidecar.sidecar(),
            signature: signature.as_deref(),
            epoch,
            stored_size: i64::try_from(examined.entry.size).unwrap_or(i64::MAX),
            verification,
        };
        noted(self.record_copy(&new).await, destination_id, path);
    }

    /// Records a copy with the time that all servers share: retention compares it with the storage's.
    async fn record_copy(&self, new: &NewCopy<'_>) -> Result<(), catalog::Error> {
        self.catalog.record_copy(new, self.catalog.shared_now(self.now()).await?).await
    }

    /// Records how a copy was verified. One that was not known is recorded with it, if it was found.
    pub(crate) async fn record_verification(
        &self,
        (destination_id, epoch): Opened<'_>,
        path: &str,
        examined: Option<&Examined>,
        verification: NewVerification<'_>,
    ) {
        let recorded = self.catalog.record_verification((destination_id, epoch), path, &verification, self.now()).await;
        match (recorded, examined) {
            (Ok(false), Some(examined)) => {
                self.record_examined((destination_id, epoch), path, examined, Some(verification)).await;
            }
            (recorded, _) => noted(recorded.map(drop), destination_id, path),
        }
    }
}

fn whole(by: &str, how: How) -> NewVerification<'_> {
    // Who compared no content does not know that it is whole.
    let result = if how == How::SizeAndTag { VerificationResult::Unknown } else { VerificationResult::Whole };
    NewVerification { by, how: method(how), result, detail: "" }
}

/// Returns how a proof is kept.
pub(crate) fn method(how: How) -> VerificationMethod {
    match how {
        How::OwnHash => VerificationMethod::OwnHash,
        How::ReadBack => VerificationMethod::ReadBack,
        How::SizeAndTag => VerificationMethod::SizeAndTag,
    }
}

fn noted(result: Result<(), catalog::Error>, destination_id: &str, path: &str) {
    if let Err(error) = result {
        tracing::warn!(%error, destination_id, path, "what is known of a copy could not be stored");
    }
}

/// Returns who has signed a sidecar, as the catalog keeps it.
pub(crate) fn signer_of(signature: &SignatureState) -> String {
    match signature {
        SignatureState::Unsigned => "unsigned".to_owned(),
        SignatureState::Wrong => "wrong".to_owned(),
        SignatureState::SignedBy(key) => key.clone(),
    }
}
