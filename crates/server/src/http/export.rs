//! Lists as files: CSV for spreadsheets and JSON lines for programs, streamed page by page.

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use catalog::{Page, PageRequest};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::lists;
use super::problem::Problem;

/// Items that are read at once.
const PAGE_LEN: usize = 200;

/// In which form a list is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// A page, as JSON.
    #[default]
    Json,
    /// All items, as CSV (RFC 4180) with a header line.
    Csv,
    /// All items, one JSON object per line.
    Jsonl,
}

/// In which form a list is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    /// A page as JSON, or all items as a file: `csv`, or `jsonl` with one JSON object per line. Files start at `cursor`; `limit` does not
    /// count for them. CSV cells that a spreadsheet would take for a formula begin with `'`.
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

/// Marks an answer that is read from the catalog as the client takes it. It keeps its place, and ends with its credential.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streamed;

/// A list that can be exported.
pub(crate) struct Exported<Read, Key, Show> {
    /// The name of the file without its ending.
    pub(crate) name: &'static str,
    /// The columns of the CSV: paths of fields, such as `verified.at`.
    pub(crate) columns: &'static [&'static str],
    pub(crate) read: Read,
    /// Returns what the next page starts after.
    pub(crate) key: Key,
    pub(crate) show: Show,
}

/// What is left to send.
enum Rest<T> {
    Page(Page<T>),
    After(String),
}

impl<Read, Key, Show> Exported<Read, Key, Show> {
    /// Answers with a page, or with the file.
    pub(crate) async fn answer<T, U, Reading>(
        self,
        query: &ExportQuery,
        request: PageRequest,
    ) -> Result<Response, Problem>
    where
        T: Send + 'static,
        U: Serialize,
        Reading: Future<Output = Result<Page<T>, catalog::Error>> + Send + 'static,
        Read: Fn(PageRequest) -> Reading + Clone + Send + Sync + 'static,
        Key: Fn(&T) -> String + Clone + Send + Sync + 'static,
        Show: Fn(T) -> U + Clone + Send + Sync + 'static,
    {
        let Self { name, columns, read, key, show } = self;
        let (kind, ending) = match query.format {
            Format::Json => return Ok(lists::list(read(request).await?, key, show).into_response()),
            Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
            Format::Jsonl => ("application/x-ndjson", "jsonl"),
        };
        let is_csv = query.format == Format::Csv;
        // What fails at once is answered as a problem; later, the answer breaks off.
        let first = read(PageRequest { limit: PAGE_LEN, ..request }).await?;
        let head = if is_csv { record(columns.iter().map(|column| (*column).to_owned())) } else { String::new() };
        let pieces = stream::try_unfold((head, Some(Rest::Page(first))), move |(head, rest)| {
            let (read, key, show) = (read.clone(), key.clone(), show.clone());
            async move {
                let page = match rest {
                    None => return Ok::<_, Error>(None),
                    Some(Rest::Page(page)) => page,
                    Some(Rest::After(after)) => read(PageRequest { after: Some(after), limit: PAGE_LEN }).await?,
                };
                let next = page.items.last().filter(|_| page.more).map(|last| Rest::After(key(last)));
                let mut text = head;
                for item in page.items {
                    let shown = serde_json::to_value(show(item))?;
                    if is_csv {
                        text.push_str(&record(columns.iter().map(|column| cell(&shown, column))));
                    } else {
                        text.push_str(&shown.to_string());
                        text.push('\n');
                    }
                }
                Ok(Some((Bytes::from(text), (String::new(), next))))
            }
        });
        let file = format!("attachment; filename=\"dbackup-{name}.{ending}\"");
        let headers = [(CONTENT_TYPE, kind.to_owned()), (CONTENT_DISPOSITION, file)];
        Ok((axum::Extension(Streamed), headers, Body::from_stream(pieces)).into_response())
    }
}

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Returns a line of CSV, with its end.
fn record(cells: impl Iterator<Item = String>) -> String {
    let quoted = cells.map(|cell| match cell.contains(['"', ',', '\r', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    });
    quoted.collect::<Vec<_>>().join(",") + "\r\n"
}

/// Returns the cell of a field. A text that a spreadsheet would take for a formula is defused
/// (<https://owasp.org/www-community/attacks/CSV_Injection>).
fn cell(item: &Value, column: &str) -> String {
    match column.split('.').fold(item, |value, name| &value[name]) {
        Value::Null => String::new(),
        Value::String(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}"),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_are_defused() {
        let item = json!({
            "name": "=HYPERLINK(\"x\")", "plus": "+1", "minus": "-1", "at": "@x", "tab": "\t=1", "number": -5, "flag": true,
            "text": "a, \"b\"\nc", "in": {"side": "deep"}, "null": null,
        });
        let columns = ["name", "plus", "minus", "at", "tab", "number", "flag", "text", "in.side", "null", "absent"];
        let line = record(columns.iter().map(|column| cell(&item, column)));
        assert_eq!(line, "\"'=HYPERLINK(\"\"x\"\")\",'+1,'-1,'@x,'\t=1,-5,true,\"a, \"\"b\"\"\nc\",deep,,\r\n");
    }
}
