//! `auth/token/revoke`.

use serde_json::Value;

use super::{Arg, Caller};
use crate::failure::Failure;

/// Disables the access token, its refresh token, and all siblings.
pub(crate) fn revoke(caller: &Caller, arg: &Arg) -> Result<Value, Failure> {
    arg.expect_void()?;
    caller.app.change(|account| account.grants.revoke_by_access_token(&caller.token));
    Ok(Value::Null)
}
