//! Which folders Dropbox can have. One set of rules for the form, the API, a configuration file and the command line.

use unicode_normalization::UnicodeNormalization;

/// Maximum length of one folder name in bytes; Dropbox rejects longer names.
const MAX_NAME_LEN: usize = 255;

/// Names that Dropbox does not store, in any case.
const RESERVED: [&str; 6] = ["desktop.ini", "thumbs.db", ".ds_store", ".dropbox", ".dropbox.attr", ".dropbox.cache"];

/// Returns the folder as Dropbox stores it: with a leading slash, without a trailing one, in Unicode NFC. The root is the
/// empty text.
///
/// # Errors
/// Says what is wrong with the folder, as the end of a sentence that begins with its name.
pub(super) fn dropbox_folder(folder: &str) -> Result<String, String> {
    let normalized: String = folder.nfc().collect();
    let inner = normalized.strip_prefix('/').unwrap_or(&normalized);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if inner.is_empty() {
        // Two slashes are not the root with a slash too many: they are a folder without a name.
        return if normalized == "//" { Err(EMPTY_NAME.to_owned()) } else { Ok(String::new()) };
    }
    inner.split('/').try_for_each(check_name)?;
    Ok(format!("/{inner}"))
}

const EMPTY_NAME: &str = "has a double slash: write one slash between folder names";

fn check_name(name: &str) -> Result<(), String> {
    let cannot = |why: &str| Err(format!("has the folder name '{}', which {why}", name.escape_debug()));
    if name.is_empty() {
        return Err(EMPTY_NAME.to_owned());
    }
    if name.chars().any(char::is_control) {
        return cannot("contains a control character: remove it");
    }
    if name.trim() != name {
        return cannot("begins or ends with white space: remove it");
    }
    if name.contains('\\') {
        return cannot("contains a backslash: use / between folders");
    }
    if name == "." || name == ".." {
        return cannot("must not be '.' or '..': write the whole path");
    }
    if name.len() > MAX_NAME_LEN {
        return Err(format!("has a folder name of {} bytes: use at most {MAX_NAME_LEN}", name.len()));
    }
    if RESERVED.contains(&name.to_lowercase().as_str()) {
        return cannot("Dropbox reserves: choose another name");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_kept_as_dropbox_stores_it() {
        for (typed, kept) in [
            ("", ""),
            ("/", ""),
            ("/backups", "/backups"),
            ("backups/", "/backups"),
            ("/a b/ü😀/-x", "/a b/ü😀/-x"),
            ("/cafe\u{301}", "/caf\u{e9}"),
            ("/100%/a?b#c", "/100%/a?b#c"),
            ("/..a/b.", "/..a/b."),
            ("/.dropboxes", "/.dropboxes"),
        ] {
            assert_eq!(dropbox_folder(typed).as_deref(), Ok(kept), "{typed}");
        }
        assert!(dropbox_folder(&format!("/{}", "x".repeat(255))).is_ok());
    }

    #[test]
    fn a_folder_that_dropbox_cannot_have_is_refused_with_what_is_wrong() {
        for (typed, wrong) in [
            ("/a//b", "double slash"),
            ("//a", "double slash"),
            ("/a//", "double slash"),
            ("//", "double slash"),
            ("/sp ", "white space"),
            ("/ sp", "white space"),
            (" /sp", "white space"),
            ("/a /b", "white space"),
            ("/a\u{a0}/b", "white space"),
            ("/back\\slash", "backslash"),
            ("/a/../b", "'..'"),
            ("/./a", "'.'"),
            ("/a\tb", "control character"),
            ("/a\u{7f}", "control character"),
            ("/a\n", "control character"),
            ("/Desktop.ini", "reserves"),
            ("/x/.DROPBOX/y", "reserves"),
        ] {
            let error = dropbox_folder(typed).unwrap_err();
            assert!(error.contains(wrong), "{typed:?}: {error}");
        }
        let error = dropbox_folder(&format!("/{}", "ü".repeat(128))).unwrap_err();
        assert!(error.contains("256 bytes"), "{error}");
    }
}
