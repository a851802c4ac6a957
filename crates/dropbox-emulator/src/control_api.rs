//! The control API: what a test in another process does behind the server's back, in plain text over the same listener.
//! Neither weather nor faults nor tokens count here.
//!
//! | request | does |
//! |---|---|
//! | `GET /emulator/weather` | tells the weather |
//! | `PUT /emulator/weather` | changes it; nothing or `none` clears it |
//! | `GET /emulator/faults` | lists the faults that wait, one per line |
//! | `POST /emulator/faults` | adds one |
//! | `DELETE /emulator/faults` | clears them |
//! | `GET /emulator/requests` | lists the last requests, one JSON object per line |
//! | `PUT /emulator/quota` | changes the allowance, in bytes or such as `10MiB` |
//! | `POST /emulator/tokens/expire` | lets all access tokens expire |
//! | `POST /emulator/grant/revoke` | unlinks the app: all its tokens are gone |
//! | `PUT /emulator/scopes` | changes what all tokens may do, separated by spaces |
//! | `PUT /emulator/app/secret` | resets the app's secret |
//! | `POST /emulator/app/delete` | deletes the app |
//! | `POST /emulator/team/change` | lets the members change to another team, with another root |

use std::sync::Arc;

use hyper::{Method, StatusCode};

use crate::app::App;
use crate::control::Control;
use crate::http::answer::{self, Answer};
use crate::http::body::RequestBody;
use crate::http::request::Head;
use crate::units::parse_size;

/// What the paths begin with.
pub(crate) const PREFIX: &str = "/emulator/";

/// What there is.
const KNOWN: [&str; 10] = [
    "weather",
    "faults",
    "requests",
    "quota",
    "tokens/expire",
    "grant/revoke",
    "scopes",
    "app/secret",
    "app/delete",
    "team/change",
];

/// A request that cannot be done, and why.
type Refusal = (StatusCode, String);

/// Does what a request asks for.
pub(crate) async fn answer(app: &Arc<App>, head: &Head, body: &mut RequestBody) -> Answer {
    let Ok(text) = body.text().await else {
        return answer::text(StatusCode::BAD_REQUEST, "The body is too long, or no text.\n".to_owned());
    };
    let what = head.path().strip_prefix(PREFIX).unwrap_or_default();
    match perform(&Control { app: app.clone() }, head.method(), what, text.trim()) {
        Ok(text) => answer::text(StatusCode::OK, text),
        Err((status, problem)) => answer::text(status, problem + "\n"),
    }
}

fn perform(control: &Control, method: &Method, what: &str, text: &str) -> Result<String, Refusal> {
    let bad = |problem: String| (StatusCode::BAD_REQUEST, problem);
    match (method, what) {
        (&Method::GET, "weather") => return Ok(format!("{}\n", control.app.weather())),
        (&Method::PUT, "weather") => control.set_weather(text.parse().map_err(bad)?),
        (&Method::GET, "faults") => return Ok(lines(control.app.faults.list().iter().map(ToString::to_string))),
        (&Method::POST, "faults") => control.inject(text.parse().map_err(bad)?),
        (&Method::DELETE, "faults") => control.clear_faults(),
        (&Method::GET, "requests") => {
            let records = control.requests();
            return Ok(lines(records.iter().map(|record| crate::failure::to_value(record).to_string())));
        }
        (&Method::PUT, "quota") => control.set_quota(parse_size(text).map_err(bad)?),
        (&Method::POST, "tokens/expire") => control.expire_access_tokens(),
        (&Method::POST, "grant/revoke") => control.app.change(|account| account.grants.revoke_all()),
        (&Method::PUT, "scopes") => control.set_all_scopes(&text.split_whitespace().collect::<Vec<_>>()),
        (&Method::PUT, "app/secret") => control.reset_app_secret(text),
        (&Method::POST, "app/delete") => control.delete_app(),
        (&Method::POST, "team/change") => control.change_team(),
        (_, known) if KNOWN.contains(&known) => {
            return Err((StatusCode::METHOD_NOT_ALLOWED, format!("{what} cannot be {method}")));
        }
        _ => {
            let known = KNOWN.join(", ");
            return Err((StatusCode::NOT_FOUND, format!("no control is called \"{what}\": there are {known}")));
        }
    }
    Ok(String::new())
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\n").collect()
}
