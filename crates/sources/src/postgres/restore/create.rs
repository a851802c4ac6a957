//! Creating the database that a restore loads into, and giving it what belongs to a database itself.

use domain::Warning;

use super::super::change;
use super::super::definition::{Definition, Locale};
use super::super::likeness;
use super::super::probe::{execute, identifier, query};
use super::super::tablespaces;
use super::target::{Target, has_database};
use crate::error::Error;
use crate::guard::{Guard, Unguarded};

/// Maximum number of batches in which the properties of a database are set: enough to find dozens that fail.
const MAX_BATCHES: u32 = 500;

impl Target {
    /// Creates a database as the archive describes it. Returns what could not be had here.
    pub(super) async fn create(&self, name: &str, definition: &Definition) -> Result<Vec<Warning>, Error> {
        let mut warnings = Vec::new();
        let tablespace = definition.option("TABLESPACE");
        let has_tablespace = match &tablespace {
            Some(tablespace) => tablespaces::missing(&self.source, None, [tablespace.as_str()]).await?.is_empty(),
            None => false,
        };
        if let Some(tablespace) = tablespace.filter(|_| !has_tablespace) {
            let message = format!(
                "tablespace '{tablespace}' does not exist here, or this role may not use it: the database is in the default tablespace"
            );
            warnings.push(Warning::new("tablespace", message).about(tablespace));
        }
        let mut refused = None;
        for locale in Locale::ALL {
            let options = definition.create_options(locale, self.server_major, has_tablespace);
            let sql = format!("CREATE DATABASE {} {options}", identifier(name));
            // Nobody else creates a database of that name.
            let created = change::once(&self.source, &sql, &has_database(name), &Unguarded).await;
            match created.map_err(|error| error.into_error(&self.source, &sql)) {
                Ok(()) => {
                    warnings.extend(refused.map(|error| locale_warning(definition, locale, &error)));
                    return Ok(warnings);
                }
                Err(error) if is_about_locale(&error) => refused = refused.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| Error::failed("could not create the database", "no locale fits")))
    }

    /// Gives a database what belongs to the database itself: owner, settings, limits, privileges. Returns what could not be
    /// carried over; nothing of that makes a restore fail.
    pub(super) async fn dress(
        &self,
        name: &str,
        definition: &Definition,
        no_owner: bool,
        exists: bool,
        guard: &dyn Guard,
    ) -> Vec<Warning> {
        let (new, own) = (identifier(name), identifier(&self.database));
        let mut statements = Vec::new();
        if !no_owner && !definition.owner.is_empty() {
            let owner =
                |database: &str| format!("ALTER DATABASE {database} OWNER TO {}", identifier(&definition.owner));
            statements.push((owner(&new), owner(&own)));
        }
        let pairs = |of: &dyn Fn(&str) -> Vec<String>| of(&new).into_iter().zip(of(&own)).collect::<Vec<_>>();
        statements.extend(pairs(&|database| definition.properties(database)));
        if no_owner && exists && name != self.database {
            match likeness::owner_and_privileges(&self.source, &self.database).await {
                Ok(likeness) => statements.splice(0..0, likeness.pairs(&new, &own)).for_each(drop),
                Err(error) => return vec![Warning::new("database-properties", error.to_string())],
            }
        } else if !no_owner {
            statements.extend(pairs(&|database| definition.privileges(database)));
        }
        self.apply(statements, guard).await
    }

    /// Gives a database the archive's comment and security label, as [`Self::dress`] the rest: by itself, since a comment holds the mark of a
    /// database that is being loaded in place.
    pub(super) async fn remark(&self, name: &str, definition: &Definition, guard: &dyn Guard) -> Vec<Warning> {
        let own = definition.remarks(&identifier(&self.database));
        let statements = definition.remarks(&identifier(name)).into_iter().zip(own).collect();
        self.apply(statements, guard).await
    }

    /// Runs all statements at once, or if that fails, finds the ones that fail by halving. Each comes as it is run, and as it would
    /// be run for the database in its place. Between two batches `guard` is asked; a planted archive can have any number that fail.
    async fn apply(&self, statements: Vec<(String, String)>, guard: &dyn Guard) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut left = vec![statements];
        let mut batches = 0;
        while let Some(mut statements) = left.pop().filter(|statements| !statements.is_empty()) {
            let why = if batches == MAX_BATCHES { Err("too many of them failed".to_owned()) } else { Ok(()) };
            let why = why.and(guard.check().await.map_err(|error| error.to_string()));
            if let Err(why) = why {
                let count = statements.len() + left.iter().map(Vec::len).sum::<usize>();
                let message = format!("{count} properties of the database were not carried over: {why}");
                warnings.push(Warning::new("database-properties", message));
                break;
            }
            batches += 1;
            let sql: Vec<&str> = statements.iter().map(|(statement, _)| statement.as_str()).collect();
            let Err(error) = execute(&self.source, &sql.join(";\n")).await else { continue };
            if let [(_, shown)] = statements.as_slice() {
                let message = format!("not carried over: {shown}: {}", error.cause());
                let cure = format!("Run it as a superuser, once what it needs is there: {shown}");
                warnings.push(Warning::new("database-properties", message).about(shown.as_str()).with_cure(cure));
                continue;
            }
            let second = statements.split_off(statements.len() / 2);
            left.push(second);
            left.push(statements);
        }
        warnings
    }

    /// Returns how the target differs from the archive's database in what cannot be changed once it exists. Asked of the target itself.
    pub(in super::super) async fn differences(&self, definition: &Definition) -> Result<Vec<Warning>, Error> {
        // As rows, since every version has other columns.
        let sql = "SELECT key, CASE key WHEN 'encoding' THEN pg_encoding_to_char(value::int) ELSE value END \
                   FROM pg_catalog.pg_database d, jsonb_each_text(to_jsonb(d)) WHERE datname = current_database() AND value IS NOT NULL";
        let rows = query(&self.source, &self.database, sql).await?.into_iter();
        let facts =
            rows.filter_map(|row| <[String; 2]>::try_from(row).ok().map(|[name, value]| (name, value))).collect();
        Ok(definition.differences(&facts))
    }
}

/// SQLSTATE of CREATE DATABASE for a locale that the server lacks, that does not fit the encoding or the template, or whose options came
/// with a later version.
const ABOUT_LOCALE: [&str; 4] = ["22023", "42809", "0A000", "42601"];

fn is_about_locale(error: &Error) -> bool {
    error.native_code_text().is_some_and(|code| ABOUT_LOCALE.contains(&code))
}

fn locale_warning(definition: &Definition, taken: Locale, refused: &Error) -> Warning {
    let wanted = definition.locale().unwrap_or_else(|| "its locale".to_owned());
    let taken = if taken == Locale::C { "locale C" } else { "the server's default locale" };
    let message = format!(
        "the database has {taken} instead of {wanted}, so that texts may sort differently: {}",
        refused.cause()
    );
    Warning::new("locale", message).with_cure("Install that locale on the server, then restore again")
}
