//! What another process needs to go on with an upload.

use serde::{Deserialize, Serialize};

use super::{Closed, Stored};
use crate::content_hash::{BlockDigest, hexadecimal};
use crate::error::Error;

/// The state of an upload session: serialize it, keep it, and give it to [`crate::Client::resume_upload`] within the seven days
/// that Dropbox keeps a session. It holds no secret, and nothing of the data but digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    session_id: String,
    /// Per block of 4 MiB: the SHA-256 of what Dropbox has of it, if it has it.
    blocks: Vec<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed: Option<ClosedWith>,
}

/// The last piece, with which the session was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ClosedWith {
    length: u64,
    digest: Option<String>,
}

impl Checkpoint {
    pub(super) fn new(session_id: &str, stored: &Stored, closed: Option<&Closed>) -> Self {
        Self {
            session_id: session_id.to_owned(),
            blocks: stored.iter().map(|digest| digest.as_ref().map(|digest| hexadecimal(digest))).collect(),
            closed: closed.map(|closed| ClosedWith {
                length: closed.length,
                digest: closed.digest.as_ref().map(|digest| hexadecimal(digest)),
            }),
        }
    }

    /// Bytes that need not be sent again.
    pub fn stored(&self) -> u64 {
        let blocks = self.blocks.iter().flatten().count() as u64 * crate::BLOCK_SIZE as u64;
        blocks + self.closed.as_ref().map_or(0, |closed| closed.length)
    }

    pub(super) fn open(&self) -> Result<(String, Stored, Option<Closed>), Error> {
        let blocks =
            self.blocks.iter().map(|digest| digest.as_deref().map(parse).transpose()).collect::<Result<_, _>>()?;
        let closed = self.closed.as_ref().map(|closed| {
            Ok::<_, Error>(Closed { length: closed.length, digest: closed.digest.as_deref().map(parse).transpose()? })
        });
        Ok((self.session_id.clone(), blocks, closed.transpose()?))
    }
}

fn parse(digest: &str) -> Result<BlockDigest, Error> {
    let damaged = || Error::Settings("the upload's checkpoint is damaged: start the upload again".to_owned());
    let mut bytes = BlockDigest::default();
    if digest.len() != 2 * bytes.len() {
        return Err(damaged());
    }
    base16ct::lower::decode(digest, &mut bytes).map_err(|_| damaged())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_was_and_damage_is_told() {
        let (stored, closed) =
            (vec![Some([1; 32]), None, Some([0xab; 32])], Closed { length: 7, digest: Some([3; 32]) });
        let checkpoint = Checkpoint::new("id", &stored, Some(&closed));
        let json = serde_json::to_string(&checkpoint).unwrap();
        let read: Checkpoint = serde_json::from_str(&json).unwrap();
        assert_eq!(read.open().unwrap(), ("id".to_owned(), stored, Some(closed)));
        assert_eq!(read.stored(), 2 * crate::BLOCK_SIZE as u64 + 7);
        for damaged in ["zz", "", &"é".repeat(32), &"x".repeat(64)] {
            let json = format!(r#"{{"sessionId":"id","blocks":["{damaged}"]}}"#);
            let read: Checkpoint = serde_json::from_str(&json).unwrap();
            assert!(read.open().unwrap_err().to_string().contains("start the upload again"));
        }
    }
}
