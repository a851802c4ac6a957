//! Why SQL has no answer, and the error that becomes of it.

use super::Postgres;
use super::change::{Lost, Work};
use super::cures::{self, Operation};
use super::query::{GUARD_TIMEOUT, is_question};
use crate::error::{Error, Kind};

/// An error that the server reported for a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SqlError {
    /// Its class and kind, five characters (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
    pub(super) sqlstate: String,
    /// What happened, in the server's language.
    pub(super) message: String,
}

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum QueryError {
    /// There is no session.
    Connect {
        /// The server's words or the network's, in libpq's form.
        words: String,
        /// The server's code, if it was the server.
        sqlstate: Option<String>,
    },
    /// The server refused a statement.
    Sql(SqlError),
    /// It was stopped before its commit.
    Stopped(Error),
    /// The guard did not answer while the change held its locks. The change was rolled back.
    Unconfirmed,
    /// The session ended after the COMMIT was sent and before it was answered.
    Lost(Lost),
    /// As [`Self::Lost`], and the server could not be asked since.
    Unknown {
        /// How the session ended.
        words: String,
        /// Why the server could not be asked.
        cause: String,
    },
    /// psql could not be run, or broke off.
    Tool(Error),
}

impl QueryError {
    /// Creates the error of a session that ended.
    pub(super) fn ended(words: impl Into<String>) -> Self {
        Self::Connect { words: words.into(), sqlstate: None }
    }

    /// Returns the server's code.
    pub(super) fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Connect { sqlstate, .. } => sqlstate.as_deref(),
            Self::Sql(error) => Some(&error.sqlstate),
            Self::Stopped(_) | Self::Unconfirmed | Self::Lost(_) | Self::Unknown { .. } | Self::Tool(_) => None,
        }
    }

    /// Returns whether the server answered and refused this database (or knows none of that name), so that another may serve.
    pub(super) fn is_refused_database(&self) -> bool {
        matches!(self, Self::Connect { sqlstate: Some(sqlstate), .. } if sqlstate != "28P01")
    }

    /// Returns the words with which the server's access rules refuse a database. (A role that may not log in has the same SQLSTATE.)
    pub(super) fn refused_by_rules(&self) -> Option<&str> {
        match self {
            Self::Connect { words, sqlstate: Some(sqlstate) }
                if sqlstate == "28000" && words.contains("pg_hba.conf") =>
            {
                Some(words)
            }
            _ => None,
        }
    }

    /// Returns whether the server says that it has no such database.
    pub(super) fn is_absent_database(&self) -> bool {
        matches!(self, Self::Connect { sqlstate: Some(sqlstate), .. } if sqlstate == "3D000")
    }

    /// Returns whether the session is over, rather than the statement refused.
    pub(super) fn is_end_of_session(&self) -> bool {
        match self {
            Self::Connect { .. } => true,
            Self::Sql(error) => error.sqlstate.starts_with("57P"),
            _ => false,
        }
    }

    /// The error of the statement after which a change has happened.
    pub(super) fn of_last(self, work: Work) -> Self {
        match self {
            Self::Connect { words, .. } => Self::Lost(Lost { words, work }),
            Self::Sql(SqlError { sqlstate, message }) if hides_the_outcome(&sqlstate) => {
                Self::Lost(Lost { words: format!("{message} (SQLSTATE {sqlstate})"), work })
            }
            Self::Tool(error) => Self::Lost(Lost { words: error.cause().to_owned(), work }),
            refused => refused,
        }
    }

    /// The error for the caller of `sql`, with its cure.
    pub(super) fn into_error(self, source: &Postgres, sql: &str) -> Error {
        self.into_error_of(source, Operation::Ask, &doing(source, sql))
    }

    /// The error of an act, with its cure.
    pub(super) fn into_error_of(self, source: &Postgres, operation: Operation, what: &str) -> Error {
        let (kind, sqlstate) = (kind_of(&self), self.sqlstate().map(str::to_owned));
        let cause = match self {
            Self::Tool(error) | Self::Stopped(error) => return error,
            Self::Connect { words, .. } | Self::Lost(Lost { words, .. }) => words,
            Self::Unconfirmed => format!(
                "it was not confirmed within {} s that this run may still change it, and others waited for its locks",
                GUARD_TIMEOUT.as_secs()
            ),
            Self::Unknown { words, cause } => {
                format!(
                    "the connection ended before the answer ({words}), and the server could not be asked since ({cause})"
                )
            }
            Self::Sql(SqlError { sqlstate, message }) => format!("{message} (SQLSTATE {sqlstate})"),
        };
        let cure = source.cure(operation, &cause).or_else(|| cures::by_code(sqlstate.as_deref()?));
        let error = Error::new(kind, what, cause).maybe_cure(cure);
        match sqlstate {
            Some(sqlstate) => error.native_code(sqlstate),
            None => error,
        }
    }
}

