//! What a backup shows of its destinations besides: the room that is left, and whether their authorizations work.

use adapter::authorization::Act;
use runner::RunReport;
use runner::backup::{Failure as CopyFailure, NamedDestination};

use crate::app::App;

impl App {
    /// What a backup has left of the room there is (M-16). Whoever may not look at that can still back up.
    pub(super) async fn look_at_space(&self, ready: &[NamedDestination]) {
        for NamedDestination { id, name, destination } in ready {
            let noted = match destination.usage().await {
                Ok(Some(usage)) => self.note_space(id, usage.used, usage.allowed).await,
                Ok(None) => Ok(()),
                Err(error) => {
                    tracing::debug!(%error, destination = name, "its space could not be looked at");
                    Ok(())
                }
            };
            if let Err(error) = noted {
                tracing::error!(%error, destination = name, "its space could not be noted");
            }
        }
    }

    /// Notes which authorizations worked, and which did not.
    pub(super) async fn note_grants(&self, report: &RunReport) {
        for copy in report.databases.iter().flat_map(|database| &database.copies) {
            match &copy.result {
                Ok(_) => self.note_working(&copy.destination_id, Act::Write).await,
                Err(CopyFailure::Destination(error)) => self.note_broken_grant(&copy.destination_id, error).await,
                Err(_) => {}
            }
        }
    }
}
