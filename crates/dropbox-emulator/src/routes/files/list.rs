//! `files/list_folder`, its `continue` and its `get_latest_cursor`.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::Account;
use crate::errors::{ListContinueError, LookupError, ReadError};
use crate::failure::Failure;
use crate::faults::FaultKind;
use crate::routes::{Arg, Caller, strings};
use crate::tree::Kind;
use crate::tree::listing::{Cursor, Options, Page};
use crate::tree::path::{Grammar, Place, fold};

/// Entries per page, if the caller names no limit.
const DEFAULT_LIMIT: usize = 500;

/// The most entries per page.
const MAX_LIMIT: usize = 2000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListArg {
    path: String,
    #[serde(default)]
    recursive: bool,
    #[serde(default)]
    include_deleted: bool,
    limit: Option<usize>,
    #[serde(default, rename = "include_media_info")]
    _include_media_info: bool,
    #[serde(default, rename = "include_has_explicit_shared_members")]
    _include_has_explicit_shared_members: bool,
    #[serde(default, rename = "include_mounted_folders")]
    _include_mounted_folders: bool,
    #[serde(default, rename = "include_non_downloadable_files")]
    _include_non_downloadable_files: bool,
    #[serde(default, rename = "include_restorable_info")]
    _include_restorable_info: bool,
    #[serde(default, rename = "include_property_groups")]
    _include_property_groups: Option<Value>,
    shared_link: Option<Value>,
}

/// The first page of a folder.
pub(crate) fn begin(caller: &Caller, arg: &Arg) -> Result<Value, Failure> {
    let account = caller.app.account();
    Ok(answer(caller, &account, open(caller, &account, arg)?))
}

/// A cursor after everything that is in a folder now.
pub(crate) fn latest_cursor(caller: &Caller, arg: &Arg) -> Result<Value, Failure> {
    let account = caller.app.account();
    let cursor = account.tree.latest(open(caller, &account, arg)?);
    Ok(json!({ "cursor": cursor.encode() }))
}

fn open(caller: &Caller, account: &Account, arg: &Arg) -> Result<Cursor, Failure> {
    let list: ListArg = arg.parse()?;
    let limit = list.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(arg.refuse(&format!("limit: {limit} is not within 1 to {MAX_LIMIT}")));
    }
    if list.shared_link.is_some() {
        return Err(arg.refuse("shared_link: the emulator knows no shared links"));
    }
    let refuse = |path: LookupError| Failure::from(ReadError::Path { path });
    let folder = match caller.place(account, Grammar::Folder, &list.path, arg)? {
        Ok(Place::Path(path)) => fold(&path),
        Ok(Place::Revision(_) | Place::Nothing) => return Err(refuse(LookupError::NotFound)),
        Err(fault) => return Err(refuse(fault.into())),
    };
    let is_root = folder == caller.view.key();
    match account.tree.get(&folder).map(|node| &node.kind) {
        Some(Kind::File(_)) => return Err(refuse(LookupError::NotFolder)),
        None if !folder.is_empty() => return Err(refuse(LookupError::NotFound)),
        _ => {}
    }
    let options = Options { recursive: list.recursive, include_deleted: list.include_deleted, limit };
    Ok(account.tree.begin(&folder, is_root, options))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContinueArg {
    #[serde(deserialize_with = "strings::cursor")]
    cursor: String,
}

/// The next page, or what has changed since the last.
pub(crate) fn go_on(caller: &Caller, arg: &Arg) -> Result<Value, Failure> {
    let ContinueArg { cursor } = arg.parse()?;
    let account = caller.app.account();
    let cursor = Cursor::decode(&cursor).filter(|cursor| account.tree.knows(cursor)).ok_or(ListContinueError::Reset)?;
    if !cursor.folder.is_empty() && account.tree.get(&cursor.folder).is_none() {
        return Err(ListContinueError::Path { path: LookupError::NotFound }.into());
    }
    Ok(answer(caller, &account, cursor))
}

fn answer(caller: &Caller, account: &Account, cursor: Cursor) -> Value {
    if caller.fault == Some(FaultKind::EmptyPage) {
        return json!({ "entries": [], "cursor": cursor.encode(), "has_more": true });
    }
    let mut page = account.tree.page(cursor.clone());
    if caller.fault == Some(FaultKind::RepeatedPage) {
        page = Page { cursor, has_more: true, ..page };
    }
    let describe = |(key, is_alive): &(String, bool)| {
        let alive = is_alive.then(|| account.tree.tagged(key, &caller.view)).flatten();
        alive.unwrap_or_else(|| account.tree.deleted(key, &caller.view))
    };
    let entries: Vec<Value> = page.entries.iter().map(describe).collect();
    json!({ "entries": entries, "cursor": page.cursor.encode(), "has_more": page.has_more })
}
