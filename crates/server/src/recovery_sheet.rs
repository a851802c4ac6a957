//! The recovery sheet: a profile's private key, and how to restore with it where dbackup is not. The whole text is an age identity file:
//! every line but the key's is a comment, so that it works as it is saved.

use std::fmt::Write;

use adapter::authorization::{Description, Holds};
use adapter::{Manifest, Registry};
use sources::{DumpFormat, SourceAdapter};

use crate::config::Adapters;

/// What a sheet tells.
pub(crate) struct RecoverySheet<'a> {
    /// The profile's name.
    pub(crate) profile: &'a str,
    /// Its public keys.
    pub(crate) recipients: &'a [String],
    /// The identity file with the private key.
    pub(crate) identity: &'a str,
    /// The day it is handed out, `2026-11-25`.
    pub(crate) date: &'a str,
    /// The public key with which this installation signs sidecars.
    pub(crate) signed_by: &'a str,
    /// Where the server is reached.
    pub(crate) server: &'a str,
    /// Where the backups are: a name and the command line's address for it.
    pub(crate) destinations: &'a [(String, String)],
    /// What can be backed up, and where to.
    pub(crate) adapters: &'a Adapters,
}

impl RecoverySheet<'_> {
    /// Writes the sheet.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![
            "DBACKUP RECOVERY SHEET".to_owned(),
            String::new(),
            format!("Encryption profile: {}", one_line(self.profile)),
            format!("Handed out on {} by {}", self.date, self.server),
            "This whole text is the key file: save it as key.txt, as it is.".to_owned(),
            "Keep it away from the server and from the backups. Anyone who has it can read the backups; without it, nobody can."
                .to_owned(),
            String::new(),
        ];
        lines.extend(self.recipients.iter().map(|recipient| format!("Public key: {recipient}")));
        lines.push(format!("Backups of this server are signed by: {}", self.signed_by));
        let mut sheet: String = lines.iter().map(|line| comment(line)).collect();
        for line in self.identity.lines().filter(|line| !line.trim().is_empty()) {
            let line = if line.starts_with('#') { line.to_owned() } else { line.trim().to_owned() };
            // Writing into a String cannot fail.
            let _ = writeln!(sheet, "{line}");
        }
        sheet.extend(self.instructions().iter().map(|line| comment(line)));
        sheet
    }

    fn instructions(&self) -> Vec<String> {
        let mut lines = vec![String::new(), "WHERE THE BACKUPS ARE".to_owned()];
        lines.extend(self.destinations.iter().map(|(name, address)| format!("{}: {address}", one_line(name))));
        lines.extend(
            [
                "In each: JOB/backup_DATE_DATABASE.ENDING, and beside it the same name with .meta.json",
                "",
                "TO RESTORE WITHOUT DBACKUP",
                "You need age (https://age-encryption.org), and zstd or gzip.",
            ]
            .map(str::to_owned),
        );
        lines.extend(notes(&self.adapters.sources));
        lines.push("In bash, run first: set -o pipefail".to_owned());
        lines.push("FILE is the backup's file, and its name ends as this:".to_owned());
        lines.extend(dumps(&self.adapters.sources).flat_map(commands));
        lines.extend(["", "TO RESTORE WITH DBACKUP"].map(str::to_owned));
        lines.extend(self.adapters.destinations.manifests().filter_map(login));
        let address = self.destinations.first().map_or("file:///FOLDER", |(_, address)| address.as_str());
        let address = quoted(address);
        for target in dumps(&self.adapters.sources).map(|dump| dump.by_hand.target) {
            lines.push(format!("dbackup restore {address} 'JOB/FILE' --target {target} --identity key.txt"));
        }
        lines
    }
}

fn dumps(sources: &Registry<SourceAdapter>) -> impl Iterator<Item = &'static DumpFormat> {
    sources.all().iter().map(|adapter| adapter.dump)
}

/// Returns what is needed to restore without dbackup, beside what opens the layers.
fn notes(sources: &Registry<SourceAdapter>) -> impl Iterator<Item = String> {
    dumps(sources).flat_map(|dump| dump.by_hand.notes).map(|&note| note.to_owned())
}

/// Returns the stock commands for each of the layers that a dump can have.
fn commands(dump: &DumpFormat) -> impl Iterator<Item = String> {
    let layers = [(".zst.age", " | zstd -d"), (".gz.age", " | gzip -d"), (".age", "")];
    layers.into_iter().map(move |(layers, decompress)| {
        let ending = format!(".{}{layers}", dump.ending);
        format!("{ending:<15}age -d -i key.txt FILE{decompress} {}", dump.by_hand.command)
    })
}

/// Returns what to run before an address of an adapter can be used: the variables of its app, and its login.
fn login(manifest: &Manifest) -> Option<String> {
    let Description { provider, variables, .. } = manifest.authorization?;
    let app = variables.iter().filter(|variable| variable.holds == Holds::App);
    let app: String = app.map(|variable| format!("export {}=...; ", variable.name)).collect();
    let grant = manifest.authorization?.grant_variable();
    Some(format!("For {provider}, run first: {app}export {grant}=$(dbackup {} login)", manifest.id))
}

/// As a shell takes it, whatever it holds.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn comment(line: &str) -> String {
    format!("# {line}").trim_end().to_owned() + "\n"
}

/// A name on one line: a line break in it would end the comment.
fn one_line(name: &str) -> String {
    name.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_quoted_for_the_shell() {
        assert_eq!(quoted("dropbox:/bob's backups"), "'dropbox:/bob'\\''s backups'");
    }

    #[test]
    fn every_source_has_its_stock_commands() {
        let adapters = Adapters::default();
        let all: Vec<String> = dumps(&adapters.sources).flat_map(commands).collect();
        assert_eq!(all.len(), 3 * adapters.sources.all().len());
        for command in [
            ".dump.gz.age   age -d -i key.txt FILE | gzip -d | pg_restore --exit-on-error --create --no-owner --no-privileges -d postgres",
            ".db.zst.age    age -d -i key.txt FILE | zstd -d > restored.db",
            ".db.age        age -d -i key.txt FILE > restored.db",
        ] {
            assert!(all.iter().any(|line| line == command), "{all:#?}");
        }
    }

    #[test]
    fn the_whole_sheet_is_an_identity_file() {
        let identity = pipeline::keys::Identity::generate();
        let file = secrecy::ExposeSecret::expose_secret(&identity.to_file("now")).to_owned();
        let sheet = RecoverySheet {
            profile: "company\nAGE-SECRET-KEY-1FALSE",
            recipients: &["age1x".to_owned()],
            identity: &file,
            date: "2026-11-25",
            signed_by: "ed25519:00",
            server: "https://backup.example",
            destinations: &[("Off\nsite".to_owned(), "dropbox:/backups".to_owned())],
            adapters: &Adapters::default(),
        };
        let parsed = pipeline::keys::Identity::parse_file(&sheet.text().into()).unwrap();
        assert_eq!(parsed.len(), 1);
    }
}
