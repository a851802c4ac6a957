//! `dbackup health`

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::cli::ListenArguments;
use crate::failure::{Failure, Outcome};
use crate::output;

/// Less than the time that the Dockerfile's HEALTHCHECK allows.
const TIMEOUT: Duration = Duration::from_secs(4);

pub(crate) async fn run(arguments: ListenArguments) -> Result<Outcome, Failure> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let scheme = if arguments.tls_cert.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}/readyz", reachable(arguments.listen));
    // The certificate names the server's public host, not this address of its own machine. No secret is sent.
    let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).danger_accept_invalid_certs(true).build();
    let client = client.map_err(|error| Failure::failed(format!("could not check: {error}")))?;
    let answer = client.get(&url).send().await.map_err(|error| unreachable(&url, &error))?;
    let status = answer.status();
    let text = answer.text().await.map_err(|error| unreachable(&url, &error))?;
    if status.is_success() {
        output::line("ready");
        return Ok(Outcome::Succeeded);
    }
    let problem: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str()).unwrap_or("no reason given");
    Err(Failure::failed(format!("not ready: {} ({})", output::printable(detail), status.as_u16())))
}

fn unreachable(url: &str, error: &reqwest::Error) -> Failure {
    let cause = if error.is_timeout() {
        format!("no answer within {} s", TIMEOUT.as_secs())
    } else {
        let deepest = std::iter::successors(std::error::Error::source(error), |error| error.source()).last();
        deepest.map_or_else(|| error.to_string(), ToString::to_string)
    };
    Failure::failed(format!(
        "not ready: {url}: {cause}. Give --listen and --tls-cert (or DBACKUP_LISTEN, DBACKUP_TLS_CERT) as serve has them"
    ))
}

/// An address to connect to; listening on all of them includes the loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
