//! The command line as it is shown and completed: groups of commands, and names that the server knows.

use clap::{Command, CommandFactory};
use clap_complete::ArgValueCandidates;

use crate::cli::Cli;
use crate::commands::completions;
use crate::remote::Kind;

/// Commands as `dbackup --help` lists them.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Back up and restore", &["backup", "list", "get", "restore", "copy", "delete", "keygen", "dropbox"]),
    ("Run a server", &["serve", "health", "key", "admin", "demo"]),
    (
        "Use a server (DBACKUP_URL, DBACKUP_TOKEN)",
        &["status", "jobs", "runs", "backups", "sources", "destinations", "profiles", "apply", "export", "api"],
    ),
    ("Shell", &["completions", "man"]),
];

const EXAMPLES: &str = "\
Examples:
  dbackup demo
  dbackup backup --source sqlite:///srv/shop.db --to dropbox:/backups
  dbackup restore dropbox:/backups --job shop --latest --target sqlite:///tmp/shop.db
  dbackup serve

DROPBOX_APP_KEY, DROPBOX_REFRESH_TOKEN and, if the app needs it, DROPBOX_APP_SECRET say which Dropbox; dbackup dropbox login
gets the refresh token. DROPBOX_BANDWIDTH (10MiB per second), DROPBOX_PARALLELISM (32 connections) and DROPBOX_MEMORY (128MiB
per transfer) limit what a transfer takes.

Exit codes: 0 succeeded, 1 failed, 2 wrong usage, 3 partial.";

/// Commands whose argument `name` names something on the server.
const NAMED: [(&str, Kind, &[&str]); 4] = [
    ("sources", Kind::Source, &["show", "delete"]),
    ("destinations", Kind::Destination, &["show", "delete", "scan"]),
    ("profiles", Kind::Profile, &["show", "delete"]),
    ("jobs", Kind::Job, &["show", "delete", "run", "pause", "resume"]),
];

/// Returns the command line with its groups and completions.
pub(crate) fn command() -> Command {
    let command = Cli::command();
    let groups: Vec<String> = GROUPS.iter().map(|(title, names)| group(&command, title, names)).collect();
    let help = format!("{}\n{EXAMPLES}", groups.join("\n"));
    let command =
        command.help_template("{about-with-newline}\n{usage-heading} {usage}\n\n{after-help}").after_help(help);
    NAMED.iter().fold(command, |command, (plural, kind, names)| {
        command.mut_subcommand(plural, |of_kind| {
            names.iter().fold(of_kind, |of_kind, name| of_kind.mut_subcommand(name, |one| with_names(one, *kind)))
        })
    })
}

fn with_names(command: Command, kind: Kind) -> Command {
    command.mut_arg("name", |argument| argument.add(ArgValueCandidates::new(move || completions::names(kind))))
}

fn group(command: &Command, title: &str, names: &[&str]) -> String {
    let width = GROUPS.iter().flat_map(|(_, names)| *names).map(|name| name.len()).max().unwrap_or(0);
    let lines = names.iter().filter_map(|name| {
        let about = command.find_subcommand(name)?.get_about()?;
        Some(format!("  {name:<width$}  {about}\n"))
    });
    format!("{title}:\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_help_lists_every_command_once() {
        let cli = Cli::command();
        let all: BTreeSet<&str> = cli.get_subcommands().map(Command::get_name).collect();
        let listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        assert_eq!(listed.len(), all.len());
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), all);
        let help = command().render_help().to_string();
        assert!(help.contains("Back up and restore:\n  backup        Back up a database"), "{help}");
        assert!(help.contains("Examples:\n"), "{help}");
    }

    #[test]
    fn the_command_line_is_in_itself_consistent() {
        command().debug_assert();
    }
}
