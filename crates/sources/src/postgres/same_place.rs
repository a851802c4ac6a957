//! Whether two addresses lead to one database, by all names of their hosts.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

use super::Postgres;
use super::config::{DEFAULT_PORT, ID};
use super::passing::MAX_NAME_BYTES;
use crate::DatabasePlace;

/// How long the name of a host may take to be looked up.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn may_be_at(source: &Postgres, place: &DatabasePlace) -> bool {
    let Some(database) = source.database.as_deref().filter(|_| place.adapter == ID) else { return false };
    // A service may lead to any host and port: by the name alone, then.
    let (hosts, port) = match source.service() {
        Some(_) => (place.host.as_str(), place.port),
        None => (
            source.hosts().unwrap_or_default(),
            source.port().and_then(|port| port.parse().ok()).unwrap_or(DEFAULT_PORT),
        ),
    };
    is_same_database(place, hosts, port, database).await
}

async fn is_same_database(place: &DatabasePlace, hosts: &str, port: u16, database: &str) -> bool {
    let cut = |name: &str| name.as_bytes()[..name.len().min(MAX_NAME_BYTES)].to_vec();
    if place.port != port || cut(&place.database) != cut(database) {
        return false;
    }
    for host in hosts.split(',') {
        if is_same_host(&place.host, host).await {
            return true;
        }
    }
    false
}

/// Whether two names are of one machine: the same, both this one, or with an address in common.
async fn is_same_host(one: &str, other: &str) -> bool {
    let plain = |host: &str| host.trim_matches(['[', ']', ' ', '.']).to_lowercase();
    let (one, other) = (plain(one), plain(other));
    if one == other {
        return true;
    }
    let (one, other) = (addresses(&one).await, addresses(&other).await);
    let is_here = |addresses: &[IpAddr]| addresses.iter().any(|address| is_of_this_machine(*address));
    one.iter().any(|address| other.contains(address)) || (is_here(&one) && is_here(&other))
}

async fn addresses(host: &str) -> Vec<IpAddr> {
    // The folder of a socket.
    if host.is_empty() || host.starts_with(['/', '@']) {
        return vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    }
    let found = tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host, 0))).await;
    match found {
        Ok(Ok(found)) => found.map(|address| address.ip().to_canonical()).collect(),
        // A host that cannot be found cannot be restored into either.
        _ => Vec::new(),
    }
}

/// Only an address of this machine can be listened on.
fn is_of_this_machine(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Origin;

    fn place(host: &str) -> DatabasePlace {
        DatabasePlace { adapter: ID, host: host.to_owned(), port: 5432, database: "meta".to_owned() }
    }

    #[tokio::test]
    async fn a_database_is_known_by_every_name_of_its_host() {
        for (one, other) in [
            ("localhost", "127.0.0.1"),
            ("127.0.0.1", "LOCALHOST"),
            ("localhost", "::1"),
            ("localhost", "[::1]"),
            ("/run/postgresql", "localhost"),
            ("127.0.0.1", "/tmp"),
            ("127.0.0.1", "127.0.0.2"),
            ("127.0.0.1", "::ffff:127.0.0.1"),
            ("127.0.0.1", "other.invalid,localhost"),
            ("db.example", "DB.example."),
            ("192.0.2.1", "192.0.2.1"),
        ] {
            assert!(is_same_database(&place(one), other, 5432, "meta").await, "{one}, {other}");
        }
        assert!(!is_same_database(&place("localhost"), "localhost", 5433, "meta").await);
        assert!(!is_same_database(&place("localhost"), "localhost", 5432, "shop").await);
        assert!(!is_same_database(&place("192.0.2.1"), "192.0.2.2", 5432, "meta").await);
        let long = DatabasePlace { database: "x".repeat(63), ..place("localhost") };
        assert!(is_same_database(&long, "localhost", 5432, &"x".repeat(70)).await, "PostgreSQL cuts it");
    }

    #[tokio::test]
    async fn an_address_names_the_database_that_is_there() {
        let source = |address: &str| Postgres::parse(address, Origin::Private, None).unwrap();
        for same in ["postgres://me@localhost/meta", "postgres://127.0.0.1:5432/meta", "postgres:///meta?service=any"] {
            assert!(may_be_at(&source(same), &place("localhost")).await, "{same}");
        }
        let elsewhere = DatabasePlace { adapter: "mysql", ..place("localhost") };
        assert!(!may_be_at(&source("postgres://localhost/meta"), &elsewhere).await);
        assert!(!may_be_at(&source("postgres://localhost:5433/meta"), &place("localhost")).await);
        assert!(!may_be_at(&source("postgres://localhost/"), &place("localhost")).await);
    }
}
