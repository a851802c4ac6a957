//! The one error of all adapters.
//!
//! Rules, for whoever makes one:
//!
//! 1. **What** is the act and its object, as a clause without a full stop: `could not write /shop/backup.zst`.
//! 2. **Cause** is why, in the words of the field. The tool's, server's or storage's own words go there if a person
//!    understands them; whatever else they said is the **detail**, which faces fold away.
//! 3. **Cure** is what to do, as whole sentences, for this act and this cause. None is better than a guess: a cure comes from a
//!    code (SQLSTATE, errno, the storage's error union), from words only where there is no code.
//! 4. **Kind** is what programs decide by. No program reads the words.
//! 5. **Retry** says whether the same act can work later without anybody doing anything.
//! 6. No secret stands in any of them.

use std::fmt;
use std::time::Duration;

use domain::run::FailureCode;

/// Maximum length of an error's raw words, in bytes.
pub const MAX_DETAIL_LEN: usize = 4096;

/// Why an adapter did not do what was asked.
///
/// It is one pointer wide, because most answers are not errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Parts>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    kind: Kind,
    what: String,
    cause: String,
    cure: Option<String>,
    retry: Retry,
    detail: Option<String>,
    native_code: Option<String>,
}

/// What programs decide by.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// An address, a setting, a path or an option cannot be meant so.
    Invalid,
    /// The adapter cannot do that at all.
    Unsupported,
    /// What was named does not exist.
    NotFound,
    /// The name is taken. Nothing was changed.
    Taken,
    /// What was named is another one than the caller looked at. Nothing was changed.
    Changed,
    /// The account or role may not do that.
    Denied,
    /// The authorization needs its user.
    Unauthorized(Authorization),
    /// No room is left.
    Full,
    /// It is larger than what it should be can be, or than what can be kept.
    TooLarge,
    /// What was read is not what was written, or breaks its own rules.
    Damaged,
    /// Nobody answers: no route, no name, refused, timed out, or asked to come back later.
    Unavailable,
    /// An interrupted upload cannot be resumed and has to start again.
    NotResumable,
    /// The caller's own gate or guard closed before anything was changed.
    Stopped,
    /// The target of a restore holds data. Nothing was changed.
    HoldsData,
    /// An object of the backup does not load. The target is as it was.
    Object,
    /// Everything was loaded, but could not be put in its place. Nothing was thrown away.
    Kept {
        /// The passing name under which it is kept.
        name: String,
    },
    /// Whether it happened is not known: the connection ended before the answer, and the other system could not be asked since.
    Uncertain,
    /// Anything else.
    Failed,
}

impl Kind {
    /// Returns the stable identifier of the kind, as APIs and logs give it.
    pub fn code(&self) -> &'static str {
        self.failure_code().as_str()
    }

    /// Returns the same as the results of runs give it.
    pub fn failure_code(&self) -> FailureCode {
        match self {
            Self::Invalid => FailureCode::Invalid,
            Self::Unsupported => FailureCode::Unsupported,
            Self::NotFound => FailureCode::NotFound,
            Self::Taken => FailureCode::Taken,
            Self::Changed => FailureCode::Changed,
            Self::Denied => FailureCode::PermissionDenied,
            Self::Unauthorized(Authorization::Missing) => FailureCode::AuthorizationRequired,
            Self::Unauthorized(Authorization::AppNotRecognized) => FailureCode::AppNotRecognized,
            Self::Unauthorized(_) => FailureCode::ReauthorizationRequired,
            Self::Full => FailureCode::Full,
            Self::TooLarge => FailureCode::TooLarge,
            Self::Damaged => FailureCode::Damaged,
            Self::Unavailable => FailureCode::Unavailable,
            Self::NotResumable => FailureCode::NotResumable,
            Self::Stopped => FailureCode::Stopped,
            Self::HoldsData => FailureCode::TargetHoldsData,
            Self::Object => FailureCode::ObjectFailed,
            Self::Kept { .. } => FailureCode::Kept,
            Self::Uncertain => FailureCode::OutcomeUnknown,
            Self::Failed => FailureCode::Failed,
        }
    }
}

/// What is wrong with an authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// There is none yet.
    Missing,
    /// It was withdrawn, or has ended.
    Revoked,
    /// It lacks a right that the act needs.
    MissingScope(String),
    /// The storage does not know the app or its secret.
    AppNotRecognized,
}

