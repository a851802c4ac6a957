//! A caller that says exactly what a test wants said.

use std::time::Duration;

use dropbox_emulator::{Config, Control, Emulator};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

pub(crate) const BLOCK: usize = 4 * 1024 * 1024;

/// An answer: its status and its body, as JSON or else as a string.
pub(crate) type Answer = (u16, Value);

pub(crate) struct Api {
    pub(crate) url: String,
    /// `None` if it runs in a process of its own.
    pub(crate) emulator: Option<Emulator>,
    pub(crate) client: Client,
    pub(crate) token: String,
}

pub(crate) async fn read(response: Response) -> Answer {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["x-dropbox-request-id"].len(), 32);
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

impl Api {
    /// Starts an emulator in this process.
    pub(crate) async fn start(config: Config) -> Api {
        let emulator = Emulator::start(config).await.unwrap();
        Api::connect(emulator.api_url(), Some(emulator)).await
    }

    /// Speaks to the emulator at `url`.
    pub(crate) async fn connect(url: String, emulator: Option<Emulator>) -> Api {
        let client = Client::builder()
            .timeout(Duration::from_secs(60))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let mut api = Api { url, emulator, client, token: String::new() };
        api.renew().await;
        api
    }

    /// Gets another access token.
    pub(crate) async fn renew(&mut self) {
        let (status, tokens) = self
            .token(&[
                ("grant_type", "refresh_token"),
                ("refresh_token", "emulator-refresh-token"),
                ("client_id", "emulator-app-key"),
            ])
            .await;
        assert_eq!(status, 200, "{tokens}");
        self.token = tokens["access_token"].as_str().unwrap().to_owned();
    }

    pub(crate) fn control(&self) -> &Control {
        self.emulator.as_ref().unwrap().control()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// A request to the token endpoint.
    pub(crate) async fn token(&self, pairs: &[(&str, &str)]) -> Answer {
        let request = self.client.post(self.url("/oauth2/token"));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form(pairs));
        read(request.send().await.unwrap()).await
    }

    /// A request to a route, with the token and nothing else.
    pub(crate) fn request(&self, route: &str) -> RequestBuilder {
        self.client.post(self.url(&format!("/2/{route}"))).bearer_auth(&self.token)
    }

    pub(crate) async fn rpc(&self, route: &str, arg: Value) -> Answer {
        let request = self.request(route).header("content-type", "application/json").body(arg.to_string());
        read(request.send().await.unwrap()).await
    }

    pub(crate) fn upload_request(&self, route: &str, arg: &Value) -> RequestBuilder {
        let request = self.request(route).header("content-type", "application/octet-stream");
        // As raw UTF-8 bytes, as rclone sends it.
        let arg = reqwest::header::HeaderValue::from_bytes(arg.to_string().as_bytes()).unwrap();
        request.header("dropbox-api-arg", arg)
    }

    pub(crate) async fn upload(&self, route: &str, arg: Value, body: impl Into<reqwest::Body>) -> Answer {
        read(self.upload_request(route, &arg).body(body).send().await.unwrap()).await
    }

    /// Starts a session and answers with its id.
    pub(crate) async fn session(&self, kind: &str) -> String {
        let (status, started) = self.upload("files/upload_session/start", json!({ "session_type": kind }), "").await;
        assert_eq!(status, 200, "{started}");
        started["session_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn append(
        &self,
        session: &str,
        offset: u64,
        close: bool,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let arg = json!({ "cursor": { "session_id": session, "offset": offset }, "close": close });
        self.upload("files/upload_session/append_v2", arg, body).await
    }

    pub(crate) async fn finish(
        &self,
        session: &str,
        offset: u64,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let arg = json!({ "cursor": { "session_id": session, "offset": offset }, "commit": { "path": path } });
        self.upload("files/upload_session/finish", arg, body).await
    }
}

/// Asserts a 409 with that error.
#[track_caller]
pub(crate) fn refused(answer: &Answer, error: Value) {
    assert_eq!((answer.0, &answer.1["error"]), (409, &error), "{}", answer.1);
    let summary = answer.1["error_summary"].as_str().unwrap();
    assert!(summary.starts_with(error[".tag"].as_str().unwrap()), "{summary}");
    assert!(summary.trim_end_matches('.').ends_with('/'), "{summary}");
}

/// Asserts a 400 whose text has these words.
#[track_caller]
pub(crate) fn bad(answer: &Answer, words: &str) {
    let text = answer.1.as_str().unwrap_or_else(|| panic!("not plain text: {}", answer.1));
    assert_eq!(answer.0, 400, "{text}");
    assert!(text.contains(words), "{text}");
}
