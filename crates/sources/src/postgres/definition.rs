//! What an archive says about its database itself: how it was created, its owner, settings, privileges, comment.
//!
//! pg_dump writes this into every archive of the custom format (entries DATABASE, DATABASE PROPERTIES, and the ACL, COMMENT and
//! SECURITY LABEL tagged `DATABASE name`); pg_restore looks at it only with `--create`, under the old name.

use std::collections::HashMap;

use domain::Warning;

use super::archive::{Contents, Entry};
use super::probe::literal;
use super::sql;

const RESTORE_INTO_NEW: &str = "Restore into a new database, as a role with CREATEDB, to have those of the backup";

/// A database as its archive describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Definition {
    /// Its owner; empty if the archive does not say.
    pub(super) owner: String,
    /// The options of CREATE DATABASE, as names and values: `ENCODING`, `'UTF8'`.
    options: Vec<(String, String)>,
    properties: Vec<String>,
    privileges: Vec<String>,
    remarks: Vec<String>,
}

/// Which locale a new database gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locale {
    /// The archive's.
    Same,
    /// The server's own.
    Default,
    /// `C`, which goes with every encoding.
    C,
}

impl Locale {
    /// All, in the order in which they are tried.
    pub(super) const ALL: [Self; 3] = [Self::Same, Self::Default, Self::C];
}

impl Definition {
    /// Reads the entries about the database itself.
    pub(super) fn of(contents: &Contents) -> Self {
        let Some(database) = contents.of_kind("DATABASE").next() else {
            let encoding = contents.encoding().map(|encoding| ("ENCODING".to_owned(), literal(&encoding)));
            return Self { options: encoding.into_iter().collect(), ..Self::default() };
        };
        let tag = format!("DATABASE {}", database.tag);
        // The tag of these is written with its name quoted or not, depending on the version.
        let quoted_tag = format!("DATABASE \"{}\"", database.tag.replace('"', "\"\""));
        let about = |kind: &str| -> Vec<String> {
            let ours = |entry: &&Entry| entry.kind == kind && (entry.tag == tag || entry.tag == quoted_tag);
            contents.entries.iter().filter(ours).flat_map(|entry| sql::statements(&entry.definition)).collect()
        };
        let properties = contents.of_kind("DATABASE PROPERTIES").flat_map(|entry| sql::statements(&entry.definition));
        Self {
            owner: database.owner.clone(),
            options: options(&database.definition),
            properties: properties.collect(),
            privileges: about("ACL"),
            remarks: about("COMMENT").into_iter().chain(about("SECURITY LABEL")).collect(),
        }
    }

    /// Returns the value of an option of CREATE DATABASE, without its quotes.
    pub(super) fn option(&self, name: &str) -> Option<String> {
        self.options.iter().find(|(option, _)| option == name).map(|(_, value)| sql::unquote(value))
    }

    /// Returns the locale in words, if the archive names one.
    pub(super) fn locale(&self) -> Option<String> {
        let names = ["LOCALE", "LC_COLLATE", "LC_CTYPE", "ICU_LOCALE", "BUILTIN_LOCALE", "LOCALE_PROVIDER"];
        let named: Vec<String> =
            names.iter().filter_map(|name| Some(format!("{name} {}", self.option(name)?))).collect();
        (!named.is_empty()).then(|| named.join(", "))
    }

