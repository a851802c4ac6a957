//! What an archive needs of the server that it is restored into.

use std::collections::BTreeSet;

use super::super::archive::{Contents, Entry};
use super::super::definition::{Definition, options};
use super::super::probe::identifier;
use super::super::sql;
use super::target::TargetFacts;
use super::{finding, listed, with_sql};
use crate::{Finding, OnError, RestoreOptions, Severity};

/// Extensions that can be created in one database of a server only, and the setting that names it.
const BOUND_TO_DATABASE: [(&str, &str); 1] = [("pg_cron", "cron.database_name")];
/// Kinds of objects that only a superuser may create.
const SUPERUSERS_ONLY: [&str; 7] = [
    "FOREIGN DATA WRAPPER",
    "EVENT TRIGGER",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "TEXT SEARCH PARSER",
    "TEXT SEARCH TEMPLATE",
    "ACCESS METHOD",
];

/// What an archive needs.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Roles that own something, and have to be taken on by the role that restores.
    owners: BTreeSet<String>,
    /// Roles that privileges, policies, user mappings and settings name.
    named_roles: BTreeSet<String>,
    extensions: BTreeSet<String>,
    languages: BTreeSet<String>,
    tablespaces: BTreeSet<String>,
    superuser_objects: Vec<String>,
    commented_extensions: BTreeSet<String>,
    locale: Option<String>,
    /// The locales of the database and of collations, each with its provider and what has it.
    locales: BTreeSet<(String, String, String)>,
    server_major: Option<u32>,
}

impl Needs {
    /// Reads a table of contents.
    pub(super) fn of(contents: &Contents, options: RestoreOptions) -> Self {
        let definition = Definition::of(contents);
        let mut needs = Self {
            extensions: contents.extensions().map(str::to_owned).collect(),
            tablespaces: contents.tablespaces().into_iter().map(str::to_owned).collect(),
            locale: definition.locale(),
            locales: database_locale(&definition).into_iter().collect(),
            server_major: contents.server_major(),
            ..Self::default()
        };
        needs.tablespaces.extend(definition.option("TABLESPACE"));
        for entry in &contents.entries {
            needs.add(entry, options);
        }
        needs.owners.remove("");
        needs.named_roles.remove("");
        needs
    }

    /// Returns the tablespaces of the database and of objects.
    pub(super) fn tablespaces(&self) -> impl Iterator<Item = &str> {
        self.tablespaces.iter().map(String::as_str)
    }

    fn add(&mut self, entry: &Entry, options: RestoreOptions) {
        let has_owner = !matches!(
            entry.kind.as_str(),
            "ACL" | "DEFAULT ACL" | "COMMENT" | "SECURITY LABEL" | "DATABASE PROPERTIES"
        );
        if !options.no_owner && has_owner {
            self.owners.insert(entry.owner.clone());
        }
        match entry.kind.as_str() {
            "ACL" | "DEFAULT ACL" if !options.no_owner => {
                self.named_roles.extend(roles_after(&entry.definition, &["TO", "FROM", "ROLE"]));
            }
            "POLICY" => self.named_roles.extend(policy_roles(&entry.definition)),
            "USER MAPPING" => self.named_roles.extend(roles_after(&entry.definition, &["FOR"])),
            "DATABASE PROPERTIES" => self.named_roles.extend(roles_after(&entry.definition, &["ROLE"])),
            "PROCEDURAL LANGUAGE" => {
                self.languages.insert(entry.tag.clone());
            }
            "COMMENT" => {
                self.commented_extensions
                    .extend(entry.tag.strip_prefix("EXTENSION ").map(|name| name.trim_matches('"').to_owned()));
            }
            "COLLATION" => self.locales.extend(collation_locale(entry)),
            "PUBLICATION" if entry.definition.contains(" FOR ALL TABLES") => self.superuser_objects.push(entry.label()),
            kind if SUPERUSERS_ONLY.contains(&kind) => self.superuser_objects.push(entry.label()),
            _ => {}
        }
    }

