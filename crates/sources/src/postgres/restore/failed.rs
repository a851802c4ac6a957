//! What pg_restore says about objects that it could not restore.

use super::super::archive::Contents;
use crate::FailedObject;

/// Maximum number of objects that a result lists.
const MAX_LISTED: usize = 500;
/// Maximum length of an object's error in a result, in bytes.
const MAX_ERROR_LEN: usize = 600;

/// Says that pg_restore went through the whole archive.
const WENT_THROUGH: &str = "errors ignored on restore:";

/// Returns whether a line of pg_restore's stderr is about a failure. A talkative pg_restore names every object, too.
pub(super) fn is_wanted(line: &str) -> bool {
    ["from TOC entry ", "error: ", WENT_THROUGH].iter().any(|sign| line.contains(sign)) || detail(line).is_some()
}

/// Returns whether pg_restore read the whole archive although objects failed.
pub(super) fn went_through(stderr: &str) -> bool {
    stderr.contains(WENT_THROUGH)
}

/// Reads the failed objects out of pg_restore's stderr, one entry per object, in order.
pub(super) fn objects(stderr: &str, contents: &Contents, cure: &dyn Fn(&str) -> Option<String>) -> Vec<FailedObject> {
    let mut failed: Vec<FailedObject> = Vec::new();
    let mut current: Option<String> = None;
    for line in stderr.lines() {
        let line = line.strip_prefix("pg_restore: ").unwrap_or(line);
        if let Some(entry) =
            line.strip_prefix("from TOC entry ").or_else(|| line.strip_prefix("[archiver (db)] Error from TOC entry "))
        {
            current = Some(label(entry, contents));
        } else if let Some(error) = line.strip_prefix("error: ") {
            let object = current.clone().unwrap_or_else(|| "the database".to_owned());
            let error = error.strip_prefix("could not execute query: ").unwrap_or(error).to_owned();
            // What follows from an object's first error is no news.
            if failed.last().is_none_or(|last| last.object != object) {
                failed.push(FailedObject { object, cure: cure(&error), error });
            }
        } else if let (Some(last), Some(rest)) = (failed.last_mut(), detail(line)) {
            last.error.push_str("; ");
            last.error.push_str(rest);
            last.cure = cure(&last.error);
        }
    }
    failed.iter_mut().for_each(|object| truncate(&mut object.error));
    let more = failed.len().saturating_sub(MAX_LISTED);
    if more > 0 {
        failed.truncate(MAX_LISTED);
        let error = "see pg_restore's own output: dbackup get, then pg_restore".to_owned();
        failed.push(FailedObject { object: format!("and {more} more objects"), error, cure: None });
    }
    failed
}

/// Lines that explain an error, without pg_restore's repetition of the command.
fn detail(line: &str) -> Option<&str> {
    ["DETAIL:  ", "HINT:  ", "CONTEXT:  "].iter().any(|prefix| line.starts_with(prefix)).then_some(line)
}

/// `216; 1255 16403 FUNCTION public rate(text) postgres`, by the entry's number in the archive.
fn label(entry: &str, contents: &Contents) -> String {
    let id = entry.split(';').next().and_then(|id| id.trim().parse::<i64>().ok());
    let known = contents.entries.iter().find(|known| Some(known.id) == id);
    known.map_or_else(|| entry.to_owned(), super::super::archive::Entry::label)
}

fn truncate(text: &mut String) {
    if text.len() > MAX_ERROR_LEN {
        let mut end = MAX_ERROR_LEN;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::archive::Entry;
    use super::*;

    const SAID: &str = "pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 216; 1255 16403 FUNCTION rate(text) postgres
pg_restore: error: could not execute query: ERROR:  relation \"rates\" does not exist
LINE 1: select r from rates where c=x
HINT:  No function matches.
Command was: CREATE MATERIALIZED VIEW public.m AS
 SELECT 1
pg_restore: error: could not execute query: ERROR:  relation \"public.m\" does not exist
Command was: ALTER TABLE public.m OWNER TO postgres;

pg_restore: from TOC entry 3100; 0 16390 TABLE DATA price postgres
pg_restore: error: COPY failed for table \"price\": ERROR:  new row violates check constraint
CONTEXT:  COPY price, line 1
pg_restore: warning: errors ignored on restore: 3";

    #[test]
    fn each_object_is_listed_once_with_its_first_error() {
        let entry = |id, kind: &str, tag: &str| Entry {
            id,
            kind: kind.to_owned(),
            tag: tag.to_owned(),
            schema: "public".to_owned(),
            ..Entry::default()
        };
        let entries = vec![entry(216, "MATERIALIZED VIEW", "m"), entry(3100, "TABLE DATA", "price")];
        let failed = objects(SAID, &Contents { server_version: String::new(), entries }, &|_| None);
        let listed: Vec<(&str, &str)> =
            failed.iter().map(|failed| (failed.object.as_str(), failed.error.as_str())).collect();
        assert_eq!(
            listed,
            [
                (
                    "MATERIALIZED VIEW public.m",
                    "ERROR:  relation \"rates\" does not exist; HINT:  No function matches."
                ),
                (
                    "TABLE DATA public.price",
                    "COPY failed for table \"price\": ERROR:  new row violates check constraint; CONTEXT:  COPY price, line 1"
                )
            ]
        );
        assert!(went_through(SAID) && !went_through("pg_restore: error: connection lost"));
    }

    #[test]
    fn a_result_stays_bounded() {
        let said: String = (0..2000)
            .map(|id| {
                format!("pg_restore: from TOC entry {id}; 0 0 X {id} y\npg_restore: error: {}\n", "ü".repeat(900))
            })
            .collect();
        let failed = objects(&said, &Contents::default(), &|_| None);
        assert_eq!(failed.len(), MAX_LISTED + 1);
        assert_eq!(failed[MAX_LISTED].object, "and 1500 more objects");
        assert!(failed.iter().all(|failed| failed.error.len() <= MAX_ERROR_LEN + 4));
    }
}
