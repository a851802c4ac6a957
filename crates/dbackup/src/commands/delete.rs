//! `dbackup delete`

use std::io::{IsTerminal, Write};

use crate::cli::DeleteArguments;
use crate::environment;
use crate::failure::{Failure, Outcome};
use crate::output;

pub(crate) async fn run(arguments: DeleteArguments) -> Result<Outcome, Failure> {
    let destination = environment::destination(&arguments.destination)?;
    let path = output::printable(&arguments.path);
    // Before anybody is asked about it.
    if runner::catalog::parse_path(&arguments.path).is_none() {
        return Err(runner::DeleteError::NotABackup(path).into());
    }
    if !arguments.yes && !confirmed(&format!("Delete {path} at {} for good?", destination.name()))? {
        return Err(Failure::failed("nothing was deleted"));
    }
    runner::delete(&sources::registry(), &*destination, &arguments.path).await?;
    output::line(&format!("Deleted {path}"));
    Ok(Outcome::Succeeded)
}

/// Asks a person; nobody being there is an error.
pub(super) fn confirmed(question: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("nobody is there to ask: say --yes"));
    }
    let mut terminal = std::io::stderr().lock();
    write!(terminal, "{question} [y/N] ")?;
    terminal.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
