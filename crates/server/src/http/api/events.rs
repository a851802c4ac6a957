//! What happens to all runs, in one stream: a browser needs one connection, however many pages it shows.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use domain::run::{RunProgress, RunResult};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::runs::RunInfo;
use crate::app::App;
use crate::runs::live::LiveEvent;

/// What happens to all runs, from now on: events `state` (a run), `progress` (`runId`, a `RunProgress`, the `result` if it has grown), `log` (`runId` has more of it) and
/// `missed` (the reader was too slow: read again what is shown). Nothing is repeated; what counts is read from the other addresses.
#[utoipa::path(get, path = "/api/events", tag = "runs",
    responses((status = 200, body = serde_json::Value, content_type = "text/event-stream")))]
pub(crate) async fn all(State(app): State<App>) -> Response {
    let (live, draining) = (app.runs.watch(), app.runs.draining.clone());
    let events = stream::unfold((live, draining), |(mut live, draining)| async move {
        let event = next(&mut live, &draining).await?;
        Some((Ok::<_, Infallible>(event), (live, draining)))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

/// How far a run is; the parts of it that may have changed.
pub(super) fn progress(progress: &RunProgress, result: Option<&RunResult>) -> Value {
    let mut data = json!(progress);
    if let Some(result) = result {
        data["result"] = json!(result);
    }
    data
}

async fn next(live: &mut Receiver<LiveEvent>, draining: &CancellationToken) -> Option<Event> {
    let received = tokio::select! {
        received = live.recv() => received,
        () = draining.cancelled() => return None,
    };
    let (name, data) = match received {
        Ok(LiveEvent::State(run)) => ("state", serde_json::to_value(RunInfo::from(*run)).ok()?),
        Ok(LiveEvent::Progress { run_id, progress: now, result }) => {
            let mut data = progress(&now, result.as_deref());
            data["runId"] = json!(run_id);
            ("progress", data)
        }
        Ok(LiveEvent::Line { run_id }) => ("log", json!({"runId": run_id})),
        Err(RecvError::Lagged(_)) => ("missed", json!({})),
        Err(RecvError::Closed) => return None,
    };
    Event::default().event(name).json_data(data).ok()
}
