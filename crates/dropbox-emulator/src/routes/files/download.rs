//! `files/download`: a file or a range of it, by path, id or revision.

use hyper::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderValue, RANGE};
use hyper::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::config::Store;
use crate::errors::{LookupError, RangeError, RangeProblem, ReadError};
use crate::failure::Failure;
use crate::faults::FaultKind;
use crate::http::answer::{self, Answer};
use crate::http::request::Head;
use crate::routes::{Arg, Caller, strings};
use crate::store::Content;
use crate::tree::Kind;
use crate::tree::metadata::Fields;
use crate::tree::path::{Grammar, Place, fold};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DownloadArg {
    path: String,
    #[serde(default, deserialize_with = "strings::rev")]
    rev: Option<String>,
}

/// The file's bytes, with its `FileMetadata` in the header `Dropbox-API-Result`.
pub(crate) fn download(caller: &Caller, arg: &Arg, head: &Head) -> Result<Answer, Failure> {
    let DownloadArg { path, rev } = arg.parse()?;
    let path = rev.map_or(path, |rev| format!("rev:{rev}"));
    let (content, mut fields) = find(caller, arg, &path)?;
    if caller.fault == Some(FaultKind::NoContentHash) {
        fields.remove("content_hash");
    }
    let mut answer = serve(&content, head.headers(), caller.app.config.store)?;
    let result = escape(&Value::from(fields).to_string());
    let header = |text: &str| HeaderValue::from_str(text).map_err(|error| arg.refuse(&error.to_string()));
    answer.headers_mut().insert("dropbox-api-result", header(&result)?);
    answer.headers_mut().insert(ETAG, header(&format!("W/\"{}\"", content.hash))?);
    Ok(answer)
}

/// The content and the metadata of the file or revision that `path` names.
pub(super) fn find(caller: &Caller, arg: &Arg, path: &str) -> Result<(Content, Fields), Failure> {
    let account = caller.app.account();
    let refuse = |path: LookupError| Failure::from(ReadError::Path { path });
    let place = caller.place(&account, Grammar::Read, path, arg)?.map_err(|fault| refuse(fault.into()))?;
    let found = match &place {
        Place::Nothing => None,
        Place::Revision(rev) => account.tree.revision(rev).zip(account.tree.revision_fields(rev, &caller.view)),
        Place::Path(path) => {
            let key = fold(path);
            if account.tree.get(&key).is_some_and(|node| node.kind == Kind::Folder) {
                return Err(refuse(LookupError::NotFile));
            }
            let revision = account.tree.file(&key).map(|(_, _, revision)| revision);
            revision.zip(account.tree.fields(&key, &caller.view))
        }
    };
    let (revision, fields) = found.ok_or_else(|| refuse(LookupError::NotFound))?;
    Ok((revision.content.clone(), fields))
}

/// The whole content, or the range that the headers ask for.
pub(super) fn serve(content: &Content, headers: &HeaderMap, store: Store) -> Result<Answer, Failure> {
    if store == Store::Hash && content.size > 0 {
        let sentence = "The emulator keeps only the hashes of files (--store hash): there are no bytes to download.";
        return Err(Failure::Text(StatusCode::BAD_REQUEST, sentence.to_owned()));
    }
    let size = content.stored();
    let asked = headers.get(RANGE).and_then(|range| range.to_str().ok()).and_then(Range::parse);
    let (status, start, length) = match asked {
        None => (StatusCode::OK, 0, size),
        Some(range) => {
            let range = range.within(size).ok_or(RangeError::Range { range: RangeProblem::NotSatisfiable })?;
            (StatusCode::PARTIAL_CONTENT, range.0, range.1)
        }
    };
    let mut answer = answer::bytes(status, content.slices(start, length));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert("original-content-length", content.size.into());
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(range) = HeaderValue::from_str(&format!("bytes {start}-{}/{size}", start + length - 1))
    {
        headers.insert(CONTENT_RANGE, range);
    }
    Ok(answer)
}

/// One byte range; a header with several counts as none, as RFC 9110 allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Range {
    From { first: u64, last: Option<u64> },
    Last(u64),
}

impl Range {
    fn parse(header: &str) -> Option<Range> {
        let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
        match (first.trim(), last.trim()) {
            ("", last) => last.parse().ok().map(Range::Last),
            (first, "") => first.parse().ok().map(|first| Range::From { first, last: None }),
            (first, last) => {
                let (first, last) = (first.parse().ok()?, last.parse().ok()?);
                (first <= last).then_some(Range::From { first, last: Some(last) })
            }
        }
    }

    /// Start and length within `size` bytes; `None` if nothing of it is there.
    fn within(self, size: u64) -> Option<(u64, u64)> {
        match self {
            Range::From { first, last } if first < size => {
                Some((first, last.map_or(size, |last| (last + 1).min(size)) - first))
            }
            Range::Last(length) if length > 0 && size > 0 => Some((size - length.min(size), length.min(size))),
            Range::From { .. } | Range::Last(_) => None,
        }
    }
}

/// JSON that fits a header: everything outside of ASCII as UTF-16 escapes, and DEL, which no header may have.
fn escape(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() && character != '\u{7f}' {
            escaped.push(character);
        } else {
            let units =
                character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            escaped.push_str(&units);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_file_and_refused_outside_of_it() {
        let within = |header: &str, size| Range::parse(header).and_then(|range| range.within(size));
        assert_eq!(within("bytes=0-0", 10), Some((0, 1)));
        assert_eq!(within("bytes=4-", 10), Some((4, 6)));
        assert_eq!(within("bytes=4-99", 10), Some((4, 6)));
        assert_eq!(within("bytes=-3", 10), Some((7, 3)));
        assert_eq!(within("bytes=-30", 10), Some((0, 10)));
        assert_eq!(within("bytes=10-", 10), None);
        assert_eq!(within("bytes=0-0", 0), None);
        assert_eq!(Range::parse("bytes=0-1,4-5"), None);
        assert_eq!(Range::parse("bytes=5-4"), None);
    }

    #[test]
    fn a_result_header_is_ascii_with_surrogate_pairs() {
        assert_eq!(escape("\"ü🦀\""), "\"\\u00fc\\ud83e\\udd80\"");
    }
}
