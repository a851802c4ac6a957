//! `dbackup doctor`

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use adapter::{Manifest, Tool, folders_like};
use catalog::KeyFile;
use domain::size::human;
use jiff::Timestamp;
use reqwest::header::DATE;
use rustix::fs::{Access, access, statvfs};
use serde_json::json;

use super::resources::text;
use super::store::{DATABASE, folder_of, given_key};
use crate::cli::DoctorArguments;
use crate::environment::variable;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Table};
use crate::remote::{Server, client, server_url};

/// Longest wait for the server.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Free bytes of the data folder's disk that are too few, and those that are few.
const TOO_FEW: u64 = 100 * 1024 * 1024;
const FEW: u64 = 1024 * 1024 * 1024;
/// Seconds that the clocks of this machine and of the server may differ.
const MAX_CLOCK_DIFFERENCE: i64 = 60;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warning,
    Failed,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// Something that was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Check {
    name: String,
    verdict: Verdict,
    detail: String,
}

fn check(name: impl Into<String>, verdict: Verdict, detail: impl Into<String>) -> Check {
    Check { name: name.into(), verdict, detail: detail.into() }
}

/// Looks at this machine and at the server. Fails if there are problems.
pub(crate) async fn run(arguments: DoctorArguments) -> Result<Outcome, Failure> {
    let folder = folder_of(arguments.store)?;
    let is_shared = variable("DATABASE_URL")?.or(variable("DATABASE_URL_FILE")?).is_some();
    let mut checks = vec![of_folder(&folder), of_key(&folder, is_shared), of_disk(&folder)];
    checks
        .extend(sources::registry().manifests().flat_map(|manifest| of_tools(manifest, |name| std::env::var_os(name))));
    checks.extend(of_server(&folder).await?);
    if arguments.json {
        let shown = checks
            .iter()
            .map(|check| json!({"name": check.name, "result": check.verdict.as_str(), "detail": check.detail}));
        let is_good = checks.iter().all(|check| check.verdict != Verdict::Failed);
        output::json(&json!({"ok": is_good, "checks": shown.collect::<Vec<_>>()}));
    } else {
        let mut table = Table::new(["CHECK", "*RESULT", "DETAIL"]);
        for Check { name, verdict, detail } in &checks {
            table.add([name.clone(), verdict.as_str().to_owned(), detail.clone()]);
        }
        table.print();
    }
    let has_failed = checks.iter().any(|check| check.verdict == Verdict::Failed);
    Ok(if has_failed { Outcome::Failed } else { Outcome::Succeeded })
}

fn of_folder(folder: &Path) -> Check {
    use std::os::unix::fs::PermissionsExt;
    const NAME: &str = "data folder";
    let shown = folder.display();
    let Ok(found) = std::fs::metadata(folder) else {
        return check(NAME, Verdict::Warning, format!("{shown} does not exist: dbackup serve creates it"));
    };
    let mode = found.permissions().mode() & 0o777;
    if !found.is_dir() || access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return check(NAME, Verdict::Failed, format!("{shown} is no folder that this user can write to"));
    }
    match mode & 0o077 {
        0 => check(NAME, Verdict::Ok, shown.to_string()),
        _ => {
            let words = format!("other users can look into {shown} (mode {mode:04o}). Run: chmod 700 {shown}");
            check(NAME, Verdict::Warning, words)
        }
    }
}

/// Looks at the encryption key. `is_shared`: whether the metadata database is elsewhere, so that its data cannot be seen from here.
fn of_key(folder: &Path, is_shared: bool) -> Check {
    const NAME: &str = "encryption key";
    match given_key("ENCRYPTION_KEY") {
        Ok(Some(key)) => return check(NAME, Verdict::Ok, format!("key {} from the environment", key.id())),
        Err(failure) => return check(NAME, Verdict::Failed, failure.to_string()),
        Ok(None) => {}
    }
    let file = KeyFile::new(folder);
    match file.read() {
        Ok(Some(key)) => {
            let words = format!("key {} in {}. Keep a copy off this machine", key.id(), file.path().display());
            check(NAME, Verdict::Ok, words)
        }
        Ok(None) if folder.join(DATABASE).exists() => {
            let words =
                format!("{} is missing, and {DATABASE} is encrypted under it. Restore it", file.path().display());
            check(NAME, Verdict::Failed, words)
        }
        Ok(None) if is_shared => {
            let words = "none here. A metadata database that has data already is encrypted under one: put it into ENCRYPTION_KEY";
            check(NAME, Verdict::Warning, words)
        }
        Ok(None) => check(NAME, Verdict::Ok, "none yet: dbackup serve creates one at its first start"),
        Err(error) => check(NAME, Verdict::Failed, error.to_string()),
    }
}

fn of_disk(folder: &Path) -> Check {
    const NAME: &str = "disk space";
    let existing = folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder);
    match statvfs(existing) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let verdict = match free {
                ..TOO_FEW => Verdict::Failed,
                TOO_FEW..FEW => Verdict::Warning,
                _ => Verdict::Ok,
            };
            check(NAME, verdict, format!("{} free at {}", human(free), existing.display()))
        }
        Err(error) => check(NAME, Verdict::Failed, format!("{}: {error}", existing.display())),
    }
}

