//! What can be set for a folder in Dropbox.

use std::any::Any;
use std::sync::Arc;

use ::dropbox::Space;
use adapter::destination::Destination;
use adapter::{Capability, Default, Directs, Error, Field, FieldError, Input, Manifest, Required, Secrets, Settings};

use super::authorization::{APP_KEY, APP_SECRET, DESCRIPTION};
use super::provider::Access;
use super::{Dropbox, dropbox_folder};
use crate::registry::{Context, DestinationAdapter, WHEN_FULL, when_full};

pub(crate) const ADAPTER: DestinationAdapter = DestinationAdapter {
    manifest: &MANIFEST,
    open,
    from_address,
    address,
    check_folder: dropbox_folder,
    no_subfolders: "No subfolders. An app with App folder access sees its own folder only, which is empty at first; with Full \
                    Dropbox access the app needs the scope files.metadata.read: enable it on the app's Permissions tab, then \
                    re-authorize",
};

const FOLDER: &str = "folder";
const TEAM_SPACE: &str = "teamSpace";
const SCHEMES: [&str; 2] = ["dropbox", "dropbox-team"];

static MANIFEST: Manifest = Manifest {
    id: "dropbox",
    title: "Dropbox",
    summary: "A folder in Dropbox.",
    guide: "dropbox.md",
    icon: include_str!("icon.svg"),
    schemes: &SCHEMES,
    addresses: "dropbox:/folder, dropbox-team:/folder (in the team's space)",
    fields: &[
        Field {
            name: APP_KEY,
            label: "App Key",
            help: "On the Settings tab of your app in the Dropbox App Console.",
            input: Input::Secret { shown: true },
            required: Required::Always,
            hint: "on the Settings tab of your app in the Dropbox App Console",
            max_len: 4096,
            directs: Directs::Secrets,
            ..Field::TEXT
        },
        Field {
            name: APP_SECRET,
            label: "App Secret",
            help: "Next to the App Key. Stored encrypted. Never shown again.",
            guide: "Next to the App Key. Optional with PKCE.",
            input: Input::Secret { shown: false },
            optional_when: "with PKCE",
            max_len: 4096,
            ..Field::TEXT
        },
        Field {
            name: FOLDER,
            label: "Folder Path",
            help: "Such as /backups. Empty means the root, or the app's folder. Each job gets a folder in it.",
            guide: "Where backups are stored, such as `/backups`. Empty: the root, or the app's folder.",
            input: Input::Browse,
            default: Default::Text(""),
            max_len: 1000,
            example: "/backups",
            ..Field::TEXT
        },
        Field {
            name: TEAM_SPACE,
            label: "In the team's space",
            help: "For Dropbox Business: below the team's root instead of the member's own folder.",
            input: Input::Toggle,
            default: Default::Flag(false),
            ..Field::TEXT
        },
        WHEN_FULL,
    ],
    database_field: None,
    effect: "",
    authorization: Some(&DESCRIPTION),
    capabilities: &[
        Capability::Browse,
        Capability::Quota,
        Capability::Resume,
        Capability::AtomicPair,
        Capability::ServerSideCopy,
    ],
    tools: &[],
    setup: None,
    check,
};

/// Keeps the folder as Dropbox stores it.
fn check(settings: &mut Settings, errors: &mut Vec<FieldError>) {
    match dropbox_folder(settings.text(FOLDER).unwrap_or_default()) {
        Ok(folder) => settings.set(FOLDER, folder),
        Err(wrong) => errors.push(FieldError::new(FOLDER, wrong)),
    }
}

/// Returns the space that the settings choose, which the client has to be made for.
pub(super) fn space(settings: &Settings) -> Space {
    if settings.flag(TEAM_SPACE) { Space::Team } else { Space::Home }
}

fn open(settings: &Settings, _secrets: Secrets, context: &Context) -> Result<Arc<dyn Destination>, Error> {
    let client = context.client.as_deref().and_then(|client| (client as &dyn Any).downcast_ref::<Access>());
    let Access(client) = client.ok_or_else(|| Error::invalid("a Dropbox needs to be authorized first"))?;
    let folder = settings.text(FOLDER).unwrap_or_default();
    Ok(Arc::new(Dropbox::new(client.clone(), folder, when_full(settings))?))
}

fn from_address(address: &str) -> Result<Settings, Error> {
    let (scheme, folder) = address.split_once(':').unwrap_or((address, ""));
    if !folder.is_empty() && !folder.starts_with('/') {
        return Err(Error::invalid(format!("'{folder}' is not a folder in Dropbox: write dropbox:/folder")));
    }
    Ok(Settings::new(MANIFEST.id).with(FOLDER, folder).with(TEAM_SPACE, scheme == SCHEMES[1]))
}

fn address(settings: &Settings) -> String {
    let scheme = SCHEMES[usize::from(settings.flag(TEAM_SPACE))];
    format!("{scheme}:/{}", settings.text(FOLDER).unwrap_or_default().trim_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_settings_and_means_the_same() {
        for (typed, folder, team) in
            [("dropbox:", "", false), ("dropbox:/", "/", false), ("dropbox-team:/b", "/b", true)]
        {
            let settings = from_address(typed).unwrap();
            assert_eq!((settings.text(FOLDER), settings.flag(TEAM_SPACE)), (Some(folder), team), "{typed}");
        }
        assert_eq!(address(&from_address("dropbox-team:/b/c").unwrap()), "dropbox-team:/b/c");
        assert!(from_address("dropbox:backups").is_err());
    }
}
