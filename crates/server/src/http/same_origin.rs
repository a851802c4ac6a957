//! Browsers change things only from our own pages.
//!
//! Every browser sends `Sec-Fetch-Site` or `Origin` with such a request, and no page can forge them. A request that comes with a
//! cookie and with neither is no browser's, and has no business with a cookie.

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method};
use url::Url;

/// Whether a method changes nothing.
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a request comes from a page of this server.
pub(crate) fn is_same_origin(headers: &HeaderMap, public_url: &Url) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(ORIGIN.as_str()) else { return false };
    if origin == public_url.origin().ascii_serialization() {
        return true;
    }
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_some() && authority == text(HOST.as_str())
}

/// Whether a request without a cookie could still be a foreign page's.
pub(crate) fn is_cross_site(headers: &HeaderMap, public_url: &Url) -> bool {
    let by_browser = headers.contains_key("sec-fetch-site") || headers.contains_key(ORIGIN);
    by_browser && !is_same_origin(headers, public_url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_pages_are_told_from_our_own() {
        let judge = |pairs: &[(&'static str, &str)]| {
            let headers: HeaderMap =
                pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            is_same_origin(&headers, &"https://backup.example".parse().unwrap())
        };
        assert!(judge(&[("sec-fetch-site", "same-origin")]));
        assert!(judge(&[("origin", "https://backup.example"), ("host", "internal:3000")]));
        assert!(judge(&[("origin", "http://localhost:3000"), ("host", "localhost:3000")]));
        for foreign in [
            &[("sec-fetch-site", "cross-site"), ("origin", "https://backup.example")][..],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "https://evil.example"), ("host", "backup.example")],
            &[("origin", "null"), ("host", "backup.example")],
            &[("origin", "https://backup.example.evil.example")],
            &[("host", "backup.example")],
        ] {
            assert!(!judge(foreign), "{foreign:?}");
        }
    }
}