    /// Compares with a row of `pg_database`, and returns as warnings what a database of that kind does otherwise.
    pub(super) fn differences(&self, facts: &HashMap<String, String>) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let fact = |name: &str| facts.get(name).map(String::as_str);
        if let (Some(wanted), Some(there)) = (self.option("ENCODING"), fact("encoding"))
            && !wanted.eq_ignore_ascii_case(there)
        {
            let message = format!(
                "the target database is in {there}, and the backup in {wanted}: texts are converted, which fails for characters that \
                 {there} lacks"
            );
            warnings.push(Warning::new("encoding", message).with_cure(RESTORE_INTO_NEW));
        }
        let differ: Vec<String> = self
            .locale_facts()
            .into_iter()
            .filter_map(|(what, wanted, columns)| {
                let there = columns.iter().find_map(|column| fact(column)).unwrap_or("none");
                let shown = if what == "provider" { comparable(there) } else { there.to_owned() };
                (comparable(&wanted) != comparable(there)).then(|| format!("{what} {shown} instead of {wanted}"))
            })
            .collect();
        if !differ.is_empty() {
            let message = format!(
                "the target database keeps its own locale ({}): texts may sort and compare differently",
                differ.join(", ")
            );
            warnings.push(Warning::new("locale", message).with_cure(RESTORE_INTO_NEW));
        }
        warnings
    }

    /// What the archive says of the locale: a name for people, the value, the columns of `pg_database` that may hold it.
    fn locale_facts(&self) -> Vec<(&'static str, String, &'static [&'static str])> {
        if self.locale().is_none() {
            return Vec::new();
        }
        let provider = self.option("LOCALE_PROVIDER").unwrap_or_else(|| "libc".to_owned());
        let libc = |name: &str| self.option(name).or_else(|| self.option("LOCALE").filter(|_| provider == "libc"));
        let own = self.option("ICU_LOCALE").or_else(|| self.option("BUILTIN_LOCALE")).or_else(|| self.option("LOCALE"));
        let facts: [(&'static str, Option<String>, &'static [&'static str]); 5] = [
            ("provider", Some(provider.clone()), &["datlocprovider"]),
            ("collation", libc("LC_COLLATE"), &["datcollate"]),
            ("character type", libc("LC_CTYPE"), &["datctype"]),
            ("locale", own.filter(|_| provider != "libc"), &["datlocale", "daticulocale"]),
            ("ICU rules", self.option("ICU_RULES"), &["daticurules"]),
        ];
        facts.into_iter().filter_map(|(what, wanted, columns)| Some((what, wanted?, columns))).collect()
    }

    /// Writes the options of CREATE DATABASE for a server of this major version, without a tablespace unless it is there.
    pub(super) fn create_options(&self, locale: Locale, server_major: u32, has_tablespace: bool) -> String {
        let mut written = String::from("TEMPLATE = template0");
        let of_locale = |name: &str| name.contains("LOCALE") || name.starts_with("LC_") || name == "ICU_RULES";
        for (name, value) in &self.options {
            let kept = match name.as_str() {
                "TEMPLATE" | "OID" | "STRATEGY" => false,
                // Before 15 there was no other.
                "LOCALE_PROVIDER" if server_major < 15 && sql::unquote(value) == "libc" => false,
                "TABLESPACE" => has_tablespace,
                name if of_locale(name) => locale == Locale::Same,
                _ => true,
            };
            if kept {
                written.push_str(&format!(" {name} = {value}"));
            }
        }
        let names_locale = self.options.iter().any(|(name, _)| of_locale(name));
        let has_provider = locale == Locale::Same && self.options.iter().any(|(name, _)| name == "LOCALE_PROVIDER");
        if locale == Locale::C {
            written.push_str(" LOCALE = 'C'");
        }
        // Before 15 there was only libc; a cluster of today may have another default.
        if server_major >= 15 && !has_provider && (locale == Locale::C || locale == Locale::Same && names_locale) {
            written.push_str(" LOCALE_PROVIDER = libc");
        }
        written
    }

    /// Returns the settings and limits for a database of another (quoted) name. Whether it is a template comes last: it is in the way of all
    /// else.
    pub(super) fn properties(&self, name: &str) -> Vec<String> {
        let mut properties = renamed(&self.properties, name);
        properties.sort_by_key(|statement| statement.contains("IS_TEMPLATE"));
        properties
    }

    /// Returns the privileges for a database of another (quoted) name.
    pub(super) fn privileges(&self, name: &str) -> Vec<String> {
        renamed(&self.privileges, name)
    }

    /// Returns comment and security label for a database of another (quoted) name.
    pub(super) fn remarks(&self, name: &str) -> Vec<String> {
        renamed(&self.remarks, name)
    }
}

/// A locale's name can be written in several ways; providers are letters in `pg_database`, and were only libc before version 15.
fn comparable(name: &str) -> String {
    match name {
        "c" | "none" | "libc" => "libc".to_owned(),
        "i" => "icu".to_owned(),
        "b" => "builtin".to_owned(),
        name => name.to_lowercase().replace('-', ""),
    }
}

fn renamed(statements: &[String], name: &str) -> Vec<String> {
    statements.iter().filter_map(|statement| sql::with_database(statement, name)).collect()
}

/// `CREATE DATABASE b1 WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C';`
pub(super) fn options(definition: &str) -> Vec<(String, String)> {
    let statement = sql::statements(definition).into_iter().next().unwrap_or_default();
    let tokens: Vec<&str> = sql::tokens(&statement).filter(|token| !token.starts_with(char::is_whitespace)).collect();
    let pairs = tokens.windows(3).filter(|window| window[1] == "=");
    pairs.map(|window| (window[0].to_uppercase(), window[2].to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, tag: &str, definition: &str) -> Entry {
        Entry { kind: kind.to_owned(), tag: tag.to_owned(), definition: definition.to_owned(), ..Entry::default() }
    }

    fn shop(create: &str) -> Definition {
        let entries = vec![
            entry("DATABASE", "shop", create),
            entry(
                "DATABASE PROPERTIES",
                "shop",
                "ALTER DATABASE shop IS_TEMPLATE = true;\nALTER DATABASE shop SET a TO 'b';\n",
            ),
            entry(
                "ACL",
                "DATABASE shop",
                "REVOKE ALL ON DATABASE shop FROM PUBLIC;\nGRANT CONNECT ON DATABASE shop TO x;\n",
            ),
            entry("COMMENT", "DATABASE shop", "COMMENT ON DATABASE shop IS 'x';\n"),
            entry("COMMENT", "TABLE shop", "COMMENT ON TABLE shop IS 'x';\n"),
        ];
        Definition::of(&Contents { server_version: "17.2".to_owned(), entries })
    }

    #[test]
    fn a_database_is_created_as_its_archive_says() {
        let create = "CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = icu LOCALE = 'C.UTF-8' \
                      ICU_LOCALE = 'en-US-u-kn-true' ICU_RULES = '&V << w <<< W' TABLESPACE = fast;\n\n\n";
        let definition = shop(create);
        assert_eq!(
            definition.create_options(Locale::Same, 17, true),
            "TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = icu LOCALE = 'C.UTF-8' ICU_LOCALE = 'en-US-u-kn-true' \
             ICU_RULES = '&V << w <<< W' TABLESPACE = fast"
        );
        assert_eq!(definition.create_options(Locale::Default, 17, false), "TEMPLATE = template0 ENCODING = 'UTF8'");
        assert_eq!(
            definition.create_options(Locale::C, 17, false),
            "TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C' LOCALE_PROVIDER = libc"
        );
    }

    #[test]
    fn an_old_archive_means_libc_whatever_the_clusters_default_is() {
        let old =
            shop("CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'LATIN1' LC_COLLATE = 'C' LC_CTYPE = 'C';");
        assert_eq!(
            old.create_options(Locale::Same, 17, false),
            "TEMPLATE = template0 ENCODING = 'LATIN1' LC_COLLATE = 'C' LC_CTYPE = 'C' LOCALE_PROVIDER = libc"
        );
        assert!(!old.create_options(Locale::Same, 14, false).contains("PROVIDER"));
        assert_eq!(old.option("ENCODING").as_deref(), Some("LATIN1"));
    }

    #[test]
    fn settings_privileges_and_comment_move_to_another_name() {
        let definition = shop("CREATE DATABASE shop WITH TEMPLATE = template0;");
        assert_eq!(
            definition.properties("\"n\""),
            ["ALTER DATABASE \"n\" SET a TO 'b'", "ALTER DATABASE \"n\" IS_TEMPLATE = true"]
        );
        assert_eq!(
            definition.privileges("\"n\""),
            ["REVOKE ALL ON DATABASE \"n\" FROM PUBLIC", "GRANT CONNECT ON DATABASE \"n\" TO x"]
        );
        assert_eq!(definition.remarks("\"n\""), ["COMMENT ON DATABASE \"n\" IS 'x'"]);
    }

    #[test]
    fn an_archive_without_a_database_entry_still_has_an_encoding() {
        let entries = vec![entry("ENCODING", "ENCODING", "SET client_encoding = 'LATIN1';\n")];
        let definition = Definition::of(&Contents { server_version: String::new(), entries });
        assert_eq!(definition.create_options(Locale::Same, 17, false), "TEMPLATE = template0 ENCODING = 'LATIN1'");
    }
}
