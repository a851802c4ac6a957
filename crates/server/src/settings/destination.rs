//! What people set for destinations.

use std::path::Path;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{LONGEST_PATH, check_length};
use crate::http::problem::Fields;

/// Where backups go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum DestinationSettings {
    /// A folder in Dropbox.
    Dropbox {
        /// Such as `/backups`; the root, or the app's folder, if empty.
        #[serde(default)]
        #[schema(max_length = 1000)]
        folder: String,
        /// In the team's space instead of the member's own folder.
        #[serde(rename = "teamSpace", default)]
        team_space: bool,
        /// What to do with a backup that is not expected to fit.
        #[serde(rename = "whenFull", default, skip_serializing_if = "WhenFull::is_default")]
        #[schema(required = false)]
        when_full: WhenFull,
    },
    /// A folder on the server's machine, or mounted there.
    Folder {
        /// Its absolute path.
        #[schema(min_length = 1, max_length = 4096)]
        path: String,
        /// What to do with a backup that is not expected to fit.
        #[serde(rename = "whenFull", default, skip_serializing_if = "WhenFull::is_default")]
        #[schema(required = false)]
        when_full: WhenFull,
    },
}

/// What to do when the last backup was larger than the free space.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum WhenFull {
    /// Back up anyway; the run succeeds with a warning if it fits after all.
    #[default]
    Warn,
    /// Refuse the destination before the dump starts.
    Stop,
}

impl WhenFull {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl From<WhenFull> for destinations::WhenFull {
    fn from(setting: WhenFull) -> Self {
        match setting {
            WhenFull::Warn => Self::Warn,
            WhenFull::Stop => Self::Stop,
        }
    }
}

impl DestinationSettings {
    /// Whether somebody has to authorize it.
    pub(crate) fn needs_authorization(&self) -> bool {
        matches!(self, Self::Dropbox { .. })
    }

    pub(crate) fn check(&self, fields: &mut Fields) {
        match self {
            Self::Dropbox { folder, .. } => {
                check_length(fields, "settings.folder", folder, 1000);
                if let Err(wrong) = destinations::dropbox_folder(folder) {
                    fields.check("settings.folder", false, || wrong);
                }
            }
            Self::Folder { path, .. } => {
                fields.check("settings.path", path.starts_with('/'), || "must be absolute: /var/backups".to_owned());
                check_length(fields, "settings.path", path, LONGEST_PATH);
                let sound =
                    !path.split('/').any(|part| part == ".." || part == ".") && !path.chars().any(char::is_control);
                fields.check("settings.path", sound, || "must not hold '.', '..' or control characters".to_owned());
            }
        }
    }

    /// The folder on this machine that it uses, and the field that names it.
    pub(crate) fn path(&self) -> Option<(&'static str, &Path)> {
        match self {
            Self::Dropbox { .. } => None,
            Self::Folder { path, .. } => Some(("settings.path", Path::new(path))),
        }
    }

    /// Spells a Dropbox folder as Dropbox stores it.
    #[must_use]
    pub(crate) fn normalized(mut self) -> Self {
        if let Self::Dropbox { folder, .. } = &mut self
            && let Ok(kept) = destinations::dropbox_folder(folder)
        {
            *folder = kept;
        }
        self
    }

    /// What to call it where there is no room for more.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Dropbox { folder, team_space, .. } => {
                let scheme = if *team_space { "dropbox-team" } else { "dropbox" };
                format!("{scheme}:/{}", folder.trim_matches('/'))
            }
            Self::Folder { path, .. } => destinations::folder_address(Path::new(path)),
        }
    }
}