/// Returns whether a statement may have been carried out although it ended with this SQLSTATE: the session was ended, a pooler lost its
/// server (class 08), or the server itself does not know (40003).
fn hides_the_outcome(sqlstate: &str) -> bool {
    ["57P", "08"].iter().any(|class| sqlstate.starts_with(class)) || sqlstate == "40003"
}

/// Returns the kind of an error, by the class of its SQLSTATE.
fn kind_of(error: &QueryError) -> Kind {
    let Some(sqlstate) = error.sqlstate() else {
        return match error {
            QueryError::Connect { .. } | QueryError::Unconfirmed => Kind::Unavailable,
            QueryError::Lost(_) | QueryError::Unknown { .. } => Kind::Uncertain,
            _ => Kind::Failed,
        };
    };
    match (&sqlstate[..sqlstate.len().min(2)], sqlstate) {
        ("28", _) | (_, "42501") => Kind::Denied,
        (_, "3D000") => Kind::NotFound,
        (_, "53100") => Kind::Full,
        ("08" | "53" | "57", _) => Kind::Unavailable,
        _ => Kind::Failed,
    }
}

/// What failed: a question, or the statement that begins the SQL.
pub(super) fn doing(source: &Postgres, sql: &str) -> String {
    if is_question(sql) || sql.trim_start().starts_with("SELECT") {
        return format!("could not ask {}", source.address());
    }
    let statement: Vec<&str> = sql.split_whitespace().take(2).collect();
    format!("{} failed at {}", statement.join(" "), source.address())
}

#[cfg(test)]
mod tests {
    use super::super::change::Extent;
    use super::*;

    fn sql(sqlstate: &str) -> QueryError {
        QueryError::Sql(SqlError { sqlstate: sqlstate.to_owned(), message: String::new() })
    }

    #[test]
    fn what_a_program_decides_by_follows_from_the_sqlstate() {
        for (sqlstate, kind) in
            [("42501", Kind::Denied), ("53100", Kind::Full), ("53300", Kind::Unavailable), ("42P01", Kind::Failed)]
        {
            assert_eq!(kind_of(&sql(sqlstate)), kind);
        }
        assert_eq!(kind_of(&QueryError::ended("Connection refused")), Kind::Unavailable);
    }

    #[test]
    fn only_the_end_of_a_session_hides_what_became_of_a_commit() {
        let work = || Work::parse("1 2", Extent::Transaction).unwrap();
        let is_lost = |error: QueryError| matches!(error.of_last(work()), QueryError::Lost(_));
        for hidden in ["57P01", "57P02", "08006", "08007", "08P01", "40003"] {
            assert!(is_lost(sql(hidden)), "{hidden}");
        }
        assert!(is_lost(QueryError::ended("Connection reset by peer")));
        for refused in ["23505", "40001", "55P03", "57014", "53100"] {
            assert!(!is_lost(sql(refused)), "{refused}");
        }
    }
}
