//! `files/*`.

mod commit_info;
pub(crate) mod delete;
pub(crate) mod download;
pub(crate) mod folder;
pub(crate) mod list;
pub(crate) mod longpoll;
pub(crate) mod metadata;
pub(crate) mod relocate;
pub(crate) mod session;
pub(crate) mod session_batch;
pub(crate) mod temporary_link;
pub(crate) mod upload;

use serde_json::Value;

use super::{Arg, Caller};
use crate::app::Account;
use crate::errors::{LookupError, WriteError};
use crate::failure::Failure;
use crate::tree::path::{Grammar, Place, View, fold};

/// Entries are answered for only right after they were found or made.
fn described(fields: Option<impl Into<Value>>) -> Value {
    fields.map_or(Value::Null, Into::into)
}

/// The absolute path to write to.
fn writable(
    caller: &Caller,
    account: &Account,
    grammar: Grammar,
    path: &str,
    arg: &Arg,
) -> Result<Result<String, WriteError>, Failure> {
    Ok(match caller.place(account, grammar, path, arg)? {
        Ok(Place::Path(path)) => Ok(path),
        Ok(Place::Revision(_) | Place::Nothing) => Err(WriteError::NoWritePermission),
        Err(fault) => Err(fault.into()),
    })
}

/// The key of something that is there; never a namespace's own root.
fn existing(
    caller: &Caller,
    account: &Account,
    grammar: Grammar,
    path: &str,
    arg: &Arg,
) -> Result<Result<String, LookupError>, Failure> {
    Ok(match caller.place(account, grammar, path, arg)? {
        Ok(Place::Path(path)) => {
            let key = fold(&path);
            let is_there = key != caller.view.key() && account.tree.get(&key).is_some();
            if is_there { Ok(key) } else { Err(LookupError::NotFound) }
        }
        Ok(Place::Revision(_) | Place::Nothing) => Err(LookupError::NotFound),
        Err(fault) => Err(fault.into()),
    })
}

/// An entry as it is now, with its tag.
fn tagged(account: &Account, key: &str, view: &View) -> Value {
    described(account.tree.tagged(key, view))
}