    /// Compares with what the target has.
    pub(super) fn compare(&self, facts: &TargetFacts, options: RestoreOptions) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.missing_roles(facts));
        findings.extend(self.foreign_owners(facts));
        findings.extend(self.extensions(facts, options));
        findings.extend(self.languages(facts));
        findings.extend(self.places(facts));
        if !facts.is_superuser && !self.superuser_objects.is_empty() {
            let message = format!(
                "only a superuser may create {}: restore as one, or continue past errors",
                listed(self.superuser_objects.iter().map(String::as_str))
            );
            findings.push(finding(Severity::Blocks, "superuser-objects", message));
        }
        if let Some(major) = self.server_major.filter(|major| *major > facts.major) {
            let message = format!(
                "the backup is of PostgreSQL {major}, and the target is PostgreSQL {}: an older server may not understand it",
                facts.major
            );
            findings.push(finding(Severity::Warns, "older-server", message));
        }
        if options.on_error == OnError::Continue {
            findings.iter_mut().filter(|finding| finding.severity == Severity::Blocks).for_each(|finding| {
                finding.severity = Severity::Warns;
            });
        }
        findings
    }

    fn missing_roles(&self, facts: &TargetFacts) -> Option<Finding> {
        let wanted = self.owners.union(&self.named_roles);
        let missing: Vec<&str> =
            wanted.map(String::as_str).filter(|role| !facts.roles.iter().any(|known| known == role)).collect();
        if missing.is_empty() {
            return None;
        }
        let only_owners = missing.iter().all(|role| self.owners.contains(*role));
        let way = if only_owners { ", or skip ownership and privileges" } else { "" };
        let message = format!(
            "the server lacks roles that the backup names: {}. Create them first{way}",
            listed(missing.iter().copied())
        );
        let sql: Vec<String> =
            missing.iter().map(|role| format!("CREATE ROLE {} NOLOGIN;", identifier(role))).collect();
        Some(with_sql(finding(Severity::Blocks, "missing-role", message), sql.join("\n")))
    }

    fn foreign_owners(&self, facts: &TargetFacts) -> Option<Finding> {
        let known = |role: &&String| facts.roles.iter().any(|known| known == *role);
        let foreign: Vec<&str> = self
            .owners
            .iter()
            .filter(known)
            .map(String::as_str)
            .filter(|role| !facts.can_become.iter().any(|own| own == role))
            .collect();
        if facts.is_superuser || foreign.is_empty() {
            return None;
        }
        let message = format!(
            "'{}' may not hand objects to their owners {}: restore as a superuser, grant it these roles, or skip ownership and privileges",
            facts.role,
            listed(foreign.iter().copied())
        );
        let sql: Vec<String> =
            foreign.iter().map(|role| format!("GRANT {} TO {};", identifier(role), identifier(&facts.role))).collect();
        Some(with_sql(finding(Severity::Blocks, "foreign-owner", message), sql.join("\n")))
    }

    fn extensions(&self, facts: &TargetFacts, options: RestoreOptions) -> Vec<Finding> {
        let mut findings = Vec::new();
        let installed = |name: &str| facts.installed_extensions.iter().any(|known| known == name);
        let unavailable: Vec<&str> = self
            .extensions
            .iter()
            .map(String::as_str)
            .filter(|name| !facts.available_extensions.iter().any(|known| known == name))
            .collect();
        if !unavailable.is_empty() {
            let message = format!(
                "extensions are not installed on the server: {}. Install their packages first",
                listed(unavailable.iter().copied())
            );
            findings.push(finding(Severity::Blocks, "missing-extension", message));
        }
        let forbidden: Vec<&str> = self
            .extensions
            .iter()
            .map(String::as_str)
            .filter(|name| facts.superuser_extensions.iter().any(|known| known == name))
            .filter(|name| !(facts.fills_directly(options) && installed(name)))
            .collect();
        if !facts.is_superuser && !forbidden.is_empty() {
            let names = listed(forbidden.iter().copied());
            let way = if forbidden.iter().all(|name| installed(name)) {
                "they are in the target already: empty it and restore in place"
            } else {
                "restore as one, or continue past errors"
            };
            let message = format!("only a superuser may create extension {names}: {way}");
            findings.push(finding(Severity::Blocks, "superuser-extension", message));
        }
        for (name, setting) in BOUND_TO_DATABASE {
            if self.extensions.contains(name) && !options.in_place {
                let bound = facts
                    .bound_databases
                    .iter()
                    .find(|(known, _)| known == setting)
                    .map(|(_, database)| database.as_str());
                let message = format!(
                    "extension {name} can only be created in database '{}': restore in place under that name",
                    bound.unwrap_or("postgres")
                );
                findings.push(finding(Severity::Blocks, "bound-extension", message));
            }
        }
        if !facts.is_superuser && !self.commented_extensions.is_empty() {
            let message = format!(
                "comments on extensions of another owner are left out ({})",
                listed(self.commented_extensions.iter().map(String::as_str))
            );
            findings.push(finding(Severity::Informs, "extension-comment", message));
        }
        findings
    }

    fn languages(&self, facts: &TargetFacts) -> Option<Finding> {
        let known = |name: &&str| facts.languages.iter().chain(&facts.available_extensions).any(|known| known == name);
        let missing: Vec<&str> = self.languages.iter().map(String::as_str).filter(|name| !known(name)).collect();
        let message = format!(
            "the server lacks procedural languages: {}. Install their packages first",
            listed(missing.iter().copied())
        );
        (!missing.is_empty()).then(|| finding(Severity::Blocks, "missing-language", message))
    }

    /// Locale and tablespaces.
    fn places(&self, facts: &TargetFacts) -> Vec<Finding> {
        let mut findings = Vec::new();
        let missing = &facts.missing_tablespaces;
        if !missing.is_empty() {
            let message = format!(
                "tablespaces do not exist here, or may not be used by this role: {}. Their objects go into the default tablespace",
                listed(missing.iter().map(String::as_str))
            );
            let sql: Vec<String> = missing
                .iter()
                .map(|name| format!("CREATE TABLESPACE {} LOCATION '/path/on/the/server';", identifier(name)))
                .collect();
            findings.push(with_sql(finding(Severity::Warns, "missing-tablespace", message), sql.join("\n")));
        }
        for (provider, locale, subject) in &self.locales {
            let lacks = match provider.as_str() {
                provider if !facts.has_provider(provider) => format!("the locale provider '{provider}'"),
                "libc" if !facts.has_locale(locale) => format!("the locale '{locale}'"),
                _ => continue,
            };
            let message = match subject.as_str() {
                "" => format!(
                    "the server lacks {lacks} ({}): texts would sort by another one. Install it on the server first",
                    self.locale.clone().unwrap_or_default()
                ),
                subject => format!("the server lacks {lacks}, which {subject} needs. Install it on the server first"),
            };
            let severity = if subject.is_empty() { Severity::Warns } else { Severity::Blocks };
            findings.push(finding(severity, "missing-locale", message));
        }
        findings
    }
}

