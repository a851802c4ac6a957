//! What a restore notes on a database itself: a line at the end of its comment, which every owner may write, and which goes with
//! the database whatever it is called and whoever is connected to it.

use std::collections::HashMap;

use super::Postgres;
use super::passing::Number;
use super::probe::{execute, identifier, literal};
use crate::error::Error;

const BEGIN: &str = "[dbackup ";

/// A note on a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mark {
    /// Completely restored, and about to take the place of this database. It stays until a later restore there has succeeded.
    Placing(String),
    /// Completely restored, for the place of this database, and kept: a person was told of it.
    Complete(String),
    /// Being loaded under its own name, by the restore of this number.
    Loading(Number),
    /// This database, moved aside while another one is loaded under its name.
    Aside(String),
    /// Replaced by a restored database: nobody needs it any more.
    Replaced,
}

impl Mark {
    fn write(&self) -> String {
        match self {
            Self::Placing(database) => {
                format!("{BEGIN}restored it completely, and is putting it in place of: {database}]")
            }
            Self::Complete(database) => format!("{BEGIN}restored it completely, to be put in place of: {database}]"),
            Self::Loading(number) => format!("{BEGIN}is restoring it: {number}]"),
            Self::Aside(database) => format!("{BEGIN}set it aside while it restores: {database}]"),
            Self::Replaced => format!("{BEGIN}replaced it]"),
        }
    }

    /// Returns a question that has a row if a database carries this mark, or with `is_there` off, if it does not.
    pub(super) fn question(&self, database: &str, is_there: bool) -> String {
        format!(
            "SELECT 1 FROM pg_catalog.pg_database WHERE datname = {} AND right(coalesce(shobj_description(oid, 'pg_database'), ''), \
             length({mark})) {} {mark}",
            literal(database),
            if is_there { "=" } else { "<>" },
            mark = literal(&self.write())
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix(']')?;
        let of = |words: &str| text.strip_prefix(words).map(str::to_owned);
        of("restored it completely, to be put in place of: ")
            .map(Self::Complete)
            .or_else(|| of("restored it completely, and is putting it in place of: ").map(Self::Placing))
            .or_else(|| Some(Self::Loading(Number::parse(&of("is restoring it: ")?)?)))
            .or_else(|| of("set it aside while it restores: ").map(Self::Aside))
            .or_else(|| (text == "replaced it").then_some(Self::Replaced))
    }
}

/// Splits a comment into what is the user's, and the mark.
fn split(comment: &str) -> (&str, Option<Mark>) {
    match comment.rfind(BEGIN) {
        Some(at) => match Mark::parse(&comment[at + BEGIN.len()..]) {
            Some(mark) => (comment[..at].trim_end_matches('\n'), Some(mark)),
            None => (comment, None),
        },
        None => (comment, None),
    }
}

/// The comments of a server's databases.
#[derive(Debug, Default)]
pub(super) struct Marks(HashMap<String, String>);

impl Marks {
    /// Reads them.
    pub(super) async fn read(source: &Postgres) -> Result<Self, Error> {
        let sql = "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database \
                   WHERE shobj_description(oid, 'pg_database') IS NOT NULL";
        let rows = execute(source, sql).await?.into_iter();
        Ok(Self(rows.filter_map(|row| <[String; 2]>::try_from(row).ok().map(|[name, text]| (name, text))).collect()))
    }

    /// Returns the mark of a database.
    pub(super) fn of(&self, database: &str) -> Option<Mark> {
        split(self.0.get(database)?).1
    }

    /// SQL that marks a database (or with `None` takes its mark away) which has been renamed from `was` in the same transaction.
    pub(super) fn set(&self, database: &str, was: &str, mark: Option<&Mark>) -> String {
        let own = self.0.get(was).map_or("", |comment| split(comment).0);
        let text = match mark {
            Some(mark) if own.is_empty() => Some(mark.write()),
            Some(mark) => Some(format!("{own}\n{}", mark.write())),
            None if own.is_empty() => None,
            None => Some(own.to_owned()),
        };
        let text = text.map_or_else(|| "NULL".to_owned(), |text| literal(&text));
        format!("COMMENT ON DATABASE {} IS {text}", identifier(database))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stands_after_the_users_comment_and_goes_without_a_trace() {
        let number = Number::parse("0a1b2c3d").unwrap();
        let names = ["shop", "it's ]\n[x", ""].map(str::to_owned);
        let marks = names
            .iter()
            .flat_map(|name| [Mark::Complete(name.clone()), Mark::Placing(name.clone()), Mark::Aside(name.clone())]);
        for mark in marks.chain([Mark::Loading(number), Mark::Replaced]) {
            for own in ["", "of accounting\nsince 2019", "[dbackup x]"] {
                let comments = Marks(HashMap::from([("x".to_owned(), own.to_owned())]));
                let marked = comments.set("x", "x", Some(&mark));
                let written = if own.is_empty() { mark.write() } else { format!("{own}\n{}", mark.write()) };
                assert_eq!(marked, format!("COMMENT ON DATABASE \"x\" IS {}", literal(&written)));
                assert_eq!(split(&written), (own, Some(mark.clone())));
                let comments = Marks(HashMap::from([("x".to_owned(), written)]));
                let text = if own.is_empty() { "NULL".to_owned() } else { literal(own) };
                assert_eq!(comments.set("y", "x", None), format!("COMMENT ON DATABASE \"y\" IS {text}"));
            }
        }
        assert_eq!(split("a [dbackup is restoring it: zz]"), ("a [dbackup is restoring it: zz]", None));
    }
}
