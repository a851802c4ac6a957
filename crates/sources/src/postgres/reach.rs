//! Reaching a server before a login: names, connections, TLS.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};

use super::config::Place;

/// Maximum time for a name, for a connection and for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A step's result and its detail, or why it failed.
type Step<T> = Result<(T, Option<String>), String>;

/// Resolves the names of all hosts. One that has an address is enough, as it is to libpq.
pub(super) async fn resolve(places: &[Place]) -> Step<Vec<SocketAddr>> {
    let (mut found, mut details, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for place in places {
        match place {
            Place::Socket(_) => details.push("a socket on this machine".to_owned()),
            Place::Service(service) => details.push(format!("the hosts of service '{service}'")),
            Place::Network(host, port) => match look_up(host, *port).await {
                Ok(addresses) => {
                    let first = addresses.first().map(|address| address.ip().to_string()).unwrap_or_default();
                    details.push(if places.len() > 1 { format!("{host} is {first}") } else { first });
                    found.extend(addresses);
                }
                Err(failure) => failures.push(failure),
            },
        }
    }
    if details.is_empty() {
        return Err(failures.join("; "));
    }
    details.extend(failures);
    Ok((found, Some(details.join(", "))))
}

async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let wrong = |cause: &str| {
        format!("the name '{host}' cannot be resolved ({cause}): check its spelling and this machine's DNS")
    };
    let looked_up = tokio::time::timeout(TIMEOUT, lookup_host((host, port))).await;
    let found = looked_up.map_err(|_| wrong("no answer"))?.map_err(|error| wrong(&error.to_string()))?;
    Ok(found.collect())
}

/// Connects to the first address that answers.
pub(super) async fn connect(addresses: &[SocketAddr], places: &[Place]) -> Step<Option<SocketAddr>> {
    let elsewhere = places.iter().any(|place| !matches!(place, Place::Network(..)));
    let mut failures = Vec::new();
    for address in addresses {
        match tokio::time::timeout(TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(_)) if failures.is_empty() => return Ok((Some(*address), Some(address.to_string()))),
            Ok(Ok(_)) => {
                let detail = format!("{address}; nobody answers at {}", failures.join(", "));
                return Ok((Some(*address), Some(detail)));
            }
            Ok(Err(error)) => failures.push(format!("{address} ({error})")),
            Err(_) => failures.push(format!("{address} (no answer)")),
        }
    }
    if failures.is_empty() || elsewhere {
        return Ok((None, None));
    }
    Err(format!(
        "nobody answers at {}: is PostgreSQL running there, does it listen on that address (listen_addresses), and does a \
         firewall let us through?",
        failures.join(", ")
    ))
}

/// Whether what travels is encrypted, as far as that shows before the login, which also checks the certificate.
pub(super) async fn tls(mode: &str, address: Option<SocketAddr>, places: &[Place]) -> Step<()> {
    let found = |detail: &str| Ok(((), Some(detail.to_owned())));
    let Some(address) = address else {
        let is_service = places.iter().any(|place| matches!(place, Place::Service(_)));
        return found(if is_service { "as the service says" } else { "not needed on a socket" });
    };
    if mode == "disable" {
        return found("switched off for this source");
    }
    let offered = match tokio::time::timeout(TIMEOUT, offers_tls(address)).await {
        Ok(answer) => answer.map_err(|error| format!("{address} broke off when asked for TLS: {error}"))?,
        Err(_) => return Err(format!("{address} did not answer when asked for TLS: is PostgreSQL listening there?")),
    };
    match (offered, mode) {
        (true, "verify-ca" | "verify-full") => found("offered; the login checks the certificate"),
        (true, _) => found("offered; the certificate is not checked"),
        (false, "require" | "verify-ca" | "verify-full") => Err(format!(
            "{address} offers no TLS, and this source wants it: switch it on there (ssl = on), or do without encryption"
        )),
        (false, _) => found("not offered: what is read travels in the clear"),
    }
}

/// Sends an `SSLRequest`, which a server answers with one byte, `S` or `N`
/// (<https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL>).
async fn offers_tls(address: SocketAddr) -> std::io::Result<bool> {
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(&SSL_REQUEST).await?;
    Ok(connection.read_u8().await? == b'S')
}
