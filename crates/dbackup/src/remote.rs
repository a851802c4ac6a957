//! A server, as the command line sees it.

mod adapters;
mod configuration;
mod events;
mod secrets;

use std::time::Duration;

use reqwest::{Certificate, Client, Method, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

pub(crate) use adapters::{Adapters, REFRESH_TOKEN};
pub(crate) use configuration::{Configuration, entry_of, for_server};
pub(crate) use secrets::{resolve, resolve_one};

use crate::credentials;
use crate::environment::variable;
use crate::failure::{Failure, with_details};
use crate::output;

const STANDARD_URL: &str = "http://localhost:3000";
const CONNECT: Duration = Duration::from_secs(15);
const ANSWER: Duration = Duration::from_secs(120);
/// A little more than the server takes.
const LONG_ANSWER: Duration = Duration::from_secs(3700);
/// No answer is larger.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// What a server has several of, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Source,
    Destination,
    Profile,
    RetentionPolicy,
    Job,
    Channel,
    NotificationRule,
}

impl Kind {
    /// In the order in which they refer to each other.
    pub(crate) const ALL: [Self; 7] = [
        Self::Source,
        Self::Destination,
        Self::Profile,
        Self::RetentionPolicy,
        Self::Job,
        Self::Channel,
        Self::NotificationRule,
    ];

    /// The path in the API.
    pub(crate) fn path(self) -> String {
        let name = match self {
            Self::RetentionPolicy => "retention-policies",
            Self::NotificationRule => "notification-rules",
            other => other.plural(),
        };
        format!("/api/{name}")
    }

    /// In files.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Source => "sources",
            Self::Destination => "destinations",
            Self::Profile => "profiles",
            Self::RetentionPolicy => "retentionPolicies",
            Self::Job => "jobs",
            Self::Channel => "channels",
            Self::NotificationRule => "notificationRules",
        }
    }

    /// For people.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Profile => "encryption profile",
            Self::RetentionPolicy => "retention policy",
            Self::Job => "job",
            Self::Channel => "channel",
            Self::NotificationRule => "notification rule",
        }
    }

    /// Whether what can be set for it depends on its type.
    pub(crate) fn has_adapters(self) -> bool {
        matches!(self, Self::Source | Self::Destination | Self::Channel)
    }
}

/// Returns the address of the server that the environment names.
pub(crate) fn server_url() -> Result<Url, Failure> {
    let url = variable("DBACKUP_URL")?.unwrap_or_else(|| STANDARD_URL.to_owned());
    let parsed: Url = url.parse().map_err(|error| Failure::usage(format!("DBACKUP_URL '{url}': {error}")))?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(Failure::usage("DBACKUP_URL must hold no user and no password: dbackup login stores a token"));
    }
    Ok(parsed)
}

/// Returns a client that trusts the authority which the environment names, besides those of the system.
pub(crate) fn client() -> Result<Client, Failure> {
    let mut builder = Client::builder().connect_timeout(CONNECT).redirect(reqwest::redirect::Policy::none());
    if let Some(file) = variable("DBACKUP_CA_FILE")? {
        let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("DBACKUP_CA_FILE {file}: {error}"));
        let pem = std::fs::read(&file).map_err(|error| wrong(&error))?;
        builder = builder.tls_certs_merge(Certificate::from_pem_bundle(&pem).map_err(|error| wrong(&error))?);
    }
    builder.build().map_err(|error| Failure::failed(error.to_string()))
}

/// A server, with whoever's token.
pub(crate) struct Server {
    url: Url,
    token: SecretString,
    http: Client,
}

impl Server {
    /// The server that the environment names.
    pub(crate) fn of_environment() -> Result<Self, Failure> {
        let url = server_url()?;
        let token = match variable("DBACKUP_TOKEN")? {
            Some(token) => Some(token.into()),
            None => credentials::find(&url)?,
        };
        let missing = || {
            Failure::usage(format!(
                "there is no API token for {url}. Run dbackup login, or set DBACKUP_TOKEN. The web UI creates tokens under People and access"
            ))
        };
        let token = token.ok_or_else(missing)?;
        Self::with_token(url, token)
    }

    /// The server at this address, whose certificate may come from the authority that the environment names.
    pub(crate) fn with_token(url: Url, token: SecretString) -> Result<Self, Failure> {
        let http = client()?;
        Ok(Self { url, token, http })
    }

    /// The server at this address.
    pub(crate) fn at(url: Url, token: SecretString) -> Result<Self, Failure> {
        let builder = Client::builder().connect_timeout(CONNECT).redirect(reqwest::redirect::Policy::none());
        let http = builder.no_proxy().build().map_err(|error| Failure::failed(error.to_string()))?;
        Ok(Self { url, token, http })
    }

