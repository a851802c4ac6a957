//! One field of an adapter's settings.

/// A field of an adapter's settings, as data.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name in the API and in configuration files, in camel case: `sslRootCert`.
    pub name: &'static str,
    /// Its name in forms and error messages: `CA certificate`.
    pub label: &'static str,
    /// One or two sentences below the input.
    pub help: &'static str,
    /// What the guide says instead of `help`, as Markdown. Empty: the same.
    pub guide: &'static str,
    /// What it holds.
    pub input: Input,
    /// Whether it can be left out.
    pub required: Required,
    /// When it can be left out, after "optional": "with PKCE". Empty: always, unless it is required.
    pub optional_when: &'static str,
    /// Where its value is found, in parentheses after "Enter the ...". Empty: nothing.
    pub hint: &'static str,
    /// Its value when it is left out.
    pub default: Default,
    /// Whether forms fold it away.
    pub advanced: bool,
    /// When forms show it. A value is accepted either way.
    pub shown_when: Option<ShownWhen>,
    /// Maximum length in characters, for text and paths.
    pub max_len: usize,
    /// A value that could be one.
    pub example: &'static str,
    /// Why setting or changing it needs the permission `administer`, as a whole clause. `None`: it does not.
    pub restricted: Option<&'static str>,
    /// Whether a change of it sends the stored secrets to another place.
    pub directs: Directs,
}

impl Field {
    /// An optional basic text field, to be completed by struct update.
    pub const TEXT: Self = Self {
        name: "",
        label: "",
        help: "",
        guide: "",
        input: Input::Text,
        required: Required::Never,
        optional_when: "",
        hint: "",
        default: Default::None,
        advanced: false,
        shown_when: None,
        max_len: 200,
        example: "",
        restricted: None,
        directs: Directs::Nothing,
    };

    /// Whether it is a secret: write-only, stored encrypted, in no answer.
    pub fn is_secret(&self) -> bool {
        matches!(self.input, Input::Secret { .. })
    }

    /// Returns its option on the command line: `--ssl-root-cert`.
    pub fn flag(&self) -> String {
        let mut flag = "--".to_owned();
        for character in self.name.chars() {
            if character.is_ascii_uppercase() {
                flag.push('-');
            }
            flag.push(character.to_ascii_lowercase());
        }
        flag
    }
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A line of text.
    Text,
    /// A secret. `shown` if forms show it while it is typed, as an identifier that is not secret by itself.
    Secret {
        /// Whether forms show what is typed.
        shown: bool,
    },
    /// Host names, addresses, or the folder of a socket.
    Host,
    /// A whole number within bounds, both included.
    Number {
        /// Minimum.
        min: i64,
        /// Maximum.
        max: i64,
    },
    /// One of several values.
    Choice(&'static [Choice]),
    /// On or off.
    Toggle,
    /// An absolute path on the server's machine, which the server judges before it is saved and used.
    HostPath {
        /// What is at the path.
        used: PathUse,
        /// Values that are no paths: `system`.
        except: &'static [&'static str],
    },
    /// A folder in the storage, which can be browsed.
    Browse,
}

/// What is at a path of the server's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathUse {
    /// A file.
    File,
    /// A folder and all that lies below it.
    Folder,
}

/// One of the values of [`Input::Choice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Its value in the API.
    pub value: &'static str,
    /// What forms show.
    pub label: &'static str,
}

/// Whether a field can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Required {
    /// It is optional.
    Never,
    /// It is needed.
    Always,
    /// It is needed unless this other field is set. An empty text counts as left out.
    Unless(&'static str),
}

/// The value of a field that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// None: the field stays unset. The text says what happens then, or is empty.
    Unset(&'static str),
    /// None, and nothing to say about it.
    None,
    /// This text or choice.
    Text(&'static str),
    /// Off or on.
    Flag(bool),
}

/// Whether a field decides where the other fields' secrets are sent. Secrets that were stored for one place have to be entered again
/// for another, unless an administrator saves the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directs {
    /// It does not.
    Nothing,
    /// Any change sends them to another place, or to another party.
    Secrets,
    /// It decides how they are protected on their way. The values of its [`Input::Choice`] are in ascending order of protection.
    Protection,
}

/// When forms show a field: another one has one of these values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownWhen {
    /// The other field.
    pub field: &'static str,
    /// Its values.
    pub any_of: &'static [&'static str],
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Its name: `host`.
    pub field: String,
    /// What is wrong, and what would be right, as the end of a sentence that begins with the field; or what to do, as an imperative.
    pub message: String,
}

impl FieldError {
    /// Creates an error.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_the_name_in_kebab_case() {
        assert_eq!(Field { name: "sslRootCert", ..Field::TEXT }.flag(), "--ssl-root-cert");
        assert_eq!(Field { name: "host", ..Field::TEXT }.flag(), "--host");
    }
}
