//! The body of an upload: pieces that can be sent as often as need be, whose movement is seen and can be slowed down.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::throttle::Throttle;

/// Bytes handed to a connection at a time.
const SLICE: usize = 128 * 1024;

/// What is sent in one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Payload {
    pieces: Vec<Bytes>,
    length: u64,
}

impl Payload {
    pub(crate) fn new(pieces: Vec<Bytes>) -> Self {
        let pieces: Vec<Bytes> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces, length }
    }

    /// Bytes.
    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    /// A body that tells `flow` of what moves.
    pub(crate) fn body(&self, flow: Arc<Flow>, throttle: Arc<Throttle>) -> PayloadBody {
        let pieces = self.pieces.clone().into_iter().collect();
        PayloadBody { pieces, left: self.length, flow, throttle, pause: None }
    }
}

impl From<Bytes> for Payload {
    fn from(piece: Bytes) -> Self {
        Self::new(vec![piece])
    }
}

/// How far a request's body has come.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    began: OnceLock<Instant>,
    moved: AtomicU64,
    /// `None` before the request is sent.
    last: Mutex<Option<Instant>>,
}

impl Flow {
    /// The request is sent now: what was waited for before it is not the connection's doing.
    pub(crate) fn start(&self) {
        self.moved.store(0, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Bytes that have been handed to the connection.
    pub(crate) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// When the last of them were, or the request was sent.
    fn last(&self) -> Instant {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(Instant::now)
    }

    /// Ends when nothing has moved for `idle`, or when everything has been sent and no answer came for `answer`.
    pub(crate) async fn stalled(&self, length: u64, idle: Duration, answer: Duration) {
        loop {
            let patience = if self.moved() >= length { answer } else { idle };
            let end = self.last() + patience;
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }

    /// When the first byte was handed to the connection.
    pub(crate) fn began(&self) -> Option<Instant> {
        self.began.get().copied()
    }

    pub(crate) fn advance(&self, bytes: u64) {
        let now = Instant::now();
        self.began.get_or_init(|| now);
        self.moved.fetch_add(bytes, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }
}

/// A [`Payload`] on its way.
#[derive(Debug)]
pub(crate) struct PayloadBody {
    pieces: std::collections::VecDeque<Bytes>,
    left: u64,
    flow: Arc<Flow>,
    throttle: Arc<Throttle>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Body for PayloadBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        let Some(front) = self.pieces.front_mut() else { return Poll::Ready(None) };
        let slice = front.split_to(front.len().min(SLICE));
        if front.is_empty() {
            self.pieces.pop_front();
        }
        self.left -= slice.len() as u64;
        self.flow.advance(slice.len() as u64);
        self.pause = self.throttle.book(slice.len()).map(|free| Box::pin(tokio::time::sleep_until(free)));
        Poll::Ready(Some(Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
