//! Lists in pages.

use axum::Json;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use catalog::{Page, PageRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;

const DEFAULT_LIMIT: u16 = 50;
const LARGEST_LIMIT: u16 = 200;

/// Which page of a list, or which one by its name.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct NamedListQuery {
    /// Only the one with this name, in upper or lower case.
    pub(crate) name: Option<String>,
    /// `nextCursor` of the page before; without it, the first page.
    cursor: Option<String>,
    /// Items per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
}

impl NamedListQuery {
    pub(crate) fn page(&self) -> Result<PageRequest, Problem> {
        page(self.cursor.as_deref(), self.limit)
    }
}

/// A page from its two parameters.
pub(crate) fn page(cursor: Option<&str>, limit: Option<u16>) -> Result<PageRequest, Problem> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=LARGEST_LIMIT).contains(&limit) {
        return Err(Problem::invalid_field("limit", format!("must be 1 to {LARGEST_LIMIT}")));
    }
    let after = cursor.map(decode).transpose()?;
    Ok(PageRequest { after, limit: usize::from(limit) })
}

/// Which one is meant to be changed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Existing {
    /// Its id; absent for a new one.
    pub(crate) id: Option<String>,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct List<T> {
    /// In order.
    pub(crate) items: Vec<T>,
    /// For the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
}

/// Answers with a page; `key` is what the next page starts after.
pub(crate) fn list<T, U>(page: Page<T>, key: impl Fn(&T) -> String, show: impl FnMut(T) -> U) -> Json<List<U>> {
    let next_cursor = page.items.last().filter(|_| page.more).map(|last| cursor(&key(last)));
    Json(List { items: page.items.into_iter().map(show).collect(), next_cursor })
}

/// A cursor that starts after this.
pub(crate) fn cursor(after: &str) -> String {
    URL_SAFE_NO_PAD.encode(after)
}

fn decode(cursor: &str) -> Result<String, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| !text.contains('\0'));
    text.ok_or_else(|| {
        Problem::invalid_field("cursor", "is not one that this server gave: leave it out to start again")
    })
}
