//! Following a run: its events as they come, again from where they broke off.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::Value;

use super::Server;
use crate::failure::Failure;

/// So often in a row the connection may break before anything comes.
const ATTEMPTS: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);
/// No event is larger.
const LARGEST_EVENT: usize = 4 * 1024 * 1024;

/// One event.
#[derive(Debug, Default)]
struct Event {
    kind: String,
    id: Option<String>,
    data: String,
}

impl Server {
    /// Tells what happens to a run until it has ended; gives the run as it is then.
    pub(crate) async fn follow(&self, run: &str, mut tell: impl FnMut(&str, &Value)) -> Result<Value, Failure> {
        let (mut last, mut broken) = (None::<String>, 0);
        loop {
            let failure = match self
                .send(
                    Method::GET,
                    &format!("/api/runs/{run}/events"),
                    None,
                    last.as_deref().map(|id| ("last-event-id", id)),
                )
                .await
            {
                Ok(response) => {
                    let mut stream = Stream { response, buffer: Vec::new() };
                    loop {
                        match stream.next().await {
                            Ok(Some(event)) => {
                                let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
                                if event.kind == "problem" {
                                    break Failure::failed(data["detail"].as_str().unwrap_or_default());
                                }
                                broken = 0;
                                last = event.id.or(last);
                                tell(&event.kind, &data);
                                if event.kind == "state" && is_finished(&data) {
                                    return Ok(data);
                                }
                            }
                            Ok(None) => break Failure::failed("the server ended the stream"),
                            Err(failure) => break failure,
                        }
                    }
                }
                Err(failure) => failure,
            };
            broken += 1;
            if broken >= ATTEMPTS {
                return Err(failure);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Whether nothing more will happen to a run.
pub(super) fn is_finished(run: &Value) -> bool {
    run["state"]
        .as_str()
        .and_then(|state| state.parse::<domain::outcome::RunStatus>().ok())
        .is_some_and(domain::outcome::RunStatus::is_finished)
}

/// A `text/event-stream` that is being read.
struct Stream {
    response: Response,
    buffer: Vec<u8>,
}

impl Stream {
    async fn next(&mut self) -> Result<Option<Event>, Failure> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let event = parse(&String::from_utf8_lossy(&block));
                // A comment keeps the connection alive.
                if !event.kind.is_empty() {
                    return Ok(Some(event));
                }
                continue;
            }
            if self.buffer.len() > LARGEST_EVENT {
                return Err(Failure::failed("the server sent something that is no event"));
            }
            let piece = self.response.chunk().await.map_err(|error| Failure::failed(error.to_string()))?;
            match piece {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None => return Ok(None),
            }
        }
    }
}

fn parse(block: &str) -> Event {
    let mut event = Event::default();
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("event", kind)) => kind.clone_into(&mut event.kind),
            Some(("id", id)) => event.id = Some(id.to_owned()),
            Some(("data", data)) => event.data.push_str(data),
            _ => {}
        }
    }
    event
}
