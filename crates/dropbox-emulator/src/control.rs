//! What tests do behind the server's back, and what they can see of it.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::config::Store;
use crate::faults::Fault;
use crate::records::RequestRecord;
use crate::store::Content;
use crate::tree::commit::Commit;
use crate::tree::path::{fold, normalized};
use crate::weather::Weather;

/// A file as the account has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// The absolute path in the root namespace, as displayed. In a team, the member's home is a folder in it.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Dropbox's content hash, 64 hexadecimal digits.
    pub content_hash: String,
}

/// A handle on a running emulator. Paths are absolute in the root namespace and in any capitals.
#[derive(Clone)]
pub struct Control {
    pub(crate) app: Arc<App>,
}

impl Control {
    /// Unlinks the app, as the user can do in Dropbox: the refresh token and all access tokens made of it are gone.
    pub fn revoke(&self, refresh_token: &str) {
        self.app.change(|account| account.grants.revoke(refresh_token));
    }

    /// Unlinks the app wherever it is linked: every token is gone.
    pub fn revoke_all(&self) {
        self.app.change(|account| account.grants.revoke_all());
    }

    /// Every refresh token that is good.
    pub fn refresh_tokens(&self) -> Vec<String> {
        self.app.account().grants.refresh_tokens()
    }

    /// Lets every access token that is out there expire now.
    pub fn expire_access_tokens(&self) {
        let now = self.app.clock.now();
        self.app.change(|account| account.grants.expire_access_tokens(now));
    }

    /// Changes what a refresh token may do, at once for access tokens made of it too.
    pub fn set_scopes(&self, refresh_token: &str, scopes: &[&str]) {
        self.app.change(|account| account.grants.set_scopes(refresh_token, scopes));
    }

    /// Changes what every refresh token may do.
    pub fn set_all_scopes(&self, scopes: &[&str]) {
        self.app.change(|account| account.grants.set_all_scopes(scopes));
    }

    /// Resets the app's secret: the token endpoint takes the old one no longer.
    pub fn reset_app_secret(&self, secret: &str) {
        self.app.set_secret(Some(secret.to_owned()));
    }

    /// Deletes the app: Dropbox knows neither its key nor its tokens any more.
    pub fn delete_app(&self) {
        self.app.set_secret(None);
    }

    /// Lets the members of the team change to another one, whose root namespace is a new, empty one. With [`Control::files`]
    /// its files are seen below `/Team 2`, then `/Team 3`, and so on.
    pub fn change_team(&self) {
        self.app.change(|account| account.team_changes += 1);
    }

    /// Changes the account's allowance.
    pub fn set_quota(&self, bytes: u64) {
        self.app.change(|account| account.quota = bytes);
    }

    /// All files, sorted by their displayed path.
    pub fn files(&self) -> Vec<StoredFile> {
        let account = self.app.account();
        let tree = &account.tree;
        let files =
            tree.below("").filter_map(|(key, _)| tree.file(key).map(|(_, _, revision)| (key, &revision.content)));
        let mut files: Vec<StoredFile> = files
            .map(|(key, content)| StoredFile {
                path: tree.display(key),
                size: content.size,
                content_hash: content.hash.clone(),
            })
            .collect();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        files
    }

    /// A file's bytes; `None` if there is no such file, or only its hash was kept.
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        let content = self.content(path)?;
        let is_kept = self.app.config.store == Store::Bytes || content.size == 0;
        is_kept.then(|| content.read().ok()).flatten()
    }

    /// Puts a file there, over whatever file was there; the allowance does not count.
    pub fn write(&self, path: &str, bytes: &[u8]) {
        self.write_many([(path.to_owned(), bytes.to_owned())].into_iter());
    }

    /// Puts many files there, as one change.
    #[expect(clippy::panic, reason = "a test that cannot write its own fixture must not go on")]
    pub fn write_many(&self, files: impl Iterator<Item = (String, Vec<u8>)>) {
        let (now, commit) = (self.app.clock.now(), Commit::overwrite());
        self.app.change(|account| {
            for (path, bytes) in files {
                let content = self.app.store.put(&bytes).map_err(|error| error.to_string());
                let committed = content.and_then(|content| {
                    let committed = account.tree.commit(&normalized(&path), &content, &commit, u64::MAX, now);
                    committed.map_err(|error| format!("{error:?}"))
                });
                if let Err(error) = committed {
                    panic!("cannot write {path}: {error}");
                }
            }
        });
    }

    /// Deletes a file or a folder, if it is there.
    pub fn remove(&self, path: &str) {
        let (now, key) = (self.app.clock.now(), fold(path));
        self.app.change(|account| {
            if account.tree.get(&key).is_some() {
                account.tree.delete(&key, now);
            }
        });
    }

    /// Changes a file's bytes without a new revision. With `keep_hash` its metadata goes on claiming the old size and
    /// content hash, as after damage that Dropbox has not noticed.
    #[expect(clippy::panic, reason = "a test that cannot damage its fixture must not go on")]
    pub fn corrupt(&self, path: &str, change: impl FnOnce(&mut Vec<u8>), keep_hash: bool) {
        let Some(mut bytes) = self.read(path) else { panic!("there are no bytes to corrupt at {path}") };
        change(&mut bytes);
        let damaged = match self.app.store.put(&bytes) {
            Ok(damaged) => damaged,
            Err(error) => panic!("cannot corrupt {path}: {error}"),
        };
        let key = fold(path);
        self.app.change(|account| {
            let Some((_, _, revision)) = account.tree.file(&key) else { return };
            let claimed = if keep_hash { &revision.content } else { &damaged };
            let (size, hash) = (claimed.size, claimed.hash.clone());
            account.tree.replace_content(&key, Content { segments: damaged.segments, size, hash });
        });
    }

    /// How many upload sessions are open, that is neither finished nor too old.
    pub fn open_sessions(&self) -> usize {
        let now = self.app.clock.now();
        self.app.account().sessions.count(now)
    }

    /// Lets a fault wait for its call.
    pub fn inject(&self, fault: Fault) {
        self.app.faults.add(fault);
    }

    /// Forgets all faults that wait.
    pub fn clear_faults(&self) {
        self.app.faults.clear();
    }

    /// Changes the weather, at once for open connections too.
    pub fn set_weather(&self, weather: Weather) {
        self.app.set_weather(weather);
    }

    /// The highest number of requests to a route, such as `files/upload_session/append_v2`, that were in progress at
    /// once since the start. A download is in progress until its last byte is on its way.
    pub fn peak_in_progress(&self, route: &str) -> usize {
        self.app.records.peak(route)
    }

    /// The last 10,000 requests, oldest first.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.app.records.all()
    }

    /// Puts the emulator's clock forward.
    pub fn advance_clock(&self, by: Duration) {
        self.app.clock.advance(by);
    }

    fn content(&self, path: &str) -> Option<Content> {
        let account = self.app.account();
        account.tree.file(&fold(path)).map(|(_, _, revision)| revision.content.clone())
    }
}
