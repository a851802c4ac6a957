//! Paths as callers write them: their grammar, their namespace, and what makes them malformed.

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::errors::{LookupError, WriteError};
use crate::failure::Failure;
use crate::tree::Tree;

/// The longest name of one file or folder, in characters.
const MAX_NAME: usize = 255;

/// Names that Dropbox's desktop app keeps for itself, in lower case.
const DISALLOWED: [&str; 6] = ["desktop.ini", "thumbs.db", ".ds_store", "icon\r", ".dropbox", ".dropbox.attr"];

/// A namespace as a subtree of the root namespace: the root itself, or the member's home in a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    prefix: String,
}

/// What paths a route takes. The patterns are those of files.stone, quoted in the 400 answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grammar {
    /// `get_metadata`, `download`, `get_temporary_link`: also by id or revision.
    Read,
    /// `list_folder`: also the root and by id.
    Folder,
    /// `upload`, `delete_v2`, `move_v2`, `copy_v2`: also by id.
    Write,
    /// `create_folder_v2`: by path only.
    Create,
}

/// What a path names, whether or not anything is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// An absolute path in the root namespace, in the caller's capitals; empty is the root.
    Path(String),
    /// A revision of a file.
    Revision(String),
    /// An id that nothing bears.
    Nothing,
}

/// Why a path names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Malformed,
    Disallowed,
}

impl From<Fault> for LookupError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed => LookupError::MalformedPath,
            // A name that nothing can have. The specification does not say more.
            Fault::Disallowed => LookupError::NotFound,
        }
    }
}

/// A path as Dropbox keeps it: in Unicode NFC (SRC: maestral pull requests 409, 678).
pub(crate) fn normalized(path: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(path).into_owned()
}

/// The key by which paths are told apart: NFC, and lower case for each character by itself, so that "ΣΣΣ" is "σσσ" (SRC: maestral
/// pull request 409).
pub(crate) fn fold(path: &str) -> String {
    normalized(path).chars().filter_map(|character| character.to_lowercase().next()).collect()
}

impl From<Fault> for WriteError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed => WriteError::MalformedPath,
            Fault::Disallowed => WriteError::DisallowedName,
        }
    }
}

impl View {
    /// The whole root namespace.
    pub(crate) fn root() -> View {
        View { prefix: String::new() }
    }

    /// A folder of the root namespace, as its own namespace.
    pub(crate) fn below(prefix: &str) -> View {
        View { prefix: prefix.to_owned() }
    }

    /// The key of the namespace's own root.
    pub(crate) fn key(&self) -> String {
        fold(&self.prefix)
    }

    /// The folder that it is mounted as; empty for the root namespace.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// An absolute path as seen from here; `None` if it lies outside.
    pub(crate) fn show<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.get(self.prefix.len()..)?;
        let inside = path[..self.prefix.len()].eq_ignore_ascii_case(&self.prefix) && rest.starts_with('/');
        inside.then_some(rest)
    }
}

impl Grammar {
    fn pattern(self) -> &'static str {
        match self {
            Grammar::Read => r"(/(.|[\r\n])*|id:.*)|(rev:[0-9a-f]{9,})|(ns:[0-9]+(/(.|[\r\n])*)?)",
            Grammar::Folder => r"(/(.|[\r\n])*)?|id:.*|(ns:[0-9]+(/(.|[\r\n])*)?)",
            Grammar::Write => r"(/(.|[\r\n])*)|(ns:[0-9]+(/(.|[\r\n])*)?)|(id:.*)",
            Grammar::Create => r"(/(.|[\r\n])*)|(ns:[0-9]+(/(.|[\r\n])*)?)",
        }
    }

    /// The place that `path` names. `namespace` finds the view of a namespace's number; `argument` is the text that
    /// 400 answers say it came in, such as `request body`.
    pub(crate) fn place(
        self,
        path: &str,
        view: &View,
        namespace: impl Fn(&str) -> Option<View>,
        tree: &Tree,
        argument: &str,
    ) -> Result<Result<Place, Fault>, Failure> {
        let bad = |problem: &str| Failure::BadInput(format!("{argument}: path: {problem}"));
        match (self, path) {
            (Grammar::Folder, "/") => {
                return Err(bad("Specify the root folder as an empty string rather than as \"/\"."));
            }
            (Grammar::Read, "" | "/") => return Err(bad("The root folder is unsupported.")),
            (Grammar::Folder, "") => return Ok(Ok(Place::Path(view.prefix.clone()))),
            _ => {}
        }
        if path.starts_with('/') {
            return Ok(absolute(&view.prefix, path));
        }
        if self != Grammar::Create && path.starts_with("id:") {
            let (id, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
            let Some(key) = tree.key_of(id) else { return Ok(Ok(Place::Nothing)) };
            return Ok(absolute(&tree.display(key), rest));
        }
        if let Some((number, rest)) = path.strip_prefix("ns:").map(|rest| rest.split_at(digits(rest)))
            && !number.is_empty()
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return Ok(namespace(number).map_or(Ok(Place::Nothing), |view| absolute(&view.prefix, rest)));
        }
        if self == Grammar::Read
            && let Some(rev) = path.strip_prefix("rev:")
            && is_rev(rev)
        {
            return Ok(Ok(Place::Revision(rev.to_owned())));
        }
        Err(bad(&format!("'{path}' did not match pattern '{}'", self.pattern())))
    }
}

/// Whether that can be a revision: `[0-9a-f]+`, nine characters at least.
pub(crate) fn is_rev(text: &str) -> bool {
    text.len() >= 9 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn digits(text: &str) -> usize {
    text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len())
}

/// Joins `path`, which is empty or begins with a slash, to `prefix`. Doubled slashes count as one.
fn absolute(prefix: &str, path: &str) -> Result<Place, Fault> {
    let (mut joined, path) = (prefix.to_owned(), normalized(path));
    if path.ends_with('/') {
        return Err(Fault::Malformed);
    }
    for name in path.split('/').filter(|name| !name.is_empty()) {
        check(name)?;
        joined.push('/');
        joined.push_str(name);
    }
    Ok(Place::Path(joined))
}

fn check(name: &str) -> Result<(), Fault> {
    let has_bad_character = name.contains(['\\', '\0', '\u{7f}']);
    if has_bad_character || name == "." || name == ".." || name.chars().count() > MAX_NAME {
        return Err(Fault::Malformed);
    }
    if DISALLOWED.contains(&fold(name).as_str()) {
        return Err(Fault::Disallowed);
    }
    if name.ends_with(char::is_whitespace) { Err(Fault::Malformed) } else { Ok(()) }
}