/// Looks for the programs that an adapter runs. They are needed only where it is used.
fn of_tools(manifest: &Manifest, variable: impl Fn(&str) -> Option<OsString>) -> Vec<Check> {
    let look = |tool: &Tool| {
        let is_program = |path: &PathBuf| path.is_file() && access(path.as_path(), Access::EXEC_OK).is_ok();
        let name = format!("{}: {}", manifest.title, tool.name);
        match folders_of(tool, &variable).iter().map(|folder| folder.join(tool.name)).find(is_program) {
            Some(path) => check(name, Verdict::Ok, path.display().to_string()),
            None => {
                let words = format!("not found. To back up {}, install {}", manifest.title, tool.from);
                check(name, Verdict::Warning, words)
            }
        }
    };
    manifest.tools.iter().map(look).collect()
}

/// Where backups look for a program.
fn folders_of(tool: &Tool, variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    if let Some(only) = tool.folder_variable.and_then(&variable) {
        return vec![PathBuf::from(only)];
    }
    let packaged = tool.folders.iter().flat_map(|pattern| folders_like(pattern).into_iter().rev());
    packaged.chain(std::env::split_paths(&variable("PATH").unwrap_or_default())).collect()
}

/// Asks the server whether it is ready, whether it knows the token, and what time it is.
async fn of_server(folder: &Path) -> Result<Vec<Check>, Failure> {
    const NAME: &str = "server";
    let url = server_url()?;
    let ready = url.join("readyz").map_err(|error| Failure::usage(error.to_string()))?;
    let answer = match client()?.get(ready).timeout(TIMEOUT).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let words = format!("{url} cannot be reached: {}. Set DBACKUP_URL, or start dbackup serve", cause(&error));
            return Ok(vec![check(NAME, Verdict::Failed, words), of_clock(newest(folder), super::now())]);
        }
    };
    let status = answer.status();
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
    let mut checks = vec![if status.is_success() {
        check(NAME, Verdict::Ok, format!("{url} is ready"))
    } else {
        let problem: serde_json::Value =
            serde_json::from_str(&answer.text().await.unwrap_or_default()).unwrap_or_default();
        check(NAME, Verdict::Failed, format!("{url} is not ready ({status}): {}", text(&problem["detail"])))
    }];
    checks.push(match Server::of_environment() {
        Ok(server) => match server.get("/api/session").await {
            Ok(who) => check("API token", Verdict::Ok, format!("of {}", text(&who["name"]))),
            Err(failure) => check("API token", Verdict::Failed, failure.to_string()),
        },
        Err(failure) => check("API token", Verdict::Warning, failure.to_string()),
    });
    let theirs = date.and_then(|date| jiff::fmt::rfc2822::parse(&date).ok()).map(|date| date.timestamp());
    checks.push(match theirs {
        Some(theirs) => of_difference(theirs, super::now()),
        None => of_clock(newest(folder), super::now()),
    });
    Ok(checks)
}

fn cause(error: &reqwest::Error) -> String {
    let deepest = std::iter::successors(std::error::Error::source(error), |error| error.source()).last();
    deepest.map_or_else(|| error.to_string(), ToString::to_string)
}

/// Compares this machine's clock with the server's.
fn of_difference(theirs: Timestamp, ours: Timestamp) -> Check {
    let seconds = ours.as_second() - theirs.as_second();
    let verdict = if seconds.abs() > MAX_CLOCK_DIFFERENCE { Verdict::Warning } else { Verdict::Ok };
    let words = match verdict {
        Verdict::Ok => "agrees with the server's".to_owned(),
        _ => format!("differs from the server's by {} s. Synchronize both with NTP", seconds.abs()),
    };
    check("clock", verdict, words)
}

/// Compares this machine's clock with the last change of the metadata database.
fn of_clock(newest: Option<Timestamp>, now: Timestamp) -> Check {
    match newest {
        Some(newest) if newest.as_second() > now.as_second() + MAX_CLOCK_DIFFERENCE => {
            let words = format!("is behind the last change of {DATABASE} ({newest}). Synchronize it with NTP");
            check("clock", Verdict::Failed, words)
        }
        _ => check("clock", Verdict::Ok, format!("{now:.0}")),
    }
}

fn newest(folder: &Path) -> Option<Timestamp> {
    let changed = std::fs::metadata(folder.join(DATABASE)).ok()?.modified().ok()?;
    Timestamp::try_from(changed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_clock_that_is_wrong_is_told() {
        assert_eq!(of_difference(at(1000), at(1030)).verdict, Verdict::Ok);
        let wrong = of_difference(at(1000), at(700));
        assert_eq!((wrong.verdict, wrong.detail.contains("by 300 s")), (Verdict::Warning, true));
        assert_eq!(of_clock(None, at(5)).verdict, Verdict::Ok);
        assert_eq!(of_clock(Some(at(1000)), at(500)).verdict, Verdict::Failed);
    }

    #[test]
    fn a_missing_tool_is_told_with_its_package() {
        let registry = sources::registry();
        let with_tools = registry.manifests().find(|manifest| !manifest.tools.is_empty()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let empty = |_: &str| Some(folder.path().as_os_str().to_owned());
        let missing = of_tools(with_tools, empty);
        assert_eq!(missing.len(), with_tools.tools.len());
        let tool = &with_tools.tools[0];
        assert!(missing[0].verdict == Verdict::Warning && missing[0].detail.contains(tool.from), "{missing:?}");
    }

    #[test]
    fn a_key_that_is_lost_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(of_key(folder.path(), false).verdict, Verdict::Ok);
        assert_eq!(of_key(folder.path(), true).verdict, Verdict::Warning);
        std::fs::write(folder.path().join(DATABASE), "").unwrap();
        assert_eq!(of_key(folder.path(), false).verdict, Verdict::Failed);
        KeyFile::new(folder.path()).create().unwrap();
        assert_eq!(of_key(folder.path(), false).verdict, Verdict::Ok);
    }
}
