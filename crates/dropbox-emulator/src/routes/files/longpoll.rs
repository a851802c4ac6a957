//! `files/list_folder/longpoll`, on the notify host: waits for a change, without a token.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::errors::LongpollError;
use crate::failure::Failure;
use crate::routes::Arg;
use crate::tree::listing::Cursor;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LongpollArg {
    cursor: String,
    #[serde(default = "shortest")]
    timeout: u64,
}

fn shortest() -> u64 {
    30
}

/// Answers as soon as `list_folder/continue` would tell of something, or when the time (30 to 480 s) is up. Dropbox adds
/// up to 90 s of jitter; the emulator none.
pub(crate) async fn wait(app: &App, arg: &Arg) -> Result<Value, Failure> {
    let LongpollArg { cursor, timeout } = arg.parse()?;
    if !(30..=480).contains(&timeout) {
        return Err(arg.refuse(&format!("timeout: {timeout} is not within 30 to 480")));
    }
    let cursor = Cursor::decode(&cursor).ok_or(LongpollError::Reset)?;
    let changed = async {
        loop {
            // Registered before looking, so that no change falls between the look and the wait.
            let change = app.changed.notified();
            tokio::pin!(change);
            change.as_mut().enable();
            if has_news(app, &cursor)? {
                return Ok(());
            }
            change.await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(timeout), changed).await {
        Ok(outcome) => outcome.map(|()| json!({ "changes": true })),
        Err(_) => Ok(json!({ "changes": false })),
    }
}

fn has_news(app: &App, cursor: &Cursor) -> Result<bool, Failure> {
    let tree = &app.account().tree;
    if !tree.knows(cursor) {
        return Err(LongpollError::Reset.into());
    }
    let page = tree.page(cursor.clone());
    Ok(page.has_more || !page.entries.is_empty())
}
