//! Reading sidecars: what they say of a backup, or why they say nothing.

use std::borrow::Cow;

use adapter::destination::Destination;
use adapter::{Error, Kind};
use domain::naming::SIDECAR_SUFFIX;
use domain::sidecar::{self, Sidecar};

use crate::signature::{self, SignatureState};

/// What is beside a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SidecarState {
    /// A sidecar, and whether it was signed.
    Read(Box<Sidecar>, SignatureState),
    /// Nothing.
    Missing,
    /// A file that says nothing, and why.
    Unreadable(String),
}

impl SidecarState {
    /// Parses a sidecar's content.
    pub(crate) fn parse(content: Option<&[u8]>) -> Self {
        let Some(content) = content else { return Self::Missing };
        match serde_json::from_slice(content) {
            Ok(sidecar) => Self::Read(Box::new(sidecar), signature::check(content)),
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }

    /// Returns the sidecar, if there is one that can be read.
    pub fn sidecar(&self) -> Option<&Sidecar> {
        match self {
            Self::Read(sidecar, _) => Some(sidecar),
            _ => None,
        }
    }

    /// Returns whether it was signed, if there is one that can be read.
    pub fn signature(&self) -> Option<&SignatureState> {
        match self {
            Self::Read(_, signature) => Some(signature),
            _ => None,
        }
    }

    /// Returns what is the matter with it; `None` if it could be read.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Read(..) => None,
            Self::Missing => Some("it has no sidecar".to_owned()),
            Self::Unreadable(cause) => Some(format!("its sidecar cannot be read ({cause})")),
        }
    }
}

/// Returns what a backup's path and its sidecar's have in common: some storages list the two in different case.
pub(crate) fn pair_key(path: &str, ignores_case: bool) -> Cow<'_, str> {
    if ignores_case { Cow::Owned(path.to_lowercase()) } else { Cow::Borrowed(path) }
}

/// The path of a backup's sidecar.
pub(crate) fn sidecar_path(path: &str) -> String {
    format!("{path}{SIDECAR_SUFFIX}")
}

/// Reads the sidecar of a backup. One that is no sidecar, too large or forbidden is [`SidecarState::Unreadable`], which is no error.
///
/// # Errors
/// If it cannot be determined whether there is one.
pub async fn read_sidecar(destination: &dyn Destination, path: &str) -> Result<SidecarState, Error> {
    Ok(match read_content(destination, path).await? {
        Ok(content) => SidecarState::parse(content.as_deref()),
        Err(cause) => SidecarState::Unreadable(cause),
    })
}

/// Reads the bytes of a backup's sidecar; the inner error says why they cannot be had although there are some.
pub(crate) async fn read_content(
    destination: &dyn Destination,
    path: &str,
) -> Result<Result<Option<Vec<u8>>, String>, Error> {
    match destination.read(&sidecar_path(path), sidecar::MAX_SIZE).await {
        Ok(content) => Ok(Ok(content)),
        Err(error) => match error.kind() {
            Kind::TooLarge => Ok(Err(format!("larger than {} bytes", sidecar::MAX_SIZE))),
            Kind::Denied => Ok(Err("permission denied".to_owned())),
            _ => Err(error),
        },
    }
}
