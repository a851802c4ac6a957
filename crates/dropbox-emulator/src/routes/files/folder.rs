//! `files/create_folder_v2`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{described, writable};
use crate::errors::CreateFolderError;
use crate::failure::Failure;
use crate::routes::{Arg, Caller};
use crate::tree::path::Grammar;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateFolderArg {
    path: String,
    #[serde(default)]
    autorename: bool,
}

/// Makes a folder and the parents that are missing.
pub(crate) fn create(caller: &Caller, arg: &Arg) -> Result<Value, Failure> {
    let CreateFolderArg { path, autorename } = arg.parse()?;
    caller.app.change(|account| {
        let display = writable(caller, account, Grammar::Create, &path, arg)?;
        let created = display.and_then(|display| account.tree.create_folder(&display, autorename));
        let key = created.map_err(|path| CreateFolderError::Path { path })?;
        Ok(json!({ "metadata": described(account.tree.fields(&key, &caller.view)) }))
    })
}
