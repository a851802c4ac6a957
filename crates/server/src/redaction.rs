//! Blotting secrets out of the log, of run logs and of errors: whatever this process has opened, wherever it comes back from.
//!
//! Blotting can tell what it hides. Where a password is also a word of our own output (`backup`, the name of a job or database),
//! `[secret]` in that word's place gives it away to everybody who knows what stands there. So:
//!
//! - Only free text is redacted: messages, errors, cures, which hold what tools and servers say. Structured fields (paths, names,
//!   ids, sizes, checksums) are ours, hold no secret, and stay as they are ([`domain::run::RunResult::with_words`]).
//! - A secret is blotted wherever it stands in free text only if it can be nothing else: at least eight characters, more than a
//!   plain word or number, more than dates, extensions and words of ours in a row, and not part of a public name
//!   ([`make_public`]).
//! - The path of a backup is public wherever it stands ([`backup_paths`]).
//! - Any other one is blotted only where a tool would print it as a password: `user:…@` in an address, `password=…`,
//!   `password: "…"`. There the blot tells nothing but that a password stood there.
//!
//! What is left: a weak password that a tool prints without a word about what it is. It is not blotted, and nobody who reads it
//! can tell that it is one.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::{LazyLock, Mutex, PoisonError};

use domain::text::one_line;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Secrets, and public names, remembered at most; the oldest are forgotten first.
const MOST: usize = 4096;
/// Characters of the shortest secret that is blotted wherever it stands.
const SHORTEST: usize = 8;
/// Letters of the longest plain word.
const LONGEST_WORD: usize = 15;
/// Words that this program writes, alone or joined by punctuation: in paths, extensions, addresses and messages.
const OURS: [&str; 33] = [
    "age",
    "backup",
    "backups",
    "cancelled",
    "copied",
    "copy",
    "database",
    "databases",
    "db",
    "dbackup",
    "destination",
    "download",
    "dump",
    "failed",
    "file",
    "folder",
    "gz",
    "gzip",
    "http",
    "https",
    "interrupted",
    "job",
    "json",
    "localhost",
    "meta",
    "partial",
    "restore",
    "sidecar",
    "source",
    "sql",
    "succeeded",
    "zst",
    "zstd",
];
/// What every backup's file name begins with.
const BACKUP: &str = "backup_";
/// The time that follows, `0` standing for any digit.
const BACKUP_TIME: &str = "0000-00-00T00-00-00";
const BLOT: &str = "[secret]";
/// What tools write before a password, in lower case; between the two stands one of `: = " '` at least.
const LABELS: [&str; 8] = ["password", "passwd", "passphrase", "pgpassword", "pwd", "secret", "token", "key"];

static KNOWN: Mutex<Known> = Mutex::new(Known { secrets: VecDeque::new(), public: VecDeque::new() });

struct Known {
    secrets: VecDeque<Secret>,
    /// In lower case.
    public: VecDeque<String>,
}

struct Secret {
    text: String,
    /// Whether it can be nothing else.
    is_distinct: bool,
}

fn add<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() >= MOST {
        list.pop_front();
    }
    list.push_back(item);
}

/// Remembers a secret.
pub(crate) fn register(secret: &str) {
    let known = &mut *KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    for text in [secret, &encoded] {
        if !text.is_empty() && !known.secrets.iter().any(|other| other.text == text) {
            let is_distinct = is_distinct(secret) && !known.public.iter().any(|name| is_in(name, secret));
            add(&mut known.secrets, Secret { text: text.to_owned(), is_distinct });
        }
    }
}

/// Remembers a name that everybody may read: a secret that is part of it is not blotted there.
pub(crate) fn make_public(name: &str) {
    let known = &mut *KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let name = name.to_lowercase();
    if name.chars().count() < SHORTEST || known.public.contains(&name) {
        return;
    }
    for secret in &mut known.secrets {
        secret.is_distinct &= !is_in(&name, &secret.text);
    }
    add(&mut known.public, name);
}

fn is_in(public_name: &str, secret: &str) -> bool {
    public_name.contains(&secret.to_lowercase())
}

