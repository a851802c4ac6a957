//! Parses libpq's connection URIs: `postgres://[user[:password]@][host[:port]][,...][/database][?name=value&...]`.
//!
//! Not a job for a URL parser: those refuse several hosts and an empty host, and resolve `/..` as a path.

use percent_encoding::percent_decode_str;

use crate::error::Error;

/// The parts of a URI, percent-decoded.
#[derive(Default)]
pub(super) struct Uri {
    /// Comma-separated, one per server. Empty if the URI names none.
    pub(super) hosts: String,
    /// As many as hosts, comma-separated; an empty one is the default. Empty if the URI names none.
    pub(super) ports: String,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) database: String,
    pub(super) parameters: Vec<(String, String)>,
}

/// Parses a URI. Messages never quote it: it may hold a password.
pub(super) fn parse(address: &str) -> Result<Uri, Error> {
    let rest = address.split_once("://").map(|(_, rest)| rest).ok_or_else(|| unreadable("it has no ://"))?;
    let authority_len = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(authority_len);
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    if rest.contains('#') {
        return Err(Error::invalid("write # in a name as %23"));
    }
    let (login, servers) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
    let (hosts, ports) = servers_of(servers)?;
    Ok(Uri {
        hosts,
        ports,
        user: decode(user, "user")?,
        password: password.map(|password| decode(password, "password")).transpose()?,
        database: decode(path.strip_prefix('/').unwrap_or(path), "database")?,
        parameters: query.map(parameters_of).transpose()?.unwrap_or_default(),
    })
}

fn servers_of(mut text: &str) -> Result<(String, String), Error> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    loop {
        let (host, rest) = match text.strip_prefix('[') {
            Some(inner) => inner.split_once(']').ok_or_else(|| unreadable("a bracket is not closed"))?,
            None => text.split_at(text.find([':', ',']).unwrap_or(text.len())),
        };
        hosts.push(decode(host, "host")?);
        let (port, rest) = match rest.strip_prefix(':') {
            Some(rest) => rest.split_at(rest.find(',').unwrap_or(rest.len())),
            None => ("", rest),
        };
        ports.push(checked_port(port)?);
        match rest.strip_prefix(',') {
            Some(next) => text = next,
            None if rest.is_empty() => break,
            None => return Err(unreadable("the host is followed by something else than a port")),
        }
    }
    let given = ports.iter().any(|port| !port.is_empty());
    Ok((hosts.join(","), if given { ports.join(",") } else { String::new() }))
}

/// Returns the port if it is one, or empty for the default.
pub(super) fn checked_port(port: &str) -> Result<&str, Error> {
    if port.is_empty() || port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Ok(port);
    }
    Err(unreadable("the port is not a number from 1 to 65535"))
}

fn parameters_of(query: &str) -> Result<Vec<(String, String)>, Error> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').ok_or_else(|| unreadable("a parameter after ? has no value"))?;
            Ok((decode(name, "parameter")?, decode(value, "parameter")?))
        })
        .collect()
}

fn unreadable(cause: &str) -> Error {
    Error::invalid(format!("the PostgreSQL address cannot be read ({cause}): write postgres://user@host:port/database"))
}

fn decode(text: &str, what: &str) -> Result<String, Error> {
    let decoded = percent_decode_str(text).decode_utf8();
    let name = decoded.map_err(|_| Error::invalid(format!("the {what} in the address is not UTF-8")))?.into_owned();
    if name.contains('\0') {
        return Err(Error::invalid(format!("the {what} in the address holds a zero byte")));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_libpq_reads_them() {
        for (address, hosts, ports, database) in [
            ("postgres://db/shop", "db", "", "shop"),
            ("postgres://me@/shop", "", "", "shop"),
            ("postgres://me@:5433/shop", "", "5433", "shop"),
            ("postgres:///shop", "", "", "shop"),
            ("postgres://a,b/shop", "a,b", "", "shop"),
            ("postgres://a:1,b:2/shop", "a,b", "1,2", "shop"),
            ("postgres://a,[::1]:2/shop", "a,::1", ",2", "shop"),
            ("postgres://%2Frun%2Fpostgresql:5433/shop", "/run/postgresql", "5433", "shop"),
            ("postgres://a%2Cb/shop", "a,b", "", "shop"),
            // Names, not paths: nothing is resolved, so that one database never becomes all of them.
            ("postgres://h/..", "h", "", ".."),
            ("postgres://h/%2E", "h", "", "."),
            ("postgres://h/./x", "h", "", "./x"),
            ("postgres://h//", "h", "", "/"),
            ("postgres://h/", "h", "", ""),
            ("postgres://h", "h", "", ""),
            ("postgres://h?sslmode=require", "h", "", ""),
            ("postgres://h/a b\tc", "h", "", "a b\tc"),
        ] {
            let uri = parse(address).unwrap();
            assert_eq!((&*uri.hosts, &*uri.ports, &*uri.database), (hosts, ports, database), "{address}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_quoting_it() {
        for address in
            ["postgres://me:hunter2@h:0/x", "postgres://me:hunter2@h:99999/x", "postgres://me:hunter2@[::1/x"]
        {
            let refusal = parse(address).err().unwrap().to_string();
            assert!(refusal.contains("cannot be read") && !refusal.contains("hunter2"), "{refusal}");
        }
    }

    #[test]
    fn a_plus_sign_is_a_plus_sign() {
        let uri = parse("postgres://h/x?application_name=a+b%20c").unwrap();
        assert_eq!(uri.parameters, [("application_name".to_owned(), "a+b c".to_owned())]);
    }
}