    /// Asks and reads the whole answer; a refusal is the error, in the server's words.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        Ok(self.answers(method, path, body).await?.pop().unwrap_or_default())
    }

    /// As [`Self::ask`]; a refusal is the problem that the server describes.
    pub(crate) async fn ask_or_problem(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Result<Value, Value>, Failure> {
        let answer = tokio::time::timeout(ANSWER, async {
            let response = self.send_any(method, path, Some(body), None).await?;
            let is_success = response.status().is_success();
            Ok::<_, Failure>((is_success, read(response).await?))
        });
        let (is_success, text) = answer.await.map_err(|_| self.too_late())??;
        let value: Value = serde_json::from_slice(&text).map_err(|error| self.not_understood(&error))?;
        Ok(if is_success { Ok(value) } else { Err(value) })
    }

    fn too_late(&self) -> Failure {
        Failure::failed(format!("{} did not answer in time", self.url))
    }

    fn not_understood(&self, error: &serde_json::Error) -> Failure {
        Failure::failed(format!("{} did not answer as dbackup does: {error}", self.url))
    }

    /// As [`Self::ask`], of what may read a whole backup.
    pub(crate) async fn ask_patiently(&self, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
        Ok(self.answers_within(LONG_ANSWER, method, path, Some(body)).await?.pop().unwrap_or_default())
    }

    /// As [`Self::ask`], where the answer may have several lines, or none.
    pub(crate) async fn answers(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Vec<Value>, Failure> {
        self.answers_within(ANSWER, method, path, body).await
    }

    async fn answers_within(
        &self,
        limit: Duration,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Vec<Value>, Failure> {
        let answer = tokio::time::timeout(limit, async {
            let response = self.send(method, path, body, None).await?;
            read(response).await
        });
        let text = answer.await.map_err(|_| self.too_late())??;
        serde_json::Deserializer::from_slice(&text)
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|error| self.not_understood(&error))
    }

    /// Changes what has this revision by a merge patch. If it was changed since, the refusal is the error.
    pub(crate) async fn patch(&self, path: &str, revision: &Value, patch: &Value) -> Result<Value, Failure> {
        let tag = format!("\"{revision}\"");
        let answer = tokio::time::timeout(ANSWER, async {
            read(self.send(Method::PATCH, path, Some(patch), Some(("if-match", &tag))).await?).await
        });
        let text = answer.await.map_err(|_| self.too_late())??;
        serde_json::from_slice(&text).map_err(|error| self.not_understood(&error))
    }

    /// Deletes what has this revision. If it was changed since, the refusal is the error.
    pub(crate) async fn delete(&self, path: &str, revision: &Value) -> Result<(), Failure> {
        let tag = format!("\"{revision}\"");
        let sent = self.send(Method::DELETE, path, None, Some(("if-match", &tag)));
        tokio::time::timeout(ANSWER, sent).await.map_err(|_| self.too_late())?.map(drop)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None).await
    }

    /// Prints an answer as it comes.
    pub(crate) async fn print(&self, path: &str) -> Result<(), Failure> {
        let mut response = self.send(Method::GET, path, None, None).await?;
        while let Some(piece) = response.chunk().await.map_err(|error| broken(&error))? {
            output::raw(&piece);
        }
        Ok(())
    }

    /// Every item of a list, page by page.
    pub(crate) async fn list(&self, path: &str) -> Result<Vec<Value>, Failure> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let next = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let mut page = self.get(&format!("{path}{separator}limit=200{next}")).await?;
            if let Value::Array(more) = page["items"].take() {
                items.extend(more);
            }
            cursor = page["nextCursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return Ok(items);
            }
        }
    }

    /// The one of a kind that has this name or id.
    pub(crate) async fn find(&self, kind: Kind, name: &str) -> Result<Value, Failure> {
        let all = self.list(&kind.path()).await?;
        let wanted = name.trim().to_lowercase();
        let found = all.into_iter().find(|item| {
            item["id"] == *name || item["name"].as_str().is_some_and(|name| name.to_lowercase() == wanted)
        });
        found.ok_or_else(|| Failure::failed(format!("there is no {} '{name}' on the server", kind.noun())))
    }

    /// Sends a request, with one header more if need be; a refusal is the error.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        header: Option<(&str, &str)>,
    ) -> Result<Response, Failure> {
        let response = self.send_any(method, path, body, header).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let problem: Value = serde_json::from_slice(&read(response).await?).unwrap_or_default();
        let detail = problem["detail"].as_str().map_or_else(|| format!("HTTP {status}"), str::to_owned);
        let cure = match status {
            StatusCode::UNAUTHORIZED => ". Is DBACKUP_TOKEN a token of this server? Or run dbackup login",
            _ => "",
        };
        let words = format!("the server refused: {detail}{cure}");
        Err(Failure::failed(with_details(words, problem["technicalDetails"].as_str())))
    }

    /// Sends a request, whatever the answer is.
    async fn send_any(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        header: Option<(&str, &str)>,
    ) -> Result<Response, Failure> {
        let url = self.url.join(path).map_err(|error| Failure::failed(error.to_string()))?;
        let mut request = self.http.request(method, url).bearer_auth(self.token.expose_secret());
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        request.send().await.map_err(|error| unreachable(&self.url, &error))
    }
}

fn unreachable(url: &Url, error: &reqwest::Error) -> Failure {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Failure::failed(format!(
        "could not reach the server at {url}: {cause}. Is it running there? DBACKUP_URL says where"
    ))
}

fn broken(error: &reqwest::Error) -> Failure {
    Failure::failed(format!("the server's answer broke off: {error}"))
}

async fn read(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| broken(&error))? {
        body.extend_from_slice(&piece);
        if body.len() > LARGEST_ANSWER {
            return Err(Failure::failed("the server's answer is too large to be one"));
        }
    }
    Ok(body)
}
