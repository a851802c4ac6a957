//! Downloading, in order, from one revision, going on where a connection broke.

use std::ops::Range;

use bytes::Bytes;
use reqwest::Response;
use serde::Serialize;

use super::FileMetadata;
use crate::client::Client;
use crate::content_hash::ContentHasher;
use crate::error::{DownloadError, Error};
use crate::transport;

const ROUTE: &str = "files/download";

#[derive(Serialize)]
struct DownloadArg<'a> {
    path: &'a str,
}

/// A download in progress. A whole file is checked against Dropbox's content hash at its end, a range against its length.
#[derive(Debug)]
pub struct Download {
    client: Client,
    metadata: FileMetadata,
    response: Option<Response>,
    position: u64,
    end: u64,
    hasher: Option<ContentHasher>,
    breaks: u32,
}

impl Client {
    /// Starts to download a file, or a range of it. Needs `files.content.read`.
    ///
    /// # Errors
    /// [`Error::is_not_found`] if nothing is there; as every call.
    pub async fn open(&self, path: &str, range: Option<Range<u64>>) -> Result<Download, Error> {
        let (from, to) = range.as_ref().map_or((0, None), |range| (range.start, Some(range.end)));
        let response = self.download::<_, DownloadError>(ROUTE, &DownloadArg { path }, from, to).await?;
        let metadata = result_header(&response)?;
        let end = to.unwrap_or(metadata.size).min(metadata.size);
        Ok(Download {
            client: self.clone(),
            response: Some(response),
            position: from,
            end,
            hasher: range.is_none().then(ContentHasher::default),
            breaks: 0,
            metadata,
        })
    }
}

impl Download {
    /// The file that is being read.
    pub fn metadata(&self) -> &FileMetadata {
        &self.metadata
    }

    /// The next bytes; none at the end, once everything has been checked.
    ///
    /// # Errors
    /// [`Error::ContentMismatch`] if the bytes are not those that Dropbox promised; network errors when trying again is over.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if self.position >= self.end {
                return self.check().map(|()| None);
            }
            let response = match &mut self.response {
                Some(response) => response,
                None => self.response.insert(reopen(&self.client, &self.metadata.rev, self.position, self.end).await?),
            };
            let failure = match transport::chunk(ROUTE, response).await {
                Ok(Some(bytes)) => return self.take(bytes).map(Some),
                Ok(None) => {
                    Error::Network { route: ROUTE.into(), reason: "the answer ended early".into(), unsent: false }
                }
                Err(error) => error,
            };
            self.response = None;
            self.client.wait_after(failure, self.breaks).await?;
            self.breaks += 1;
        }
    }

    fn take(&mut self, bytes: Bytes) -> Result<Bytes, Error> {
        self.position += bytes.len() as u64;
        self.breaks = 0;
        if self.position > self.end {
            return Err(self.mismatch(format!("{} bytes", self.end), "more".to_owned()));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&bytes);
        }
        Ok(bytes)
    }

    fn check(&mut self) -> Result<(), Error> {
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        let found = hasher.finish();
        if found == self.metadata.content_hash {
            return Ok(());
        }
        Err(self.mismatch(self.metadata.content_hash.clone(), found))
    }

    fn mismatch(&self, expected: String, found: String) -> Error {
        Error::ContentMismatch { path: self.metadata.path_display.clone(), transferred: "received", expected, found }
    }
}

/// Goes on at a byte of the same revision, so that a file changed meanwhile cannot be mixed in.
async fn reopen(client: &Client, rev: &str, position: u64, end: u64) -> Result<Response, Error> {
    let path = format!("rev:{rev}");
    let response =
        client.download::<_, DownloadError>(ROUTE, &DownloadArg { path: &path }, position, Some(end)).await?;
    if position > 0 && response.status().as_u16() != 206 {
        return Err(unexpected("the whole file where a part was asked for"));
    }
    Ok(response)
}

fn result_header(response: &Response) -> Result<FileMetadata, Error> {
    let header = response.headers().get("dropbox-api-result").ok_or_else(|| unexpected("no Dropbox-API-Result"))?;
    transport::parse(ROUTE, header.as_bytes())
}

fn unexpected(reason: &str) -> Error {
    Error::UnexpectedAnswer { route: ROUTE.to_owned(), reason: reason.to_owned() }
}
