//! Questions to a person at a terminal.

use std::io::{IsTerminal, Stdin, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;

use crate::failure::Failure;
use crate::output;
use crate::signals::{INTERRUPTED, end_by_interrupt};

/// Asks for a line. Without a terminal, reads it without a question.
pub(crate) async fn line(question: &str) -> Result<String, Failure> {
    match ask(question).await? {
        Some(line) => Ok(line),
        None => std::process::exit(INTERRUPTED),
    }
}

/// Asks for a secret, which a terminal does not show while it is typed.
pub(crate) async fn secret(question: &str) -> Result<SecretString, Failure> {
    let hidden = Hidden::new(std::io::stdin());
    let answer = ask(question).await;
    if hidden.is_some() {
        // The Enter was not shown, either.
        output::note("");
    }
    drop(hidden);
    match answer? {
        Some(secret) => Ok(secret.into()),
        None => std::process::exit(INTERRUPTED),
    }
}

/// Returns `None` after Ctrl-C.
async fn ask(question: &str) -> Result<Option<String>, Failure> {
    if std::io::stdin().is_terminal() {
        let mut terminal = std::io::stderr().lock();
        write!(terminal, "{question} ")?;
        terminal.flush()?;
    }
    let reading = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    tokio::select! {
        line = reading => {
            end_by_interrupt();
            let line = line.map_err(|error| Failure::failed(error.to_string()))??;
            Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
        }
        _ = tokio::signal::ctrl_c() => Ok(None),
    }
}

/// A terminal that does not show what is typed, as long as this lives.
struct Hidden {
    stdin: Stdin,
    before: Termios,
}

impl Hidden {
    /// Returns `None` if it is no terminal.
    fn new(stdin: Stdin) -> Option<Self> {
        let before = tcgetattr(&stdin).ok()?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden).ok()?;
        Some(Self { stdin, before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that has gone shows nothing anyway.
        let _ = tcsetattr(&self.stdin, OptionalActions::Now, &self.before);
    }
}
