//! Running a backup while what happens is stored and told.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use catalog::Run;
use domain::run::{CopyResult, RunEvent, Stage};
use jiff::Timestamp;
use runner::backup::{RunReport, Stored};
use runner::{BackupRequest, Event, back_up};
use tokio::sync::mpsc;

use super::super::Active;
use super::super::stages::Stages;
use super::result::{copy_result, missing_copy, of_copy};
use crate::app::App;

/// Lines that may wait to be stored. A run says a handful per database.
const LINES: usize = 4096;

/// What a run says, and with it what it has published: a destination's id and epoch, and what is there.
struct Said {
    event: RunEvent,
    published: Option<(String, i64, Stored)>,
}

impl App {
    /// Runs it while its lines are stored, in order.
    pub(super) async fn run_request(
        &self,
        run: &Run,
        active: &Active,
        request: &BackupRequest<'_>,
        epochs: &HashMap<String, i64>,
    ) -> RunReport {
        let (sender, mut lines) = mpsc::channel::<Said>(LINES);
        let lost = Mutex::new(0_u64);
        let storing = async {
            while let Some(Said { event, published }) = lines.recv().await {
                self.store_new_items(&run.id, active).await;
                self.log(&run.id, event).await;
                if let Some((id, epoch, stored)) = published {
                    self.record_backup(&run.id, (&id, epoch), &stored).await;
                }
            }
        };
        let not_sent = &lost;
        let running = async move {
            // Dropped with this block, which ends the storing.
            let on_event = move |event: Event<'_>| {
                note_stage(&active.stages, &event, &request.acknowledged, self.now());
                let data = event.to_data(&of_copy, &request.acknowledged);
                if sender.try_send(Said { event: data, published: published(&event, epochs) }).is_err() {
                    *not_sent.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                }
            };
            back_up(request, &active.progress, &active.cancel, &on_event).await
        };
        let (report, ()) = tokio::join!(running, storing);
        let lost = *lost.lock().unwrap_or_else(PoisonError::into_inner);
        if lost > 0 {
            self.log(&run.id, RunEvent::LinesMissing { count: lost, too_fast: true }).await;
        }
        report
    }
}

fn note_stage(stages: &Stages, event: &Event<'_>, acknowledged: &[String], now: Timestamp) {
    match event {
        Event::Started { database } => stages.reach(database, Stage::Dumping, now),
        Event::Dumped { database, size } => stages.dumped(database, *size),
        Event::Warned { database, warning } | Event::MayNotFit { database, warning, .. } => {
            stages.warn(database, warning.listed(acknowledged));
        }
        Event::Failed { database, failure } => {
            stages.fail(database, &failure.to_string(), failure.code(), failure.technical_details(), now);
        }
        Event::Copied { database, copy, .. } => stages.add_copy(database, copy_result(copy, Some(now)), now),
        Event::DroppedOut { database, place, failure } => {
            stages.add_copy(database, CopyResult::Missing(missing_copy(&place.id, &place.name, failure)), now);
        }
        Event::Silent { .. } | Event::Settling { .. } => {}
    }
}

/// Returns what was published, if that is what happened.
fn published(event: &Event<'_>, epochs: &HashMap<String, i64>) -> Option<(String, i64, Stored)> {
    let Event::Copied { copy, stored, .. } = *event else { return None };
    Some((copy.destination_id.clone(), *epochs.get(&copy.destination_id)?, stored.clone()))
}

#[cfg(test)]
mod tests {
    use domain::Warning;
    use serde_json::json;

    use super::*;

    #[test]
    fn that_a_backup_may_not_fit_is_known_while_the_run_goes_on() {
        let stages = Stages::default();
        stages.begin(&["shop".to_owned()], &[], 1, Vec::new());
        let usage = adapter::destination::Usage { used: 9, allowed: Some(10) };
        let warning = Warning::new("may-not-fit", "m").about("file:///x");
        let (destination, database) = ("file:///x", "shop");
        let event = Event::MayNotFit { database, destination, last_size: 2, usage, warning: &warning };
        note_stage(&stages, &event, &[], Timestamp::UNIX_EPOCH);
        let told = serde_json::to_value(stages.news()).unwrap();
        let expected = json!([{"code": "may-not-fit", "subject": "file:///x", "message": "m"}]);
        assert_eq!(told["databases"][0]["warnings"], expected);
    }
}
