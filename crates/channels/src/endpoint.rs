//! A URL as two fields. The server is a setting that everybody sees and whose change sends secrets to another place; the rest of the URL
//! is a secret.

use adapter::{Directs, Error, Field, FieldError, Input, Required, Settings};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::egress::check_url;

pub(crate) const SERVER: &str = "server";
pub(crate) const PATH: &str = "path";

/// Returns the field of the server.
pub(crate) const fn server(example: &'static str) -> Field {
    Field {
        name: SERVER,
        label: "Server",
        help: "The start of the URL, up to the host or port. Redirects are not followed.",
        required: Required::Always,
        max_len: 300,
        example,
        directs: Directs::Secrets,
        ..Field::TEXT
    }
}

/// Returns the field of the rest of the URL.
pub(crate) const fn path(help: &'static str, example: &'static str) -> Field {
    Field {
        name: PATH,
        label: "Path",
        help,
        input: Input::Secret { shown: true },
        required: Required::Always,
        max_len: 2048,
        example,
        ..Field::TEXT
    }
}

/// Checks the server, and removes the slash at its end.
pub(crate) fn check_server(settings: &mut Settings, errors: &mut Vec<FieldError>) {
    let Some(text) = settings.text(SERVER) else { return };
    match check_url(text) {
        Err(problem) => errors.push(FieldError::new(SERVER, problem)),
        Ok(url) if url.path() != "/" || url.query().is_some() || url.fragment().is_some() => {
            errors.push(FieldError::new(SERVER, "must end with the host or port: the rest belongs into the path"));
        }
        Ok(url) => settings.set(SERVER, url.as_str().trim_end_matches('/')),
    }
}

/// Joins server and path.
///
/// # Errors
/// If they are no URL of that server. The path is not repeated.
pub(crate) fn url(settings: &Settings, path: Option<&SecretString>) -> Result<Url, Error> {
    let server = settings.text(SERVER).unwrap_or_default();
    let server = check_url(server).map_err(|problem| Error::invalid(format!("the server {problem}")))?;
    let path = path.map_or("/", |path| path.expose_secret());
    if !path.starts_with('/') || path.chars().any(char::is_control) {
        return Err(Error::invalid("the path must start with '/' and be one line"));
    }
    let unfit = |_| Error::invalid("the path does not belong into a URL");
    let mut url = Url::parse(&format!("{}{path}", server.as_str().trim_end_matches('/'))).map_err(unfit)?;
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(server: &str, path: &str) -> Result<String, Error> {
        let settings = Settings::new("x").with(SERVER, server);
        url(&settings, Some(&path.into())).map(String::from)
    }

    #[test]
    fn a_path_cannot_change_the_server() {
        assert_eq!(joined("https://a.example:8443", "/b/c?d=e#f").unwrap(), "https://a.example:8443/b/c?d=e");
        assert_eq!(joined("https://a.example", "//evil.example/").unwrap(), "https://a.example//evil.example/");
        for path in ["@evil.example/", ".evil.example/", ":80/", "", "/a\r\nb"] {
            let error = joined("https://a.example", path).unwrap_err();
            assert!(!error.to_string().contains("evil"), "{error}");
        }
    }

    #[test]
    fn a_server_is_a_url_without_a_path() {
        for server in ["https://a.example/b", "https://a.example?b", "a.example", "ftp://a.example"] {
            let (mut settings, mut errors) = (Settings::new("x").with(SERVER, server), Vec::new());
            check_server(&mut settings, &mut errors);
            assert_eq!(errors.len(), 1, "{server}");
        }
        let (mut settings, mut errors) = (Settings::new("x").with(SERVER, "https://A.example/"), Vec::new());
        check_server(&mut settings, &mut errors);
        assert_eq!((settings.text(SERVER), errors.len()), (Some("https://a.example"), 0));
    }
}
