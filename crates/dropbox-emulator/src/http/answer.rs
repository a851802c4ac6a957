//! Answers: JSON, plain text, pages, redirects and streams of bytes.

use std::convert::Infallible;
use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, TryStreamExt as _};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::store::Slice;

/// What goes back over the wire.
pub(crate) type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// The `Content-Type` of 400 and of some 429 answers.
pub(crate) const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Exactly this, without a character set: the Python SDK compares it.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Bytes read from disk at a time.
const READ_BUFFER: usize = 256 * 1024;

fn whole(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let never = |never: Infallible| match never {};
    let mut answer = Response::new(Full::new(body.into()).map_err(never).boxed_unsync());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, value: &Value) -> Answer {
    whole(status, JSON, value.to_string())
}

/// A plain text answer.
pub(crate) fn text(status: StatusCode, sentence: String) -> Answer {
    whole(status, PLAIN_TEXT, sentence)
}

/// A page for a person.
pub(crate) fn page(status: StatusCode, html: String) -> Answer {
    whole(status, HeaderValue::from_static("text/html; charset=utf-8"), html)
}

/// 302 to `location`.
pub(crate) fn redirect(location: &str) -> Answer {
    match HeaderValue::from_str(location) {
        Ok(location) => {
            let mut answer = text(StatusCode::FOUND, String::new());
            answer.headers_mut().insert(LOCATION, location);
            answer
        }
        Err(_) => text(StatusCode::BAD_REQUEST, "The redirect_uri holds characters that no URI has.".to_owned()),
    }
}

/// Bytes from disk, read as they are sent.
pub(crate) fn bytes(status: StatusCode, slices: Vec<Slice>) -> Answer {
    let frames =
        stream::iter(slices.into_iter().map(Ok::<Slice, io::Error>)).map_ok(read).try_flatten().map_ok(Frame::data);
    let mut answer = Response::new(StreamBody::new(frames).boxed_unsync());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    answer
}

fn read(slice: Slice) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    stream::try_unfold((slice, None), async |(mut slice, file)| {
        if slice.len == 0 {
            return Ok(None);
        }
        let mut file = match file {
            Some(file) => file,
            None => {
                let mut file = tokio::fs::File::open(slice.path()).await?;
                file.seek(io::SeekFrom::Start(slice.offset)).await?;
                file
            }
        };
        let wanted = usize::try_from(slice.len).unwrap_or(READ_BUFFER).min(READ_BUFFER);
        let mut buffer = BytesMut::zeroed(wanted);
        file.read_exact(&mut buffer).await?;
        slice.len -= wanted as u64;
        Ok(Some((buffer.freeze(), (slice, Some(file)))))
    })
}
