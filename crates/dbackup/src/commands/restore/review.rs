//! `dbackup restore --dry-run`: what a restore would find, without loading a byte.

use runner::restore::examine;
use runner::{Expected, OpenRequest, provenance};
use serde_json::json;
use sources::{Contents, Finding, RestoreOptions, Severity, Source};

use crate::failure::{Failure, Outcome};
use crate::output;

pub(super) async fn run(
    request: OpenRequest<'_>,
    target: &dyn Source,
    options: RestoreOptions,
    expected: Expected<'_>,
    as_json: bool,
) -> Result<Outcome, Failure> {
    let examined = examine(request.destination, request.path).await?;
    let proved = examined.proved.is_some();
    let mut findings = provenance::findings(request.destination, request.path, &examined, expected).await?;
    let contents = target.contents().await?;
    findings.extend(runner::review(request, target, options).await?);
    if contents == Contents::Data && !options.overwrite {
        let message = "The target holds data. Restore into another database, or replace this one with --overwrite";
        let code = "target-holds-data";
        findings.push(Finding { severity: Severity::Blocks, code, message: message.to_owned(), sql: None });
    }
    findings.sort_by_key(|finding| rank(finding.severity));
    let blocked = findings.iter().any(|finding| finding.severity == Severity::Blocks);
    if as_json {
        let word = match contents {
            Contents::Absent => "absent",
            Contents::Empty => "empty",
            Contents::Data => "data",
        };
        output::json(&json!({
            "event": "result", "dryRun": true, "target": target.name(), "contents": word, "proved": proved,
            "blocked": blocked, "findings": findings,
        }));
    } else {
        tell(target, contents, proved, &findings);
    }
    Ok(if blocked { Outcome::Failed } else { Outcome::Succeeded })
}

fn rank(severity: Severity) -> u8 {
    match severity {
        Severity::Blocks => 0,
        Severity::Warns => 1,
        Severity::Informs => 2,
    }
}

fn tell(target: &dyn Source, contents: Contents, proved: bool, findings: &[Finding]) {
    let words = match contents {
        Contents::Absent => "will be created",
        Contents::Empty => "is empty and will be filled",
        Contents::Data => "holds data and would be replaced",
    };
    output::line(&format!("Target: {} {words}", output::printable(&target.name())));
    let is_bare = findings.iter().any(|finding| matches!(finding.code, "no-sidecar" | "unreadable-sidecar"));
    let backup = match (proved, is_bare) {
        (true, _) => "intact, its checksum matches",
        (false, true) => "its layers will be checked while it is read; there is nothing to compare it with",
        (false, false) => "will be verified while it is read",
    };
    output::line(&format!("Backup: {backup}"));
    for Finding { severity, code, message, sql } in findings {
        let word = match severity {
            Severity::Blocks => "Blocks",
            Severity::Warns => "Warning",
            Severity::Informs => "Note",
        };
        output::line(&format!("{word}: {} [{code}]", output::printable(message)));
        // As it is: to be copied.
        sql.iter()
            .flat_map(|sql| sql.lines())
            .for_each(|line| output::line(&format!("    {}", output::printable(line))));
    }
    if !findings.iter().any(|finding| finding.severity == Severity::Blocks) {
        output::line("Nothing stands in the way of the restore.");
    }
}