/// More than a word, a few characters, or what can stand in a backup's name or a message of ours: numbers, dates and words of ours,
/// joined by punctuation.
fn is_distinct(secret: &str) -> bool {
    let length = secret.chars().count();
    let is_word = secret.chars().all(char::is_alphabetic) && length <= LONGEST_WORD;
    let is_joined = |character: char| character.is_alphanumeric() || "-_.:/ ".contains(character);
    let mut parts = secret.split(|character: char| !character.is_alphanumeric());
    let is_row = secret.chars().all(is_joined) && parts.all(is_common);
    length >= SHORTEST && !is_word && !is_row
}

/// Words that addresses begin with.
static SCHEMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let (sources, destinations) = (sources::registry(), destinations::registry());
    sources.manifests().chain(destinations.manifests()).flat_map(|manifest| manifest.schemes).copied().collect()
});

/// Nothing, a number or time (`2026`, `15T12`, `00Z`), or a word of ours.
fn is_common(part: &str) -> bool {
    let is_time = part.chars().all(|character| character.is_ascii_digit() || "TZtz".contains(character));
    let part = part.to_lowercase();
    is_time || OURS.contains(&part.as_str()) || SCHEMES.contains(&part.as_str())
}

/// Where the paths of backups stand in a text: their file names from beginning to end, and the folders before.
fn backup_paths(text: &str) -> Vec<Range<usize>> {
    let ends = |character: char| character.is_whitespace() || "\"'`()<>,;".contains(character);
    // What can stand before a path without a space must not count as a part of it: `password=...`, `user:...@`.
    let begins = |character: char| ends(character) || "=@:".contains(character);
    let names = text.match_indices(BACKUP).filter(|(at, _)| is_backup_time(&text[at + BACKUP.len()..]));
    let paths = names.map(|(at, _)| {
        let begin = text[..at].char_indices().rev().find(|(_, character)| begins(*character));
        let begin = begin.map_or(0, |(before, character)| before + character.len_utf8());
        begin..text[at..].find(ends).map_or(text.len(), |length| at + length)
    });
    paths.collect()
}

fn is_backup_time(text: &str) -> bool {
    let is_like = |(found, like): (u8, u8)| if like == b'0' { found.is_ascii_digit() } else { found == like };
    text.len() >= BACKUP_TIME.len() && text.bytes().zip(BACKUP_TIME.bytes()).all(is_like)
}

/// A free text without any secret.
pub(crate) fn redact(text: &str) -> String {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut clean = text.to_owned();
    for Secret { text: secret, is_distinct } in &known.secrets {
        if !clean.contains(secret.as_str()) {
            continue;
        }
        clean = match is_distinct {
            true => blot_outside_paths(&clean, secret),
            false => blot_labelled(&clean, secret),
        };
    }
    clean
}

/// Blots a secret out wherever it stands, but in the paths of backups.
fn blot_outside_paths(text: &str, secret: &str) -> String {
    let paths = backup_paths(text);
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    for (at, _) in text.match_indices(secret) {
        let end = at + secret.len();
        if paths.iter().any(|path| at < path.end && end > path.start) {
            continue;
        }
        clean.push_str(&text[done..at]);
        clean.push_str(BLOT);
        done = end;
    }
    clean.push_str(&text[done..]);
    clean
}

/// Blots a secret out where it is labelled as one.
fn blot_labelled(text: &str, secret: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(secret) {
        let (before, after) = (&rest[..at], &rest[at + secret.len()..]);
        clean.push_str(before);
        let is_secret = ends_at(after) && (is_in_address(&clean, after) || is_labelled(&clean));
        clean.push_str(if is_secret { BLOT } else { secret });
        rest = after;
    }
    clean.push_str(rest);
    clean
}

/// Whether a token ends here.
fn ends_at(after: &str) -> bool {
    after.chars().next().is_none_or(|next| next.is_whitespace() || "@'\"`,;:&)]}.".contains(next))
}

/// `scheme://user:` before, `@` after.
fn is_in_address(before: &str, after: &str) -> bool {
    let Some(user) = before.strip_suffix(':').filter(|_| after.starts_with('@')) else { return false };
    let user = user.rsplit(char::is_whitespace).next().unwrap_or_default();
    user.rsplit_once("://").is_some_and(|(_, user)| !user.contains(['/', '@']))
}

