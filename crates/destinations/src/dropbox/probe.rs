//! The connection test: token, account, scopes, folder, write, read back, delete, space.

use ::dropbox::files::Metadata;
use adapter::Error;
use domain::probe::{Step, Steps};

use super::Dropbox;
use adapter::destination::probe::{space, write_read_delete};

impl Dropbox {
    pub(super) async fn take_steps(&self, on_step: &(dyn Fn(Step) + Sync)) -> bool {
        let mut steps = Steps::new(on_step);
        // The first call of a new client makes an access token; that it lacks a scope is the scopes' step's business.
        let account = self.client.account().await;
        let missing = account.as_ref().err().and_then(missing_scope);
        let (mut described, mut refused) = (None, None);
        match account {
            Ok(account) => {
                let team = account.team.map(|team| format!(", team {}", team.name)).unwrap_or_default();
                described = Some(format!("{} <{}>{team}", account.name.display_name, account.email));
            }
            Err(error) if missing.is_none() => {
                refused = Some(self.error("could not log in to Dropbox".to_owned(), &error));
            }
            Err(_) => {}
        }
        steps.take("token", async { refused.map_or(Ok(((), None)), Err) }).await;
        if missing.is_none() {
            steps.take("account", async { Ok::<_, Error>(((), described)) }).await;
        }
        steps.take("scopes", self.scopes(missing)).await;
        steps.take("folder", self.look_at_folder()).await;
        write_read_delete(self, &mut steps).await;
        space(self, &mut steps).await;
        steps.passed()
    }

    /// Dropbox tells of a missing scope when it is needed: each is needed once here.
    async fn scopes(&self, missing: Option<String>) -> Result<((), Option<String>), Error> {
        let mut all: Vec<String> = missing.into_iter().collect();
        let calls = [
            self.client.list_folder(&self.folder, false).await.err(),
            self.client.metadata(&format!("{}/.dbackup", self.folder)).await.err(),
        ];
        for scope in calls.iter().flatten().filter_map(missing_scope) {
            if !all.contains(&scope) {
                all.push(scope);
            }
        }
        if all.is_empty() {
            return Ok(((), None));
        }
        Err(Error::failed("not every act is allowed", format!("the app lacks {}", all.join(", "))).cure(
            "Enable it on the Permissions tab of your app in the Dropbox App Console, submit, then authorize again.",
        ))
    }

    async fn look_at_folder(&self) -> Result<((), Option<String>), Error> {
        if self.folder.is_empty() {
            return Ok(((), Some("the root, or the app's own folder".to_owned())));
        }
        match self.client.metadata(&self.folder).await {
            Ok(Some(Metadata::Folder(_))) => Ok(((), Some(self.folder.clone()))),
            Ok(Some(_)) => Err(Error::failed(self.folder.clone(), "this is a file").cure("Choose a folder.")),
            Ok(None) => Ok(((), Some(format!("{} will be made by the first backup", self.folder)))),
            Err(error) => Err(self.error(format!("could not look at {}", self.folder), &error)),
        }
    }
}

fn missing_scope(error: &::dropbox::Error) -> Option<String> {
    error.missing_scope().map(str::to_owned)
}
