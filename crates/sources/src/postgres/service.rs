//! Services: named parameters in `pg_service.conf` (<https://www.postgresql.org/docs/current/libpq-pgservice.html>).

use std::path::PathBuf;

use super::settings::{Environment, home};

/// Looks a service up where libpq does. `None` if it is not found there or cannot be read by these rules; libpq may know another
/// place, and has its own words for it.
pub(super) fn look_up(service: &str, environment: &Environment<'_>) -> Option<Vec<(String, String)>> {
    let own = environment.get("PGSERVICEFILE").ok()?.map(PathBuf::from);
    let own = own.or_else(|| Some(home()?.join(".pg_service.conf")));
    let of_system = environment.get("PGSYSCONFDIR").ok()?.map(|folder| PathBuf::from(folder).join("pg_service.conf"));
    let mut files = own.into_iter().chain(of_system);
    files.find_map(|file| section(&std::fs::read_to_string(file).ok()?, service))
}

/// Parses a service's section. `None` if there is none, or if it holds what is not a parameter.
fn section(text: &str, service: &str) -> Option<Vec<(String, String)>> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.find(|line| line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) == Some(service))?;
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.map(parameter).collect()
}

fn parameter(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    // Nested services are refused by libpq, and directories (ldap://) are its own business.
    (name != "service" && !line.starts_with("ldap")).then(|| (name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_found_among_others() {
        let text = "# services\n[one]\nhost=a\n\n[shop]\nhost=b,c\nport = 5433\n  user=me\n[last]\nldap://x\n";
        let of = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(section(text, "one"), Some(vec![of("host", "a")]));
        assert_eq!(section(text, "shop"), Some(vec![of("host", "b,c"), of("port ", " 5433"), of("user", "me")]));
        assert_eq!((section(text, "last"), section(text, "none")), (None, None));
    }
}
