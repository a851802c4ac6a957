//! What a storage holds, and how that was found out.

use domain::Hashes;
use domain::hashes::{self, Compared};
use pipeline::Digester;

use super::{Destination, Expected};
use crate::Error;

/// A hash algorithm. Storages bring their own.
#[derive(Debug, Clone, Copy)]
pub struct Algorithm {
    /// Its name in [`Hashes`], in kebab case.
    pub name: &'static str,
    /// Starts to hash.
    pub start: fn() -> Box<dyn Hasher>,
}

/// Computes a digest.
pub trait Hasher: Send {
    /// Hashes the next bytes.
    fn update(&mut self, data: &[u8]);

    /// Returns the digest of everything taken.
    fn finish(self: Box<Self>) -> String;
}

/// The algorithm that every backup has.
pub const SHA256: Algorithm = Algorithm { name: hashes::SHA256, start: || Box::new(Digester::default()) };

impl Hasher for Digester {
    fn update(&mut self, data: &[u8]) {
        Digester::update(self, data);
    }

    fn finish(self: Box<Self>) -> String {
        Digester::finish(*self).sha256
    }
}

/// How it was found out what a storage holds, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The storage's own hash of the whole content.
    OwnHash,
    /// All of it was read back and hashed.
    ReadBack,
    /// Only its size and the storage's tag: the content was not checked.
    SizeAndTag,
}

impl How {
    /// Returns the stable identifier, as APIs give it.
    pub fn code(self) -> &'static str {
        match self {
            Self::OwnHash => "ownHash",
            Self::ReadBack => "readBack",
            Self::SizeAndTag => "sizeAndTag",
        }
    }
}

/// `the storage's own hash`, `reading it back`, `its size only`.
impl std::fmt::Display for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OwnHash => "the storage's own hash",
            Self::ReadBack => "reading it back",
            Self::SizeAndTag => "its size only",
        })
    }
}

/// What a storage holds at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// How that was found out.
    pub how: How,
    /// Bytes.
    pub size: u64,
    /// Hashes of the content; none if only its size is known.
    pub hashes: Hashes,
}

/// In what a content is not the one that was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `size in bytes`, `SHA-256`.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
}

impl Proof {
    /// Compares it with what was expected. Returns whether a hash of the content agrees; `false` means that only the size does.
    ///
    /// # Errors
    /// [`Difference`] if it is another content.
    pub fn against(&self, expected: &Expected) -> Result<bool, Difference> {
        if self.size != expected.size {
            let (expected, found) = (expected.size.to_string(), self.size.to_string());
            return Err(Difference { what: "size in bytes".to_owned(), expected, found });
        }
        match expected.hashes.compare(&self.hashes) {
            Compared::Nothing => Ok(false),
            Compared::Same(_) => Ok(true),
            Compared::Different { algorithm, expected, found } => {
                Err(Difference { what: hashes::label(&algorithm), expected, found })
            }
        }
    }
}

/// Reads a whole file, and hashes it by each algorithm: how a destination proves what it knows no hash of.
///
/// # Errors
/// As [`Destination::open`].
pub async fn prove_by_reading(
    destination: &dyn Destination,
    path: &str,
    algorithms: &[Algorithm],
) -> Result<Proof, Error> {
    let mut download = destination.open(path).await?;
    let mut hashers: Vec<_> = algorithms.iter().map(|algorithm| (algorithm.name, (algorithm.start)())).collect();
    let mut size = 0;
    while let Some(piece) = download.next().await? {
        size += piece.len() as u64;
        hashers.iter_mut().for_each(|(_, hasher)| hasher.update(&piece));
    }
    let mut hashes = Hashes::default();
    hashers.into_iter().for_each(|(name, hasher)| hashes.insert(name, hasher.finish()));
    Ok(Proof { how: How::ReadBack, size, hashes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_alone_proves_no_content() {
        let proof = Proof { how: How::SizeAndTag, size: 3, hashes: Hashes::default() };
        let expected = Expected { size: 3, hashes: Hashes::of("sha256", "ab") };
        assert_eq!(proof.against(&expected), Ok(false));
        assert_eq!(proof.against(&Expected { size: 4, ..expected.clone() }).unwrap_err().what, "size in bytes");
        let read = |digest: &str| Proof { how: How::ReadBack, size: 3, hashes: Hashes::of("sha256", digest) };
        assert_eq!(read("ab").against(&expected), Ok(true));
        assert_eq!(read("cd").against(&expected).unwrap_err().what, "SHA-256");
    }
}
