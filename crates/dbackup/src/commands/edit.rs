//! `dbackup jobs edit`

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Map, Value};
use tokio::signal::unix::{SignalKind, signal};

use super::export::fields;
use super::resources::text;
use crate::environment::variable;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::remote::{Configuration, Kind, Server, entry_of, for_server};
use crate::signals::end_by_interrupt;

/// The editor where none is chosen.
const EDITOR: &str = "vi";

/// Opens a job as text in the user's editor, and makes the changes. What another user changed meanwhile is not overwritten.
pub(crate) async fn job(name: &str) -> Result<Outcome, Failure> {
    let server = Server::of_environment()?;
    let configuration = Configuration::of(&server).await?;
    let missing = || Failure::failed(format!("there is no job '{name}' on the server"));
    let by_id = || configuration.of_kind(Kind::Job).iter().find(|job| job["id"] == *name);
    let job = configuration.find(Kind::Job, name).or_else(by_id).ok_or_else(missing)?;
    let before = entry_of(&configuration, Kind::Job, job);
    let mut file = tempfile::Builder::new().prefix("dbackup-job-").suffix(".toml").tempfile()?;
    writeln!(file, "# Save to apply the changes. Fields that you remove get their defaults.\n{}", fields(&before))?;
    file.flush()?;
    edit(file.path()).await?;
    let edited = std::fs::read_to_string(file.path())?;
    let change = async {
        let after: Value = toml::from_str(&edited).map_err(|error| Failure::usage(error.to_string()))?;
        if after == before {
            return Ok(false);
        }
        let (before, after) =
            (for_server(&configuration, Kind::Job, &before)?, for_server(&configuration, Kind::Job, &after)?);
        let path = format!("/api/jobs/{}", text(&job["id"]));
        server.patch(&path, &job["revision"], &patch(&before, &after)).await.map(|_| true)
    };
    let name = output::printable(&text(&job["name"]));
    match change.await {
        Ok(true) => output::note(&format!("Changed {name}.")),
        Ok(false) => output::note("Nothing was changed."),
        Err(failure) => {
            // What was written is not lost.
            let (_, kept) = file.keep().map_err(|error| Failure::failed(error.to_string()))?;
            return Err(Failure::failed(format!("{failure}\nYour text is kept in {}", kept.display())));
        }
    }
    Ok(Outcome::Succeeded)
}

/// Returns the merge patch (RFC 7396) that makes the one the other: the fields that differ, in tables as well, and null for those that are
/// gone.
fn patch(before: &Value, after: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (before, after) else { return after.clone() };
    let changed = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let changed =
        changed.map(|(name, value)| (name.clone(), before.get(name).map_or(value.clone(), |was| patch(was, value))));
    changed.chain(gone.map(|name| (name.clone(), Value::Null))).collect::<Map<_, _>>().into()
}

/// Runs the editor that the user has chosen, with its arguments, and waits for its end.
async fn edit(file: &Path) -> Result<(), Failure> {
    let chosen = match variable("VISUAL")? {
        Some(editor) => Some(editor),
        None => variable("EDITOR")?,
    };
    let chosen = chosen.unwrap_or_else(|| EDITOR.to_owned());
    let mut words = chosen.split_whitespace();
    let program = words.next().unwrap_or(EDITOR);
    // Ctrl-C is the editor's while it is open.
    let interrupts = signal(SignalKind::interrupt())?;
    #[expect(clippy::disallowed_methods, reason = "an editor needs this terminal and its process group")]
    let status = tokio::process::Command::new(program).args(words).arg(file).stdin(Stdio::inherit()).status().await;
    drop(interrupts);
    end_by_interrupt();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::failed(format!("the editor {program} failed ({status}): nothing was changed"))),
        Err(error) => Err(Failure::usage(format!("could not start the editor {program}: {error}. Set EDITOR"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_sent() {
        let before = json!({"name": "a", "schedule": {"cron": "1"}, "timeoutSeconds": 5, "enabled": true});
        let after = json!({"name": "a", "schedule": {"cron": "2"}, "enabled": true, "databases": ["x"]});
        let expected = json!({"schedule": {"cron": "2"}, "timeoutSeconds": null, "databases": ["x"]});
        assert_eq!(patch(&before, &after), expected);
        // What is removed from a table is removed: a patch merges tables.
        let before = json!({"retention": {"a": "p", "b": "q"}, "schedule": {"cron": "1", "timeZone": "Europe/Zurich"}});
        let after = json!({"retention": {"b": "q"}, "schedule": {"cron": "1"}});
        assert_eq!(patch(&before, &after), json!({"retention": {"a": null}, "schedule": {"timeZone": null}}));
    }
}