fn database_locale(definition: &Definition) -> Option<(String, String, String)> {
    let provider = definition.option("LOCALE_PROVIDER").unwrap_or_else(|| "libc".to_owned());
    let libc = definition.option("LC_COLLATE").or_else(|| definition.option("LOCALE"));
    let locale = if provider == "libc" { libc? } else { String::new() };
    Some((provider, locale, String::new()))
}

/// `CREATE COLLATION public.de (provider = libc, locale = 'de_DE.utf8');`
fn collation_locale(entry: &Entry) -> Option<(String, String, String)> {
    let options = options(&entry.definition);
    let option = |name: &str| options.iter().find(|(known, _)| known == name).map(|(_, value)| sql::unquote(value));
    let locale = option("LC_COLLATE").or_else(|| option("LOCALE")).unwrap_or_default();
    Some((option("PROVIDER")?, locale, entry.label()))
}

/// Returns the roles that follow one of these words: `GRANT SELECT ON TABLE t TO a;`
fn roles_after(definition: &str, words: &[&str]) -> Vec<String> {
    let mut roles = Vec::new();
    let tokens: Vec<&str> = sql::tokens(definition).filter(|token| !token.starts_with(char::is_whitespace)).collect();
    for pair in tokens.windows(2) {
        if words.iter().any(|word| pair[0].eq_ignore_ascii_case(word)) && is_role(pair[1]) {
            roles.push(sql::unquote(pair[1]));
        }
    }
    roles
}

