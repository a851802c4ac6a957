//! The table of fields in an adapter's page of the guide.

use std::fmt::Write;

use crate::field::{Default, Field, Input, Required};
use crate::manifest::Manifest;

/// The line before the generated table.
pub const FIELDS_START: &str =
    "<!-- fields: generated from the manifest by `UPDATE_SNAPSHOT=1 cargo nextest run guide` -->";
/// The line after it.
pub const FIELDS_END: &str = "<!-- /fields -->";

/// Returns the table of an adapter's fields, as Markdown.
pub fn field_table(manifest: &Manifest) -> String {
    let mut table = "| field | setting | |\n|---|---|---|\n".to_owned();
    for field in manifest.fields {
        let words = if field.guide.is_empty() { field.help } else { field.guide };
        let words = [words.to_owned(), values(field), needed(field, manifest), unset(field)];
        let words = words.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        // Writing to a text cannot fail.
        let _ = writeln!(table, "| {} | `{}` | {words} |", field.label, field.name);
    }
    table
}

fn values(field: &Field) -> String {
    match field.input {
        Input::Choice(choices) => {
            let choices = choices.iter().map(|choice| format!("`{}` ({})", choice.value, choice.label));
            format!("{}.", choices.collect::<Vec<_>>().join(", "))
        }
        Input::Secret { .. } => "Stored encrypted.".to_owned(),
        _ => String::new(),
    }
}

fn needed(field: &Field, manifest: &Manifest) -> String {
    match field.required {
        Required::Never => String::new(),
        Required::Always => "Required.".to_owned(),
        Required::Unless(other) => {
            let label = manifest.field(other).map_or(other, |field| field.label);
            format!("Required unless *{label}* is set.")
        }
    }
}

fn unset(field: &Field) -> String {
    match field.default {
        Default::None | Default::Text("") => String::new(),
        Default::Unset(words) => format!("Default: {words}."),
        Default::Text(text) => format!("Default: `{text}`."),
        Default::Flag(on) => format!("Default: {}.", if on { "on" } else { "off" }),
    }
}

/// Returns a page with the table between its markers replaced. `None` if the page lacks a marker.
pub fn with_field_table(page: &str, manifest: &Manifest) -> Option<String> {
    let (before, rest) = page.split_once(FIELDS_START)?;
    let (_, after) = rest.split_once(FIELDS_END)?;
    Some(format!("{before}{FIELDS_START}\n\n{}\n{FIELDS_END}{after}", field_table(manifest)))
}
