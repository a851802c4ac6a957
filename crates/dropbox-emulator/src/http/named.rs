//! What a call's argument names, before the route reads it: faults and records ask.

use serde_json::Value;

use super::body::RequestBody;
use super::request::Head;
use crate::routes::{self, Style};

/// Fields that hold a path.
const PATHS: [&str; 3] = ["path", "from_path", "to_path"];

/// A call's argument, or `null` where there is none or no JSON.
pub(crate) async fn argument(head: &Head, body: &mut RequestBody, route: &str) -> Value {
    let text = match routes::style(route) {
        Some(Style::Rpc) => body.peek().await,
        Some(Style::Upload | Style::Download) => {
            head.header("dropbox-api-arg").map(str::to_owned).or_else(|| head.parameter("arg"))
        }
        None => None,
    };
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// The argument, and the entries in it.
fn parts(argument: &Value) -> impl Iterator<Item = &Value> {
    let entries = argument["entries"].as_array().map_or(&[][..], Vec::as_slice);
    std::iter::once(argument).chain(entries)
}

/// The paths that an argument names.
pub(crate) fn paths(argument: &Value) -> Vec<String> {
    let of = |part: &Value| {
        let own = PATHS.into_iter().map(|field| &part[field]).chain([&part["commit"]["path"]]);
        own.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<String>>()
    };
    parts(argument).flat_map(of).collect()
}

/// The upload sessions that an argument names.
pub(crate) fn sessions(argument: &Value) -> Vec<&str> {
    parts(argument).filter_map(|part| part["cursor"]["session_id"].as_str()).collect()
}

/// How many entries an argument has.
pub(crate) fn entries(argument: &Value) -> usize {
    argument["entries"].as_array().map_or(0, Vec::len)
}
