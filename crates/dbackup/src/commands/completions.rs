//! `dbackup completions`, and the names that it completes.

use std::io::Write;
use std::time::Duration;

use clap::builder::StyledStr;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

use super::resources::text;
use crate::cli::Shell;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::remote::{Kind, Server};

/// Variable by which a shell asks for completions.
pub(crate) const VARIABLE: &str = "DBACKUP_COMPLETE";
/// Nobody waits longer for a name.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Prints what a shell has to read once.
pub(crate) fn run(shell: Shell) -> Result<Outcome, Failure> {
    let shell: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Fish => &Fish,
        Shell::Zsh => &Zsh,
    };
    let mut script = Vec::new();
    let written = shell.write_registration(VARIABLE, "dbackup", "dbackup", "dbackup", &mut script);
    written.and_then(|()| script.flush()).map_err(|error| Failure::failed(error.to_string()))?;
    String::from_utf8_lossy(&script).lines().for_each(output::line);
    Ok(Outcome::Succeeded)
}

/// Returns the names of a kind on the server; none if it cannot be asked.
pub(crate) fn names(kind: Kind) -> Vec<CompletionCandidate> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let asked = async {
        let server = Server::of_environment().ok()?;
        let path = kind.path();
        tokio::time::timeout(TIMEOUT, server.list(&path)).await.ok()?.ok()
    };
    let items = runtime.ok().and_then(|runtime| runtime.block_on(asked)).unwrap_or_default();
    let candidate = |item| {
        let name = output::printable(&text(item));
        CompletionCandidate::new(name).help(Some(StyledStr::from(kind.noun())))
    };
    items.iter().map(|item| candidate(&item["name"])).collect()
}