/// `CREATE POLICY p ON public.t AS RESTRICTIVE FOR SELECT TO a, b USING (...)`: the roles stand between TO and what follows.
fn policy_roles(definition: &str) -> Vec<String> {
    let tokens = sql::tokens(definition).filter(|token| !token.starts_with(char::is_whitespace));
    let after = tokens.skip_while(|token| !token.eq_ignore_ascii_case("TO")).skip(1);
    let ends = |token: &str| ["USING", "WITH", ";"].iter().any(|end| token.eq_ignore_ascii_case(end));
    after.take_while(|token| !ends(token)).filter(|token| is_role(token)).map(sql::unquote).collect()
}

fn is_role(token: &str) -> bool {
    let is_name = token.starts_with(|first: char| first.is_alphabetic() || first == '_' || first == '"');
    let words = ["PUBLIC", "CURRENT_USER", "SESSION_USER", "CURRENT_ROLE", "GROUP"];
    is_name && !words.iter().any(|word| token.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_of_collations_are_read_with_their_provider() {
        let of = |definition: &str| {
            let entry = Entry {
                kind: "COLLATION".to_owned(),
                tag: "de".to_owned(),
                schema: "public".to_owned(),
                definition: definition.to_owned(),
                ..Entry::default()
            };
            collation_locale(&entry).unwrap()
        };
        let expected =
            |provider: &str, locale: &str| (provider.to_owned(), locale.to_owned(), "COLLATION public.de".to_owned());
        let libc = "CREATE COLLATION public.de (provider = libc, locale = 'de_DE.utf8');";
        assert_eq!(of(libc), expected("libc", "de_DE.utf8"));
        let parts = "CREATE COLLATION public.de (provider = libc, lc_collate = 'de_DE.utf8', lc_ctype = 'C');";
        assert_eq!(of(parts), expected("libc", "de_DE.utf8"));
        let icu = "CREATE COLLATION public.de (provider = icu, deterministic = false, locale = 'de-u-co-phonebk');";
        assert_eq!(of(icu), expected("icu", "de-u-co-phonebk"));
    }

    #[test]
    fn roles_are_found_where_statements_name_them() {
        let acl = "REVOKE ALL ON TABLE public.t FROM PUBLIC;\nGRANT SELECT ON TABLE public.\"TO x\" TO \"we ird\" WITH GRANT OPTION;\n";
        assert_eq!(roles_after(acl, &["TO", "FROM", "ROLE"]), ["we ird"]);
        let defaults = "ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA public GRANT SELECT ON TABLES TO reader;";
        assert_eq!(roles_after(defaults, &["TO", "FROM", "ROLE"]), ["app", "reader"]);
        assert_eq!(
            policy_roles("CREATE POLICY p ON public.t TO anon, \"b c\" USING (('TO'::text = x));"),
            ["anon", "b c"]
        );
        assert!(policy_roles("CREATE POLICY p ON public.t USING (true);").is_empty());
        assert_eq!(roles_after("CREATE USER MAPPING FOR app SERVER s;", &["FOR"]), ["app"]);
        assert_eq!(roles_after("ALTER ROLE ro IN DATABASE d SET work_mem TO '8MB';", &["ROLE"]), ["ro"]);
    }
}