/// Whether the same act can work later without anybody doing anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retry {
    /// Not before something is changed.
    #[default]
    Never,
    /// It may.
    Later,
    /// It may, but not before this time has passed.
    After(Duration),
}

impl Error {
    /// Creates an error of a kind. Kinds that pass by themselves can be retried.
    pub fn new(kind: Kind, what: impl Into<String>, cause: impl fmt::Display) -> Self {
        let retry = if kind == Kind::Unavailable { Retry::Later } else { Retry::Never };
        let cause = cause.to_string();
        Self(Box::new(Parts { kind, what: what.into(), cause, cure: None, retry, detail: None, native_code: None }))
    }

    /// Creates an error that nothing is known of but its words.
    pub fn failed(what: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self::new(Kind::Failed, what, cause)
    }

    /// Creates an error about what a person wrote: a whole clause.
    pub fn invalid(words: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, words, "")
    }

    /// Creates the error of a restore whose target is not empty. `subject` is what the target is: `database 'shop'`.
    pub fn holds_data(subject: impl fmt::Display) -> Self {
        Self::new(Kind::HoldsData, format!("{subject} holds data"), "nothing was changed")
    }

    /// Creates the error of an act that was stopped before it changed anything.
    pub fn stopped(why: impl Into<String>) -> Self {
        Self::new(Kind::Stopped, why, "nothing was changed")
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn cure(mut self, cure: impl Into<String>) -> Self {
        self.0.cure = Some(cure.into());
        self
    }

    /// Adds what to do about it, if that is known.
    #[must_use]
    pub fn maybe_cure(mut self, cure: Option<impl Into<String>>) -> Self {
        self.0.cure = cure.map(Into::into);
        self
    }

    /// Says whether retrying can help.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Adds the raw words of a tool, a server or a storage, cut to [`MAX_DETAIL_LEN`].
    #[must_use]
    pub fn detail(mut self, detail: impl AsRef<str>) -> Self {
        self.0.detail = Some(domain::text::cut(detail.as_ref(), MAX_DETAIL_LEN));
        self
    }

    /// Adds the other system's own code of the error: a SQLSTATE, an errno.
    #[must_use]
    pub fn native_code(mut self, code: impl Into<String>) -> Self {
        self.0.native_code = Some(code.into());
        self
    }

    /// Changes the act, where the caller knows more.
    #[must_use]
    pub fn with_what(mut self, what: impl Into<String>) -> Self {
        self.0.what = what.into();
        self
    }

    /// Changes the kind, where the caller knows more.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Returns what programs decide by.
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// Returns the act and its object.
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// Returns why; empty if the act's words say all.
    pub fn cause(&self) -> &str {
        &self.0.cause
    }

    /// Returns what to do about it.
    pub fn cure_text(&self) -> Option<&str> {
        self.0.cure.as_deref()
    }

    /// Returns whether retrying can help.
    pub fn retry_advice(&self) -> Retry {
        self.0.retry
    }

    /// Returns the other system's own code. It belongs to one kind of system: only its adapter decides by it.
    pub fn native_code_text(&self) -> Option<&str> {
        self.0.native_code.as_deref()
    }

    /// Returns the raw words.
    pub fn detail_text(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }
}

/// What, cause and cure as one text: `could not read x: it is gone. Look there.`
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        if !self.0.cause.is_empty() {
            write!(f, ": {}", self.0.cause)?;
        }
        match &self.0.cure {
            Some(cure) => write!(f, ". {cure}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_what_cause_and_cure() {
        let error = Error::new(Kind::Full, "could not write /shop/b.zst", "no room is left");
        assert_eq!(error.to_string(), "could not write /shop/b.zst: no room is left");
        let error = error.cure("Free space there, then run again.").detail("insufficient_space");
        assert_eq!(
            error.to_string(),
            "could not write /shop/b.zst: no room is left. Free space there, then run again."
        );
        assert_eq!(error.detail_text(), Some("insufficient_space"));
        let endless = error.detail("x".repeat(1 << 20));
        assert!(endless.detail_text().unwrap().len() < MAX_DETAIL_LEN + 10);
        assert_eq!(Error::invalid("'x' is not a destination").to_string(), "'x' is not a destination");
    }

    #[test]
    fn only_what_passes_by_itself_is_retried() {
        assert_eq!(Error::new(Kind::Unavailable, "a", "b").retry_advice(), Retry::Later);
        assert_eq!(Error::failed("a", "b").retry_advice(), Retry::Never);
    }
}
