//! Lists that are printed once, or again and again (`--watch`), or come from the server as a file (`--csv`).

use std::time::Duration;

use crate::cli::ListOptions;
use crate::failure::Failure;
use crate::output;
use crate::remote::Server;

/// Prints a list, once or until the user interrupts it. A server that is away for a while ends only the first round.
pub(super) async fn repeat(options: ListOptions, print: impl AsyncFn() -> Result<(), Failure>) -> Result<(), Failure> {
    let Some(seconds) = options.watch else { return print().await };
    for round in 0_u64.. {
        // Whoever read it has gone.
        if !output::clear() {
            break;
        }
        match print().await {
            Err(failure) if round > 0 => output::note(&format!("{failure}\nTrying again in {seconds} s.")),
            printed => printed?,
        }
        tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    }
    Ok(())
}

/// Prints a list of the server as CSV, as it comes.
pub(super) async fn export(server: &Server, path: &str, query: &[(&str, String)]) -> Result<(), Failure> {
    server.print(&with_query(path, query.iter().cloned().chain([("format", "csv".to_owned())]))).await
}

/// Returns a path with its query.
pub(super) fn with_query<'a>(path: &str, query: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(query);
    format!("{path}?{}", text.finish())
}
