//! `files/get_metadata`.

use serde::Deserialize;
use serde_json::Value;

use super::{described, tagged};
use crate::errors::{LookupError, ReadError};
use crate::failure::Failure;
use crate::routes::{Arg, Caller};
use crate::tree::path::{Grammar, Place, fold};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GetMetadataArg {
    path: String,
    #[serde(default)]
    include_deleted: bool,
    #[serde(default, rename = "include_media_info")]
    _include_media_info: bool,
    #[serde(default, rename = "include_has_explicit_shared_members")]
    _include_has_explicit_shared_members: bool,
    #[serde(default, rename = "include_property_groups")]
    _include_property_groups: Option<Value>,
}

/// What a path, an id or a revision names.
pub(crate) fn get(caller: &Caller, arg: &Arg) -> Result<Value, Failure> {
    let get: GetMetadataArg = arg.parse()?;
    let account = caller.app.account();
    let refuse = |path: LookupError| Failure::from(ReadError::Path { path });
    match caller.place(&account, Grammar::Read, &get.path, arg)?.map_err(|fault| refuse(fault.into()))? {
        Place::Nothing => Err(refuse(LookupError::NotFound)),
        Place::Revision(rev) => {
            let fields = account.tree.revision_fields(&rev, &caller.view);
            let mut fields = fields.ok_or_else(|| refuse(LookupError::NotFound))?;
            fields.insert(".tag".to_owned(), "file".into());
            Ok(described(Some(fields)))
        }
        Place::Path(path) => {
            let key = fold(&path);
            if account.tree.get(&key).is_some() {
                Ok(tagged(&account, &key, &caller.view))
            } else if get.include_deleted && account.tree.is_deleted(&key) {
                Ok(account.tree.deleted(&key, &caller.view))
            } else {
                Err(refuse(LookupError::NotFound))
            }
        }
    }
}
