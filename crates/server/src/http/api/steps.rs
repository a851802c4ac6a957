//! Tests that report step by step: a line of JSON each, as soon as it is known.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::probe::Step;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::super::bounds::permit;

/// No test has more steps.
const MOST_STEPS: usize = 64;

/// A step of a test.
#[derive(Debug, ToSchema)]
#[schema(as = Step)]
#[expect(dead_code, reason = "describes domain::probe::Step to the API's readers")]
pub(crate) struct StepInfo {
    /// What was tried: `token`, `account`, `write`, ...
    name: String,
    /// `passed`, `failed` or `skipped`.
    result: String,
    /// What was found.
    detail: Option<String>,
    /// Why it failed, and what to do.
    message: Option<String>,
}

/// Where a test puts its steps.
#[derive(Clone)]
pub(crate) struct Steps(mpsc::Sender<Bytes>);

impl Steps {
    pub(crate) fn tell(&self, step: &Step) {
        self.line(step);
    }

    fn line(&self, value: &impl Serialize) {
        if let Ok(mut line) = serde_json::to_vec(value) {
            line.push(b'\n');
            // Whoever asked may have gone; the test ends all the same, and clears up after itself.
            let _ = self.0.try_send(line.into());
        }
    }
}

/// Runs a test and answers with its steps: as they come (`application/x-ndjson`), or all at the end to those who only accept
/// `application/json`.
pub(crate) async fn answer_steps<F: Future<Output = ()> + Send + 'static>(
    headers: &HeaderMap,
    test: impl FnOnce(Steps) -> F,
) -> Response {
    let (sender, mut receiver) = mpsc::channel(MOST_STEPS);
    // The test ends all the same when its reader has gone, and keeps its place until then.
    let permit = permit();
    let test = test(Steps(sender));
    tokio::spawn(async move {
        test.await;
        drop(permit);
    });
    if wants_json(headers) {
        let mut array = b"[".to_vec();
        while let Some(line) = receiver.recv().await {
            if array.len() > 1 {
                array.push(b',');
            }
            array.extend_from_slice(line.trim_ascii_end());
        }
        array.push(b']');
        return ([(CONTENT_TYPE, "application/json")], array).into_response();
    }
    let lines = stream::unfold(receiver, |mut receiver| async move {
        Some((Ok::<_, Infallible>(receiver.recv().await?), receiver))
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

/// Whether one JSON document is asked for instead of a line per step, which is the answer to `*/*`, too.
fn wants_json(headers: &HeaderMap) -> bool {
    let accepted =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let kinds: Vec<&str> = accepted.map(|range| range.split(';').next().unwrap_or_default().trim()).collect();
    kinds.contains(&"application/json") && !kinds.contains(&"application/x-ndjson")
}
