//! The token that the first administrator needs: printed at the first start, and kept in a file that only the server's user reads.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use catalog::Token;

const FILE: &str = "setup-token";

/// Writes it, mode 0600; gives where.
pub(crate) fn write(data: &Path, token: &Token) -> std::io::Result<PathBuf> {
    let path = data.join(FILE);
    remove(data);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    writeln!(file, "{}", token.expose())?;
    Ok(path)
}

/// Reads the one that an earlier start wrote.
pub(crate) fn read(data: &Path) -> Option<(Token, PathBuf)> {
    let path = data.join(FILE);
    let text = std::fs::read_to_string(&path).ok()?;
    Some((Token::shown(text.trim()), path))
}

/// Removes it once it is of no more use.
pub(crate) fn remove(data: &Path) {
    if let Err(error) = std::fs::remove_file(data.join(FILE))
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "the used setup token's file could not be removed");
    }
}
