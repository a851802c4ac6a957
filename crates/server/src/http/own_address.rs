//! Whether a browser that is about to sign in has opened this server at an address of its own, and one where a session can last.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use url::{Host, Url};

use super::problem::Problem;
use crate::config::Config;

/// Refuses names that are not this server's: a foreign page could have had its own name lead here (DNS rebinding). And plain
/// HTTP where cookies are for HTTPS: browsers would drop the session.
pub(crate) fn check(headers: &HeaderMap, config: &Config) -> Result<(), Problem> {
    let origin = text(headers, ORIGIN.as_str());
    let by_browser = origin.is_some() || headers.contains_key("sec-fetch-site");
    if !by_browser || origin == Some(&config.public_url.origin().ascii_serialization()) {
        return Ok(());
    }
    let public_url = &config.public_url;
    if let Some(host) = text(headers, HOST.as_str()).map(host_name).filter(|host| !is_own(host, config)) {
        let host: String = host.chars().take(100).collect();
        return Err(Problem::new(
            axum::http::StatusCode::FORBIDDEN,
            "unknownHost",
            format!(
                "\u{201c}{host}\u{201d} is not a name of this server. Open it at {public_url}, set PUBLIC_URL (--public-url) to \
                 the address in the browser's address bar, or allow the name with --allowed-host {host}."
            ),
        ));
    }
    let is_plain = origin.and_then(|origin| Url::parse(origin).ok()).is_some_and(|origin| {
        origin.scheme() == "http" && !origin.host().is_some_and(|host| is_loopback(&host.to_owned()))
    });
    if is_plain && config.is_secure() {
        return Err(Problem::new(
            axum::http::StatusCode::FORBIDDEN,
            "needsHttps",
            format!(
                "You opened this server over plain HTTP, where browsers drop its session cookie. Open it at {public_url}. If it \
                 is not meant to use HTTPS, set PUBLIC_URL (--public-url) to an address that begins with http://."
            ),
        ));
    }
    Ok(())
}

/// The address to open instead, where this one is another name of the same loopback: a session of one is none of the other,
/// and Dropbox leads back to the public URL.
pub(crate) fn loopback_instead(headers: &HeaderMap, public_url: &Url) -> Option<Url> {
    let here = Url::parse(&format!("http://{}", text(headers, HOST.as_str())?)).ok()?;
    let is_other =
        here.host() != public_url.host() && here.port_or_known_default() == public_url.port_or_known_default();
    let both = [here.host()?, public_url.host()?].iter().all(|host| is_loopback(&host.to_owned()));
    (is_other && both && public_url.scheme() == "http").then(|| public_url.clone())
}

fn is_own(host: &str, config: &Config) -> bool {
    let Ok(host) = Host::parse(host) else { return false };
    let given = |own: &str| Host::parse(own).is_ok_and(|own| own == host);
    !matches!(host, Host::Domain(_))
        || is_loopback(&host)
        || config.public_url.host().is_some_and(|own| own.to_owned() == host)
        || config.allowed_hosts.iter().any(|own| given(own))
}

fn is_loopback(host: &Host<String>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => *address == Ipv4Addr::LOCALHOST,
        Host::Ipv6(address) => *address == Ipv6Addr::LOCALHOST,
    }
}

/// A Host header without its port.
fn host_name(host: &str) -> &str {
    let end = host.rfind(']').map_or(0, |bracket| bracket + 1);
    host[end..].find(':').map_or(host, |colon| &host[..end + colon])
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_host_is_told_from_its_port() {
        for (header, name) in [("a:1", "a"), ("a", "a"), ("[::1]:3000", "[::1]"), ("[::1]", "[::1]"), ("", "")] {
            assert_eq!(host_name(header), name);
        }
    }

    #[test]
    fn only_another_name_of_the_same_loopback_is_led_on() {
        let led = |host: &str, public: &str| {
            loopback_instead(&headers(&[("host", host)]), &public.parse().unwrap()).map(|url| url.to_string())
        };
        assert_eq!(led("127.0.0.1:3000", "http://localhost:3000"), Some("http://localhost:3000/".to_owned()));
        assert_eq!(led("[::1]:3000", "http://localhost:3000"), Some("http://localhost:3000/".to_owned()));
        assert_eq!(led("localhost:3000", "http://127.0.0.1:3000"), Some("http://127.0.0.1:3000/".to_owned()));
        for (host, public) in [
            ("localhost:3000", "http://localhost:3000"),
            ("127.0.0.1:8080", "http://localhost:3000"),
            ("192.168.1.5:3000", "http://localhost:3000"),
            ("127.0.0.1:3000", "http://backup.example:3000"),
            ("127.0.0.1", "https://localhost"),
            ("", "http://localhost:3000"),
        ] {
            assert_eq!(led(host, public), None, "{host} {public}");
        }
        assert_eq!(loopback_instead(&HeaderMap::new(), &"http://localhost:3000".parse().unwrap()), None);
    }
}
