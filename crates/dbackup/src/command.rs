//! The command line as it is parsed, shown and completed: the commands of adapters, groups of commands, names that the server knows.

use adapter::Manifest;
use adapter::authorization::Variable;
use clap::{Command, CommandFactory, FromArgMatches, Subcommand};
use clap_complete::{ArgValueCandidates, CompleteEnv};

use crate::cli::{AccessCommand, Cli, Parsed};
use crate::commands::completions;
use crate::remote::Kind;

/// Commands as `dbackup --help` lists them.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Back up and restore", &["backup", "list", "get", "restore", "copy", "delete", "keygen"]),
    ("Run a server", &["serve", "doctor", "health", "key", "admin", "demo"]),
    (
        "Use a server (DBACKUP_URL, DBACKUP_TOKEN)",
        &[
            "login",
            "logout",
            "open",
            "status",
            "jobs",
            "runs",
            "backups",
            "retention",
            "sources",
            "destinations",
            "profiles",
            "channels",
            "notifications",
            "audit",
            "apply",
            "export",
            "api",
        ],
    ),
    ("Shell", &["completions", "man"]),
];

const EXAMPLES: &str = "\
Examples:
  dbackup demo
  dbackup backup --source ADDRESS --to file:///srv/backups      (backup --help lists the forms of addresses)
  dbackup restore file:///srv/backups --job shop --latest --target ADDRESS
  dbackup serve

Exit codes: 0 succeeded, 1 failed, 2 wrong usage, 3 partial.";

/// Commands whose argument `name` names something on the server.
const NAMED: [(&str, Kind, &[&str]); 4] = [
    ("sources", Kind::Source, &["show", "delete"]),
    ("destinations", Kind::Destination, &["show", "delete", "scan", "authorize"]),
    ("profiles", Kind::Profile, &["show", "delete"]),
    ("jobs", Kind::Job, &["show", "delete", "run", "pause", "resume", "edit"]),
];

/// Parses the arguments of this process. Ends the process after a mistake, after help, and once it has completed a line for a shell.
pub(crate) fn parse() -> Parsed {
    CompleteEnv::with_factory(command).var(completions::VARIABLE).complete();
    let matches = command().get_matches();
    let access = matches
        .subcommand()
        .and_then(|(name, matches)| Some((authorized().find(|manifest| manifest.id == name)?, matches)));
    let parsed = match access {
        Some((manifest, matches)) => {
            AccessCommand::from_arg_matches(matches).map(|command| Parsed::Access(manifest, command))
        }
        None => Cli::from_arg_matches(&matches).map(|cli| Parsed::Command(Box::new(cli.command))),
    };
    parsed.unwrap_or_else(|error| error.exit())
}

/// Returns the command line with the commands of adapters, groups and completions.
pub(crate) fn command() -> Command {
    let command = authorized().fold(Cli::command(), with_access);
    let adapters: Vec<&str> = authorized().map(|manifest| manifest.id).collect();
    let groups: Vec<String> = GROUPS
        .iter()
        .enumerate()
        .map(|(place, (title, names))| {
            let names = names.iter().copied().chain(adapters.iter().copied().filter(|_| place == 0));
            group(&command, title, &names.collect::<Vec<_>>())
        })
        .collect();
    let variables = variables(|_| true);
    let help = format!("{}\n{EXAMPLES}\n\nEnvironment variables of storages:{variables}", groups.join("\n"));
    let command =
        command.help_template("{about-with-newline}\n{usage-heading} {usage}\n\n{after-help}").after_help(help);
    NAMED.iter().fold(command, |command, (plural, kind, names)| {
        command.mut_subcommand(plural, |of_kind| {
            names.iter().fold(of_kind, |of_kind, name| of_kind.mut_subcommand(name, |one| with_names(one, *kind)))
        })
    })
}

/// Returns the adapters whose storage is authorized in a browser.
fn authorized() -> impl Iterator<Item = &'static Manifest> {
    destinations::registry()
        .manifests()
        .filter(|manifest| manifest.authorization.is_some())
        .collect::<Vec<_>>()
        .into_iter()
}

/// Adds the commands of an adapter whose storage is authorized in a browser.
fn with_access(command: Command, manifest: &'static Manifest) -> Command {
    let about = format!("Log in to {}, show the account, log out", manifest.title);
    let access = Command::new(manifest.id).about(about).subcommand_required(true).arg_required_else_help(true);
    command.subcommand(AccessCommand::augment_subcommands(access))
}

/// Returns the variables that storages read, a line each.
pub(crate) fn variables(is_wanted: fn(&Variable) -> bool) -> String {
    let described = authorized().filter_map(|manifest| manifest.authorization);
    let wanted = described.flat_map(|description| description.variables).filter(|variable| is_wanted(variable));
    wanted.map(|variable| format!("\n  {:<20} {}", variable.name, variable.help)).collect()
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
        let cli = command();
        let all: BTreeSet<&str> = cli.get_subcommands().map(Command::get_name).collect();
        let listed = GROUPS.iter().flat_map(|(_, names)| names.iter().copied());
        let listed: Vec<&str> = listed.chain(authorized().map(|manifest| manifest.id)).collect();
        assert_eq!(listed.len(), all.len());
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), all);
        let help = command().render_help().to_string();
        assert!(help.contains("Back up and restore:\n  backup  ") && help.contains("  Back up databases"), "{help}");
        assert!(help.contains("Examples:\n"), "{help}");
    }

    #[test]
    fn the_command_line_is_in_itself_consistent() {
        command().debug_assert();
    }
}
