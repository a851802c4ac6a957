//! The team's space: the header `Dropbox-API-Path-Root` on every call that names a path
//! (DOC: dropbox.com/developers/reference/path-root-header-modes).

use reqwest::header::HeaderValue;
use serde_json::json;
use tokio::sync::OnceCell;

use super::Client;
use crate::error::Error;
use crate::settings::Space;

pub(super) const HEADER: &str = "Dropbox-API-Path-Root";

/// The header's value, once it is known. It never changes: a member who joins another team must not have the backups of the
/// first one written to the second one's space.
pub(super) type TeamSpace = OnceCell<HeaderValue>;

impl Client {
    /// Returns the header's value for a call, `None` where paths start at home. Mode `root` makes Dropbox refuse the call
    /// ([`crate::error::PathRootError::InvalidRoot`]) once the member has changed teams.
    pub(super) async fn path_root(&self, route: &str) -> Result<Option<HeaderValue>, Error> {
        if self.settings().space == Space::Home || !route.starts_with("files/") {
            return Ok(None);
        }
        self.inner.space.get_or_try_init(|| self.look_up_root()).await.cloned().map(Some)
    }

    async fn look_up_root(&self) -> Result<HeaderValue, Error> {
        let root = match &self.settings().team_root {
            Some(chosen) => chosen.clone(),
            None => {
                // Boxed, for that call comes through here too.
                let root_info = Box::pin(self.account()).await?.root_info;
                if !root_info.has_team_space() {
                    return Err(Error::Settings(
                        "this Dropbox account has no team space. Use its own folder instead (dropbox:/folder)"
                            .to_owned(),
                    ));
                }
                root_info.root_namespace_id
            }
        };
        let value = json!({ ".tag": "root", "root": root }).to_string();
        HeaderValue::from_str(&value).map_err(|_| Error::Settings(format!("'{root}' is not a namespace of Dropbox")))
    }
}