/// `password=`, `password: "`.
fn is_labelled(before: &str) -> bool {
    let label = before.trim_end_matches([' ', '\t', '"', '\'', '`', '=', ':']);
    let separated = before[label.len()..].contains(['"', '\'', '`', '=', ':']);
    let label = label.rsplit(|character: char| !character.is_alphanumeric()).next().unwrap_or_default().to_lowercase();
    separated && LABELS.iter().any(|known| label.ends_with(known))
}

/// Standard error, redacted: where the log goes. Each write is one event and becomes one line, whatever the values in it hold.
#[derive(Debug, Default, Clone, Copy)]
pub struct RedactedStderr;

impl Write for RedactedStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(one_event(bytes).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn one_event(bytes: &[u8]) -> String {
    let text = redact(&String::from_utf8_lossy(bytes));
    match text.strip_suffix('\n') {
        Some(event) => one_line(event) + "\n",
        None => one_line(&text),
    }
}

#[cfg(test)]
mod tests {
    use domain::run::RunResult;
    use serde_json::json;

    use super::*;

    // The registry is the process's, and tests may share one: each has secrets of its own.

    #[test]
    fn what_can_only_be_a_secret_is_blotted_wherever_it_stands() {
        for secret in ["hunter2-hunter2", "g3heim!x", "correct horse battery", "qwxrtzplkmnbvcda", "sl.u.AFkq9"] {
            register(secret);
            assert_eq!(
                redact(&format!("the tool says {secret}, twice {secret}")),
                "the tool says [secret], twice [secret]"
            );
        }
        register("p@ss w%rd/1");
        assert_eq!(redact("at postgres://u:p%40ss%20w%25rd%2F1@db/x"), "at postgres://u:[secret]@db/x");
    }

    #[test]
    fn an_event_is_one_line_of_the_log_whatever_it_holds() {
        let forged = "WARN pg_dump says: x\n2026-11-26T00:00:00Z INFO server: all is well\r\u{1b}[2K\u{202e}\n";
        assert_eq!(
            one_event(forged.as_bytes()),
            "WARN pg_dump says: x\\n2026-11-26T00:00:00Z INFO server: all is well\\r\\u001b[2K\\u202e\n"
        );
        let event = json!({"message": "a\u{202e}\u{e0041}\nb"});
        let written = one_event(format!("{event}\n").as_bytes());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), event);
        assert!(!written.contains('\u{202e}'));
    }

    #[test]
    fn a_password_that_is_a_word_is_not_given_away_by_its_gap() {
        for word in ["backup", "nightly", "production", "2026", "20260115", "pg", "x"] {
            register(word);
        }
        for line in [
            "backing up production",
            "production is at Disk: nightly/backup_2026-01-15T12-00-00_production.dump.zst (4 KiB), proved whole",
            "database \"production\" does not exist",
            "no pg_hba.conf entry for host \"10.0.0.1\", user \"backup\", database \"production\"",
            "could not connect to postgres://backup@production:2026/nightly",
            "skipped the scheduled run at 20260115",
            "the password is 2026x, of backup",
            "token of the nightly job",
        ] {
            assert_eq!(redact(line), line);
        }
    }

    #[test]
    fn what_can_stand_in_a_backups_name_or_a_word_of_ours_is_no_gap() {
        let path = "nightly/backup_2026-01-15T12-00-00_shop.dump.zst.age";
        for secret in [
            "backup_2026",
            "2026-11-26",
            "2026-01-15T12",
            "backup_2026-01-15T12-00-00",
            ".meta.json",
            "meta.json",
            "dump.zst.age",
            "postgres://",
            "127.0.0.1",
            "succeeded",
            "Dropbox:/",
            "sqlite-backup-2026",
            "15T12-00-00",
            "localhost:3000",
            // Only in the path.
            "nightly/backup_2026-01",
            "_shop.dump",
            "00_shop.dump.zst",
            "x7-folder-9",
        ] {
            register(secret);
        }
        for line in [
            format!("shop is at Disk: {path} (4 KiB), proved whole"),
            format!("copying {path} from Disk to Offsite"),
            format!("'{path}.meta.json' cannot be read: permission denied"),
            format!("{{\"message\":\"restoring x7-folder-9/{path} into postgres://127.0.0.1/shop\"}}"),
            format!("dropbox:/backups/{path}: not found"),
            "succeeded, meta.json, dump.zst.age at 2026-11-26 on localhost:3000".to_owned(),
        ] {
            assert_eq!(redact(&line), line);
        }
        // Beside a path, and in an address that only looks like one, it is blotted.
        register("x8-secret-8");
        assert_eq!(redact(&format!("x8-secret-8: {path}")), format!("[secret]: {path}"));
        assert_eq!(redact(&format!("postgres://u:x8-secret-8@db/{path}")), format!("postgres://u:[secret]@db/{path}"));
        assert_eq!(redact(&format!("password=x8-secret-8 {path}")), format!("password=[secret] {path}"));
        assert_eq!(redact("backup_of x8-secret-8"), "backup_of [secret]");
    }

    #[test]
    fn a_password_that_is_a_word_is_blotted_where_tools_print_passwords() {
        register("springtime");
        register("pw1");
        for (line, clean) in [
            ("postgres://u:springtime@db/springtime", "postgres://u:[secret]@db/springtime"),
            ("postgres://u:pw1@db", "postgres://u:[secret]@db"),
            ("host=db password=springtime dbname=springtime", "host=db password=[secret] dbname=springtime"),
            ("password='springtime' port=1", "password='[secret]' port=1"),
            ("PGPASSWORD=pw1", "PGPASSWORD=[secret]"),
            ("Password: \"springtime\".", "Password: \"[secret]\"."),
            ("{\"password\":\"pw1\"}", "{\"password\":\"[secret]\"}"),
            ("app_secret: springtime", "app_secret: [secret]"),
            ("password=springtimes", "password=springtimes"),
        ] {
            assert_eq!(redact(line), clean);
        }
    }

    #[test]
    fn a_secret_that_is_part_of_a_public_name_is_no_gap_in_it() {
        register("shop-nightly-7");
        assert_eq!(redact("it said shop-nightly-7"), "it said [secret]");
        make_public("Shop-Nightly-7");
        assert_eq!(
            redact("backing up Shop-Nightly-7 as shop-nightly-7"),
            "backing up Shop-Nightly-7 as shop-nightly-7"
        );
        assert_eq!(redact("password=shop-nightly-7"), "password=[secret]");
        make_public("/srv/db/archive-2031.db");
        register("archive-2031");
        assert_eq!(redact("reading archive-2031.db"), "reading archive-2031.db");
    }

    #[test]
    fn paths_names_and_ids_are_never_touched() {
        register("folder-9-x");
        let result = json!({
            "databases": [{"database": "folder-9-x", "copies": [
                {"destinationId": "folder-9-x", "destination": "folder-9-x", "path": "folder-9-x/backup.db",
                    "size": {"plain": 1, "stored": 1}, "checksum": {"sha256Plain": "folder-9-x", "sha256Stored": "folder-9-x"}},
                {"destinationId": "d", "destination": "folder-9-x", "error": "refused: folder-9-x"},
            ]}],
            "warnings": [{"code": "folder-9-x", "subject": "folder-9-x", "message": "about folder-9-x"}],
        });
        let typed: RunResult = serde_json::from_value(result.clone()).unwrap();
        let clean = serde_json::to_value(typed.with_words(&redact)).unwrap();
        let (copies, was) = (&clean["databases"][0]["copies"], &result["databases"][0]["copies"]);
        assert_eq!(copies[0], was[0]);
        assert_eq!(
            (&copies[1]["destination"], copies[1]["error"].as_str()),
            (&json!("folder-9-x"), Some("refused: [secret]"))
        );
        assert_eq!(
            (&clean["warnings"][0]["subject"], clean["warnings"][0]["message"].as_str()),
            (&json!("folder-9-x"), Some("about [secret]"))
        );
    }
}
