//! The team's space: the header `Dropbox-API-Path-Root` on every call that names a path
//! (DOC: dropbox.com/developers/reference/path-root-header-modes).

use reqwest::header::HeaderValue;
use serde_json::json;
use tokio::sync::Mutex;

use super::Client;
use crate::error::Error;
use crate::settings::Space;

pub(super) const HEADER: &str = "Dropbox-API-Path-Root";

/// The header's value, once it is known.
pub(super) type TeamSpace = Mutex<Option<HeaderValue>>;

impl Client {
    /// The header's value for a call; none where paths start at home. Mode `root` makes Dropbox refuse when the member has
    /// changed teams, instead of writing to a space that nobody looks at any more.
    pub(super) async fn path_root(&self, route: &str) -> Result<Option<HeaderValue>, Error> {
        if self.settings().space == Space::Home || !route.starts_with("files/") {
            return Ok(None);
        }
        let mut known = self.inner.space.lock().await;
        if known.is_none() {
            // Boxed, for that call comes through here too.
            let root_info = Box::pin(self.account()).await?.root_info;
            if !root_info.has_team_space() {
                return Err(Error::Settings(
                    "this Dropbox account has no team space: use its own folder instead (dropbox:/folder)".to_owned(),
                ));
            }
            let value = json!({ ".tag": "root", "root": root_info.root_namespace_id }).to_string();
            *known = HeaderValue::from_str(&value).ok();
        }
        Ok(known.clone())
    }

    /// Forgets a root that Dropbox refused, unless another call has found the new one already.
    pub(super) async fn forget_path_root(&self, refused: Option<HeaderValue>) {
        let mut known = self.inner.space.lock().await;
        if *known == refused {
            *known = None;
        }
    }
}
