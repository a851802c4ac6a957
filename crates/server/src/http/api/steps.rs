//! Tests that report step by step: a line of JSON each, as soon as it is known.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
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

/// Runs a test and answers with its steps as they come (`application/x-ndjson`).
pub(crate) fn stream_steps<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Steps) -> F) -> Response {
    let (sender, receiver) = mpsc::channel(MOST_STEPS);
    // The test ends all the same when its reader has gone, and keeps its place until then.
    let permit = permit();
    let test = test(Steps(sender));
    tokio::spawn(async move {
        test.await;
        drop(permit);
    });
    let lines = stream::unfold(receiver, |mut receiver| async move {
        Some((Ok::<_, Infallible>(receiver.recv().await?), receiver))
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}
