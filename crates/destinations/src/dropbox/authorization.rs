//! How Dropbox grants access, as data.

use adapter::authorization::{Act, Description, Holds, RedirectHelp, Scope, Shows, Step, Variable};

use super::error::fault_words;
use super::provider::DropboxProvider;

/// The names of the app's secrets.
pub(super) const APP_KEY: &str = "appKey";
pub(super) const APP_SECRET: &str = "appSecret";

/// The variables that hold an app and a grant, for commands without a server.
pub(super) const APP_KEY_VARIABLE: &str = "DROPBOX_APP_KEY";
pub(super) const APP_SECRET_VARIABLE: &str = "DROPBOX_APP_SECRET";
pub(super) const GRANT_VARIABLE: &str = "DROPBOX_REFRESH_TOKEN";
/// The variables that bound what transfers take, and how Dropbox is trusted.
pub(super) const BANDWIDTH: &str = "DROPBOX_BANDWIDTH";
pub(super) const PARALLELISM: &str = "DROPBOX_PARALLELISM";
pub(super) const MEMORY: &str = "DROPBOX_MEMORY";
pub(super) const CA_FILE: &str = "DROPBOX_CA_FILE";

static VARIABLES: [Variable; 7] = [
    Variable { name: APP_KEY_VARIABLE, help: "App key of your Dropbox app", holds: Holds::App },
    Variable {
        name: APP_SECRET_VARIABLE,
        help: "App secret, if the login was made with it",
        holds: Holds::OptionalApp,
    },
    Variable { name: GRANT_VARIABLE, help: "Refresh token that dbackup dropbox login prints", holds: Holds::Grant },
    Variable {
        name: BANDWIDTH,
        help: "Bytes per second to Dropbox, all transfers together: 10MiB",
        holds: Holds::Network,
    },
    Variable { name: PARALLELISM, help: "Connections per transfer to Dropbox [default: 32]", holds: Holds::Network },
    Variable { name: MEMORY, help: "Memory per transfer to Dropbox [default: 128MiB]", holds: Holds::Network },
    Variable {
        name: CA_FILE,
        help: "Certificate authority to trust besides the system's, as PEM",
        holds: Holds::Network,
    },
];

/// In the order of the guide; the names are those of `::dropbox::oauth::SCOPES`.
static SCOPES: [Scope; 5] = [
    Scope { name: "files.metadata.read", needed: true, proved_by: &[Act::List, Act::Read, Act::Write] },
    Scope { name: "files.metadata.write", needed: false, proved_by: &[] },
    Scope { name: "files.content.read", needed: true, proved_by: &[Act::Read] },
    Scope { name: "files.content.write", needed: true, proved_by: &[Act::Write] },
    Scope { name: "account_info.read", needed: false, proved_by: &[Act::Account] },
];

pub(super) static DESCRIPTION: Description = Description {
    provider: "Dropbox",
    app: APP_KEY,
    scopes: &SCOPES,
    steps_title: "How to register a Dropbox app",
    steps: &[
        Step {
            text: "Open the [Dropbox App Console](https://www.dropbox.com/developers/apps) and choose **Create app**.",
            shows: None,
        },
        Step {
            text: "Choose **Scoped access**, then **App folder** (recommended; dbackup sees only its own folder) or **Full Dropbox** \
                   (required to choose a custom folder), and give the app a name.",
            shows: None,
        },
        Step {
            text: "On the **Permissions** tab, enable these and click **Submit** (changed permissions need a new authorization):",
            shows: Some(Shows::Scopes),
        },
        Step {
            text: "On the **Settings** tab, under **OAuth 2**, add exactly this redirect URI:",
            shows: Some(Shows::RedirectUri),
        },
        Step { text: "Copy **App key** and **App secret** from there into the fields here.", shows: None },
    ],
    redirect_help: RedirectHelp {
        question: "Does Dropbox show “Invalid redirect_uri”?",
        help: "Add exactly this redirect URI on the Settings tab of your app in the Dropbox App Console, then authorize again. Or \
               authorize with a code, which needs none.",
    },
    shows_code: true,
    revoke_by_hand: "Revoke it in Dropbox: Settings, Connected apps",
    variables: &VARIABLES,
    words: fault_words,
    connect: DropboxProvider::connect,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scopes_are_those_that_the_client_asks_for() {
        assert_eq!(DESCRIPTION.scope_names().collect::<Vec<_>>(), ::dropbox::oauth::SCOPES);
        let proved = |act| DESCRIPTION.proved_by(act).collect::<Vec<_>>();
        assert_eq!(proved(Act::Write), ["files.metadata.read", "files.content.write"]);
        assert_eq!(proved(Act::Read), ["files.metadata.read", "files.content.read"]);
        assert_eq!(proved(Act::Test).len(), 5);
    }
}
