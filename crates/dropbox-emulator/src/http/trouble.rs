//! Answers that do not arrive as they should.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future;
use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body as _, Frame};
use hyper::header::CONTENT_LENGTH;

use super::answer::Answer;
use super::connection::Signals;
use crate::records::InProgress;

/// What goes wrong on an answer's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Half of the body, then a reset.
    Cut,
    /// Half of the body, then nothing.
    Stall,
    /// That many bytes per second.
    Slow(u64),
    /// One byte is another.
    Damage,
}

/// Time for the first half to get to the caller, which a reset would otherwise overtake.
const UNDER_WAY: Duration = Duration::from_millis(50);

/// How often per second a slow body moves.
const STEPS: u64 = 20;

/// Lets an answer run into trouble.
pub(super) fn meet(trouble: Trouble, answer: Answer, signals: Arc<Signals>) -> Answer {
    let length = length(&answer);
    let (mut parts, body) = answer.into_parts();
    // Streams do not know their length; the caller is to learn that something is missing.
    parts.headers.insert(CONTENT_LENGTH, length.into());
    let data = body.into_data_stream();
    let body = match trouble {
        Trouble::Cut => rest(first(data, length / 2).chain(stream::once(cut(signals)))),
        Trouble::Stall => rest(first(data, length / 2).chain(stream::pending())),
        Trouble::Slow(speed) => rest(slow(data, speed)),
        Trouble::Damage => rest(damage(data)),
    };
    Answer::from_parts(parts, body)
}

fn length(answer: &Answer) -> u64 {
    let header = answer.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    header.or_else(|| answer.body().size_hint().exact()).unwrap_or_default()
}

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, io::Error>;

fn rest(data: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    StreamBody::new(data.map_ok(Frame::data)).boxed_unsync()
}

/// The first `left` bytes.
fn first(data: impl Stream<Item = io::Result<Bytes>>, mut left: u64) -> impl Stream<Item = io::Result<Bytes>> {
    data.map_ok(move |mut bytes| {
        bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left -= bytes.len() as u64;
        bytes
    })
    .try_take_while(|bytes| future::ready(Ok(!bytes.is_empty())))
}

async fn cut(signals: Arc<Signals>) -> io::Result<Bytes> {
    tokio::time::sleep(UNDER_WAY).await;
    signals.reset.store(true, Ordering::Relaxed);
    Err(io::ErrorKind::ConnectionReset.into())
}

fn slow(data: impl Stream<Item = io::Result<Bytes>>, speed: u64) -> impl Stream<Item = io::Result<Bytes>> {
    let step = usize::try_from((speed / STEPS).max(1)).unwrap_or(usize::MAX);
    let split = move |mut bytes: Bytes| {
        stream::iter(std::iter::from_fn(move || (!bytes.is_empty()).then(|| Ok(bytes.split_to(step.min(bytes.len()))))))
    };
    data.map_ok(split).try_flatten().and_then(move |bytes: Bytes| async move {
        tokio::time::sleep(time_of(bytes.len() as u64, speed)).await;
        Ok(bytes)
    })
}

/// How long so many bytes take.
pub(super) fn time_of(bytes: u64, speed: u64) -> Duration {
    Duration::from_micros(bytes.saturating_mul(1_000_000) / speed.max(1))
}

fn damage(data: impl Stream<Item = io::Result<Bytes>>) -> impl Stream<Item = io::Result<Bytes>> {
    let mut is_done = false;
    data.map_ok(move |bytes| if std::mem::replace(&mut is_done, true) { bytes } else { damaged(&bytes) })
}

/// The same with another first byte.
pub(super) fn damaged(bytes: &[u8]) -> Bytes {
    let mut bytes = BytesMut::from(bytes);
    if let Some(byte) = bytes.first_mut() {
        *byte ^= 1;
    }
    bytes.freeze()
}

/// Lets a call be in progress until the last byte of its answer is handed on.
pub(super) fn in_progress(call: InProgress, answer: Answer) -> Answer {
    if answer.body().size_hint().exact().is_some() {
        return answer;
    }
    let (mut left, mut call) = (length(&answer), Some(call));
    answer.map(|body| {
        let count = move |bytes: Bytes| {
            left = left.saturating_sub(bytes.len() as u64);
            if left == 0 {
                drop(call.take());
            }
            bytes
        };
        rest(body.into_data_stream().map_ok(count))
    })
}
