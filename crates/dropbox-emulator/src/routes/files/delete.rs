//! `files/delete_v2`, `files/delete_batch` and its `check`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{existing, tagged};
use crate::app::Account;
use crate::errors::{Conflict, DeleteError, PollError, WriteError};
use crate::failure::{Failure, to_value};
use crate::random;
use crate::routes::{Arg, Caller, strings};
use crate::tree::path::Grammar;

/// The most entries of a batch.
const MAX_ENTRIES: usize = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteArg {
    path: String,
    #[serde(default, deserialize_with = "strings::rev")]
    parent_rev: Option<String>,
}

/// Deletes a file, or a folder with everything in it; answers with what it was.
pub(crate) fn one(caller: &Caller, arg: &Arg) -> Result<Value, Failure> {
    let delete: DeleteArg = arg.parse()?;
    caller.app.change(|account| Ok(delete_one(caller, account, arg, &delete)??))
}

/// The outer error is a 400.
fn delete_one(
    caller: &Caller,
    account: &mut Account,
    arg: &Arg,
    delete: &DeleteArg,
) -> Result<Result<Value, DeleteError>, Failure> {
    let key = match existing(caller, account, Grammar::Write, &delete.path, arg)? {
        Ok(key) => key,
        Err(path_lookup) => return Ok(Err(DeleteError::PathLookup { path_lookup })),
    };
    let current = account.tree.file(&key).map(|(_, rev, _)| rev);
    if delete.parent_rev.as_deref().is_some_and(|rev| current != Some(rev)) {
        let path_write = WriteError::conflict(Conflict::File);
        return Ok(Err(DeleteError::PathWrite { path_write }));
    }
    let metadata = tagged(account, &key, &caller.view);
    account.tree.delete(&key, caller.app.clock.now());
    Ok(Ok(json!({ "metadata": metadata })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteBatchArg {
    entries: Vec<DeleteArg>,
}

/// Deletes many, each for itself; the answer is a job, which is done by the time that it is asked for.
pub(crate) fn batch(caller: &Caller, arg: &Arg) -> Result<Value, Failure> {
    let DeleteBatchArg { entries } = arg.parse()?;
    if entries.len() > MAX_ENTRIES {
        return Err(arg.refuse(&format!("entries: more than {MAX_ENTRIES}")));
    }
    caller.app.change(|account| {
        let mut results = Vec::new();
        for delete in &entries {
            results.push(match delete_one(caller, account, arg, delete)? {
                Ok(mut success) => {
                    success[".tag"] = "success".into();
                    success
                }
                Err(error) => json!({ ".tag": "failure", "failure": to_value(&error) }),
            });
        }
        let id = format!("dbjid:{}", random::secret());
        account.jobs.insert(id.clone(), json!({ ".tag": "complete", "entries": results }));
        Ok(json!({ ".tag": "async_job_id", "async_job_id": id }))
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PollArg {
    async_job_id: String,
}

/// The outcome of a batch.
pub(crate) fn check_batch(caller: &Caller, arg: &Arg) -> Result<Value, Failure> {
    let PollArg { async_job_id } = arg.parse()?;
    let outcome = caller.app.account().jobs.get(&async_job_id).cloned();
    outcome.ok_or_else(|| PollError::InvalidAsyncJobId.into())
}
