//! Which addresses the server may connect to for a URL or host that a person entered.
//!
//! A name is resolved once, every address is judged, and the connection goes to those addresses only: a name that resolves to another
//! address a moment later changes nothing. Redirects are not followed (`crate::http`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use adapter::{Error, Kind};
use async_trait::async_trait;
use url::{Host, Url};

/// Maximum number of addresses of a name that are tried.
const MAX_ADDRESSES: usize = 16;

/// The policy for connections to hosts that people enter.
#[derive(Clone)]
pub struct Egress {
    /// Whether private networks may be reached: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, fc00::/7.
    pub private: bool,
    /// Whether this machine may be reached: 127.0.0.0/8, ::1.
    pub loopback: bool,
    /// Resolves names.
    pub resolver: Arc<dyn Resolve>,
}

/// Private networks may be reached, this machine may not.
impl Default for Egress {
    fn default() -> Self {
        Self { private: true, loopback: false, resolver: Arc::new(System) }
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("private", &self.private)
            .field("loopback", &self.loopback)
            .finish_non_exhaustive()
    }
}

/// Resolves names to addresses.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// Returns the addresses of a host name.
    ///
    /// # Errors
    /// If the name does not resolve.
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>>;
}

struct System;

#[async_trait]
impl Resolve for System {
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

impl Egress {
    /// Returns the addresses of a URL's host that may be connected to.
    ///
    /// # Errors
    /// As [`Self::addresses`].
    pub(crate) async fn of_url(&self, url: &Url, what: &str) -> Result<Vec<SocketAddr>, Error> {
        let port = url.port_or_known_default().unwrap_or(443);
        match url.host() {
            Some(Host::Ipv4(ip)) => self.judged(vec![ip.into()], port, what),
            Some(Host::Ipv6(ip)) => self.judged(vec![ip.into()], port, what),
            Some(Host::Domain(name)) => self.addresses(name, port, what).await,
            None => Err(Error::invalid("the URL has no host")),
        }
    }

    /// Returns the addresses of a host that may be connected to.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] if the name does not resolve; [`Kind::Denied`] if any of its addresses may not be connected to.
    pub(crate) async fn addresses(&self, host: &str, port: u16, what: &str) -> Result<Vec<SocketAddr>, Error> {
        if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return self.judged(vec![ip], port, what);
        }
        let unresolved =
            |cause: String| Error::new(Kind::Unavailable, what, cause).cure("Check the host name and DNS.");
        let resolved = self.resolver.resolve(host).await;
        let resolved = resolved.map_err(|error| unresolved(format!("'{host}' does not resolve ({error})")))?;
        if resolved.is_empty() {
            return Err(unresolved(format!("'{host}' has no address")));
        }
        self.judged(resolved, port, what)
    }

    fn judged(&self, ips: Vec<IpAddr>, port: u16, what: &str) -> Result<Vec<SocketAddr>, Error> {
        for ip in &ips {
            if let Some((reason, cure)) = self.refusal(*ip) {
                return Err(Error::new(Kind::Denied, what, format!("{ip} is {reason}")).cure(cure));
            }
        }
        Ok(ips.into_iter().take(MAX_ADDRESSES).map(|ip| SocketAddr::new(ip, port)).collect())
    }

    /// Returns why an address may not be connected to, and what to do about it.
    fn refusal(&self, ip: IpAddr) -> Option<(&'static str, &'static str)> {
        const OTHER: &str = "Enter another host.";
        const SETTING: &str = "Enter another host, or have an administrator of the server allow such addresses.";
        let ip = embedded(ip);
        match ip {
            _ if is_metadata(ip) => Some(("an address of cloud metadata", OTHER)),
            _ if is_link_local(ip) => Some(("a link-local address", OTHER)),
            _ if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) => Some(("a multicast address", OTHER)),
            _ if is_unspecified(ip) => Some(("not the address of a host", OTHER)),
            _ if ip.is_loopback() => (!self.loopback).then_some(("an address of the dbackup server itself", SETTING)),
            _ if is_private(ip) => (!self.private).then_some(("a private address", SETTING)),
            _ => None,
        }
    }
}

/// Returns the IPv4 address that an IPv6 address stands for (mapped, compatible, NAT64, 6to4), or the address itself.
fn embedded(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let part = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => part(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => part(high, low),
        [0x2002, high, low, ..] => part(high, low),
        _ => ip,
    }
}

/// The metadata services of clouds outside of the link-local range: AWS over IPv6, Alibaba, Oracle.
fn is_metadata(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            matches!(v4.octets(), [169, 254, 169, 254] | [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16])
        }
        IpAddr::V6(v6) => {
            v6 == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
                || v6 == Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)
        }
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn is_unspecified(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => matches!(v4.octets(), [0 | 240.., ..]),
        IpAddr::V6(v6) => v6.is_unspecified(),
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private() || matches!(v4.octets(), [100, 64..=127, ..]),
        // Unique local, and the site-local addresses that preceded them.
        IpAddr::V6(v6) => v6.is_unique_local() || matches!(v6.segments(), [0xfec0..=0xfeff, ..]),
    }
}

/// Reads a URL that a person entered.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub fn check_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "must be a URL such as https://example.com/path")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must start with https:// or http://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password");
    }
    match url.host_str() {
        Some(host) if !host.is_empty() => Ok(url),
        _ => Err("must name a host"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(egress: &Egress, ip: &str) -> bool {
        egress.refusal(ip.parse().unwrap()).is_some()
    }

    #[test]
    fn no_setting_opens_metadata_link_local_unspecified_or_multicast_addresses() {
        let open = Egress { private: true, loopback: true, ..Egress::default() };
        for ip in [
            "169.254.169.254",
            "169.254.1.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "fe80::1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            assert!(refused(&open, ip), "{ip}");
        }
        for ip in ["127.0.0.1", "::1", "10.1.2.3", "93.184.216.34", "2606:2800:220:1::1"] {
            assert!(!refused(&open, ip), "{ip}");
        }
    }

    #[test]
    fn private_networks_and_this_machine_are_settings() {
        let default = Egress::default();
        assert!(refused(&default, "127.0.0.1") && refused(&default, "::1") && refused(&default, "::ffff:127.0.0.1"));
        let closed = Egress { private: false, ..Egress::default() };
        for ip in ["10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12::1"] {
            assert!(!refused(&default, ip) && refused(&closed, ip), "{ip}");
        }
    }

    #[test]
    fn only_urls_of_the_web_without_a_password_are_taken() {
        for text in ["ftp://x", "file:///etc/passwd", "https://u:p@x/", "x", "https://", "javascript:alert(1)"] {
            assert!(check_url(text).is_err(), "{text}");
        }
        assert_eq!(check_url("http://0x7f.1/x").unwrap().host_str(), Some("127.0.0.1"));
    }

    #[tokio::test]
    async fn one_refused_address_refuses_the_name() {
        struct Two;
        #[async_trait]
        impl Resolve for Two {
            async fn resolve(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
                Ok(vec!["93.184.216.34".parse().unwrap(), "169.254.169.254".parse().unwrap()])
            }
        }
        let egress = Egress { resolver: Arc::new(Two), ..Egress::default() };
        let error = egress.addresses("rebind.example", 443, "could not send").await.unwrap_err();
        assert_eq!(error.kind(), &Kind::Denied);
    }
}
