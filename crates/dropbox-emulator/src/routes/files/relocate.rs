//! `files/move_v2` and `files/copy_v2`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{existing, tagged, writable};
use crate::errors::RelocationError;
use crate::failure::Failure;
use crate::routes::{Arg, Caller};
use crate::tree::path::Grammar;
use crate::tree::relocate::Relocation;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RelocationArg {
    from_path: String,
    to_path: String,
    #[serde(default)]
    autorename: bool,
    #[serde(default, rename = "allow_shared_folder")]
    _allow_shared_folder: bool,
    #[serde(default, rename = "allow_ownership_transfer")]
    _allow_ownership_transfer: bool,
}

/// Moves a file or a folder. A mere change of capitals is a conflict, as Dropbox has it.
pub(crate) fn r#move(caller: &Caller, arg: &Arg) -> Result<Value, Failure> {
    relocate(caller, arg, Relocation::Move)
}

/// Copies a file or a folder.
pub(crate) fn copy(caller: &Caller, arg: &Arg) -> Result<Value, Failure> {
    relocate(caller, arg, Relocation::Copy)
}

fn relocate(caller: &Caller, arg: &Arg, relocation: Relocation) -> Result<Value, Failure> {
    let RelocationArg { from_path, to_path, autorename, .. } = arg.parse()?;
    caller.app.change(|account| {
        let from = existing(caller, account, Grammar::Write, &from_path, arg)?;
        let from = from.map_err(|from_lookup| RelocationError::FromLookup { from_lookup })?;
        let to = writable(caller, account, Grammar::Write, &to_path, arg)?;
        let to = to.map_err(|to| RelocationError::To { to })?;
        let (quota, now) = (account.quota, caller.app.clock.now());
        let key = account.tree.relocate(relocation, &from, &to, autorename, quota, now)?;
        Ok(json!({ "metadata": tagged(account, &key, &caller.view) }))
    })
}
