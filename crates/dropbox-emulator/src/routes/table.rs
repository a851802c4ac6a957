//! Every route: its name, its host, the scope it needs, its style, its code.

use std::pin::Pin;

use serde_json::Value;

use super::{Arg, Caller, auth, files, users};
use crate::app::App;
use crate::failure::Failure;
use crate::http::answer::Answer;
use crate::http::body::RequestBody;
use crate::http::request::Head;

/// Which of Dropbox's hosts a route lives on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Host {
    Api,
    Content,
    Notify,
}

/// An answer that takes its time.
pub(super) type Pending<'a> = Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send + 'a>>;

/// A route's style, and its code.
#[derive(Clone, Copy)]
pub(super) enum Handler {
    /// JSON in, JSON out.
    Rpc(fn(&Caller, &Arg) -> Result<Value, Failure>),
    /// The same, and it changes files or folders.
    Change(fn(&Caller, &Arg) -> Result<Value, Failure>),
    /// JSON in, JSON out, in its own time and without a token.
    Poll(for<'a> fn(&'a App, &'a Arg) -> Pending<'a>),
    /// The argument in a header, bytes in, JSON out.
    Upload(for<'a> fn(&'a Caller, &'a Arg, &'a mut RequestBody) -> Pending<'a>),
    /// The argument in a header or the URL, bytes out.
    Download(fn(&Caller, &Arg, &Head) -> Result<Answer, Failure>),
}

/// A route.
pub(super) struct Route {
    pub(super) name: &'static str,
    pub(super) host: Host,
    /// `None`: any good token.
    pub(super) scope: Option<&'static str>,
    pub(super) handler: Handler,
}

const fn rpc(name: &'static str, scope: &'static str, run: fn(&Caller, &Arg) -> Result<Value, Failure>) -> Route {
    Route { name, host: Host::Api, scope: Some(scope), handler: Handler::Rpc(run) }
}

const fn change(name: &'static str, run: fn(&Caller, &Arg) -> Result<Value, Failure>) -> Route {
    Route { name, host: Host::Api, scope: Some(WRITE), handler: Handler::Change(run) }
}

const fn upload(name: &'static str, run: for<'a> fn(&'a Caller, &'a Arg, &'a mut RequestBody) -> Pending<'a>) -> Route {
    Route { name, host: Host::Content, scope: Some(WRITE), handler: Handler::Upload(run) }
}

const ACCOUNT: &str = "account_info.read";
const LIST: &str = "files.metadata.read";
const READ: &str = "files.content.read";
const WRITE: &str = "files.content.write";

/// All of them. Scopes are those of files.stone and users.stone.
pub(super) static ROUTES: [Route; 24] = [
    Route { name: "auth/token/revoke", host: Host::Api, scope: None, handler: Handler::Rpc(auth::revoke) },
    rpc("check/user", ACCOUNT, users::check),
    rpc("users/get_current_account", ACCOUNT, users::get_current_account),
    rpc("users/get_space_usage", ACCOUNT, users::get_space_usage),
    upload("files/upload", |caller, arg, body| Box::pin(files::upload::upload(caller, arg, body))),
    upload("files/upload_session/start", |caller, arg, body| Box::pin(files::session::start(caller, arg, body))),
    upload("files/upload_session/append_v2", |caller, arg, body| Box::pin(files::session::append(caller, arg, body))),
    upload("files/upload_session/append_batch", |caller, arg, body| {
        Box::pin(files::session_batch::append(caller, arg, body))
    }),
    upload("files/upload_session/finish", |caller, arg, body| Box::pin(files::session::finish(caller, arg, body))),
    rpc("files/upload_session/start_batch", WRITE, files::session_batch::start),
    change("files/upload_session/finish_batch_v2", files::session_batch::finish),
    Route {
        name: "files/download",
        host: Host::Content,
        scope: Some(READ),
        handler: Handler::Download(files::download::download),
    },
    rpc("files/get_temporary_link", READ, files::temporary_link::create),
    rpc("files/get_metadata", LIST, files::metadata::get),
    rpc("files/list_folder", LIST, files::list::begin),
    rpc("files/list_folder/continue", LIST, files::list::go_on),
    Route {
        name: "files/list_folder/longpoll",
        host: Host::Notify,
        scope: None,
        handler: Handler::Poll(|app, arg| Box::pin(files::longpoll::wait(app, arg))),
    },
    rpc("files/list_folder/get_latest_cursor", LIST, files::list::latest_cursor),
    change("files/create_folder_v2", files::folder::create),
    change("files/delete_v2", files::delete::one),
    change("files/delete_batch", files::delete::batch),
    rpc("files/delete_batch/check", WRITE, files::delete::check_batch),
    change("files/move_v2", files::relocate::r#move),
    change("files/copy_v2", files::relocate::copy),
];
