//! Passwords in `.pgpass` (<https://www.postgresql.org/docs/current/libpq-pgpass.html>).

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use secrecy::SecretString;

/// Maximum size of a password file in bytes.
const MAX_SIZE: u64 = 1024 * 1024;

/// Reads the password for a login. `None` if the file is not there, is not a file, can be read by others, or does not say.
pub(super) fn look_up(file: &Path, login: [&str; 4]) -> Option<SecretString> {
    let metadata = std::fs::metadata(file).ok()?;
    // As libpq, which ignores a file that its group or others may read.
    if !metadata.is_file() || metadata.permissions().mode() & 0o077 != 0 {
        return None;
    }
    let mut text = String::new();
    File::open(file).ok()?.take(MAX_SIZE).read_to_string(&mut text).ok()?;
    find(&text, login).map(SecretString::from)
}

/// Finds the first line that fits host, port, database and user.
fn find(text: &str, login: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let (password, patterns) = fields.split_last().filter(|(_, patterns)| patterns.len() == login.len())?;
        let fits =
            patterns.iter().zip(login).all(|(pattern, value)| pattern.as_str() == "*" || pattern.as_str() == value);
        fits.then(|| password.clone())
    })
}

/// Splits a line at colons, of which a backslash takes the meaning. The fifth field ends at the next colon, too, as in libpq.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' if fields.len() == 5 => break,
            ':' => fields.push(String::new()),
            '\\' => fields.last_mut().map(|field| field.extend(characters.next())).unwrap_or_default(),
            other => fields.last_mut().map(|field| field.push(other)).unwrap_or_default(),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let text = "# db:5432:shop:me:no\ndb:5432:other:me:wrong\ndb:*:a\\:b:me:p\\:w\\\\\n*:*:*:me:any\nshort:line\n";
        for (login, password) in [
            (["db", "5433", "a:b", "me"], Some("p:w\\")),
            (["db", "5432", "shop", "me"], Some("any")),
            (["db", "5432", "shop", "you"], None),
        ] {
            assert_eq!(find(text, login).as_deref(), password, "{login:?}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_ignored() {
        use secrecy::ExposeSecret;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "*:*:*:*:secret\n").unwrap();
        let password = || look_up(file.path(), ["db", "5432", "shop", "me"]);
        assert_eq!(password().unwrap().expose_secret(), "secret");
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(password().is_none());
    }
}
