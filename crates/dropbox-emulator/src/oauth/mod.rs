//! OAuth 2 as Dropbox does it: the consent page, the token endpoint, revocation.

pub(crate) mod authorize;
pub(crate) mod client;
pub(crate) mod grants;
mod page;
mod pkce;
pub(crate) mod token;
