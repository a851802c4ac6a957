//! Copying from another folder of the same account: Dropbox does it, and proves it by its own hash.

use std::sync::Arc;

use ::dropbox::Error as DropboxError;
use ::dropbox::Space;
use ::dropbox::files::Original as DropboxOriginal;
use ::dropbox::users::{Account, RootInfo};
use adapter::destination::{Destination, Gate, How, Original, Place, Proof, Storage};
use adapter::{Error, Kind};
use domain::Hashes;

use super::write::Asked;
use super::{DROPBOX_CONTENT_HASH, Dropbox};

impl Dropbox {
    /// Returns the storage of which all paths of the client are a part: an account as one app sees it (an app with App folder access
    /// has a root of its own), and one of its namespaces.
    pub(super) async fn storage_of_account(&self) -> Result<Storage, Error> {
        let (account, root) = self.account_and_root().await?;
        let app_key = self.client.settings().app_key.clone();
        Ok(Storage { name: "Dropbox", id: self.digest(&[&app_key, &account.account_id, &root]) })
    }

    /// Returns the folder's place in Dropbox, whichever app and account sees it. Dropbox does not tell whether an app sees the whole account or a
    /// folder of its own, so paths of several apps are taken for the same.
    pub(super) async fn place_in_dropbox(&self) -> Result<Place, Error> {
        let (account, root) = self.account_and_root().await?;
        // A member's own folder is a folder of the team's space, which another destination may see from above.
        let RootInfo { root_namespace_id, home_path, .. } = &account.root_info;
        let (root, folder) = match home_path {
            Some(home) if self.client.settings().space == Space::Home => {
                (root_namespace_id, format!("{home}{}", self.folder).to_lowercase())
            }
            _ => (&root, self.folder.to_lowercase()),
        };
        // Members of a team see the same space; namespaces have ids of their own in all of Dropbox.
        let root = self.digest(&[root]);
        let mut folders = vec![format!("Dropbox {root} /")];
        for (end, _) in folder.match_indices('/').skip(1).chain([(folder.len(), "")]).filter(|(end, _)| *end > 0) {
            folders.push(format!("Dropbox {root} {}", &folder[..end]));
        }
        let own = folders.pop().unwrap_or_default();
        Ok(Place { own, around: folders })
    }

    /// Returns the account, and the id of the namespace in it that paths begin at.
    async fn account_and_root(&self) -> Result<(Account, String), Error> {
        let cannot = |error| self.error(format!("could not look up the account of {}", self.name()), &error);
        let account = self.client.account().await.map_err(cannot)?;
        let settings = self.client.settings();
        let root = match (settings.space, &settings.team_root) {
            (Space::Home, _) => &account.root_info.home_namespace_id,
            (Space::Team, Some(chosen)) => chosen,
            (Space::Team, None) => &account.root_info.root_namespace_id,
        };
        let root = root.clone();
        Ok((account, root))
    }

    fn digest(&self, parts: &[&str]) -> String {
        let mut digester = pipeline::Digester::default();
        for part in [self.client.settings().endpoints.api.as_str()].iter().chain(parts) {
            digester.update(part.as_bytes());
            digester.update(b"\0");
        }
        digester.finish().sha256
    }

    /// Has Dropbox copy a file of the same account.
    pub(super) async fn copy_file(&self, original: &Original, path: &str, gate: Arc<dyn Gate>) -> Result<Proof, Error> {
        let Original { location, entry } = original;
        let (full, what) = (self.resolve(path)?, format!("could not copy {location}"));
        let (Some(version), Some(content_hash)) = (&entry.version, entry.hashes.get(DROPBOX_CONTENT_HASH.name)) else {
            return Err(Error::new(Kind::Unsupported, what, "Dropbox does not tell its content hash"));
        };
        let wanted = DropboxOriginal { path: location, rev: &version.0, size: entry.size, content_hash };
        match self.client.copy(&wanted, &full, &Asked(gate)).await {
            Ok(copy) => {
                let how = if copy.content_hash.is_some() { How::OwnHash } else { How::ReadBack };
                let hashes = Hashes::of(DROPBOX_CONTENT_HASH.name, content_hash);
                Ok(Proof { how, size: copy.size, hashes })
            }
            Err(error) if error.is_conflict() => Err(Error::taken(&full)),
            Err(DropboxError::Stopped(why)) => Err(Error::unpublished(why)),
            Err(error @ (DropboxError::OriginalChanged { .. } | DropboxError::ContentMismatch { .. })) => {
                Err(Error::changed("copy", location).detail(error.to_string()))
            }
            Err(error) if error.refuses_copy() => Err(Error::new(Kind::Unsupported, what, error)),
            Err(error) => Err(self.write_error(what, error).await),
        }
    }
}
