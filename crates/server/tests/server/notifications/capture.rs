//! A service on the loopback interface that keeps what it is told, and the channels that lead to it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use adapter::channel::{Channel, Message, Receipt};
use adapter::{Capability, Directs, Error, Field, Input, Kind, Manifest, Registry, Required, Retry, Secrets, Settings};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use channels::{ChannelAdapter, Context};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use server::Config;

use crate::world::{Browser, PATIENCE, id};

/// A secret that must be nowhere but in the header of a request.
pub(super) const TOKEN: &str = "token-of-the-captured-service-0815";

/// The service.
#[derive(Clone)]
pub(super) struct Capture {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Value>>>,
    /// What it answers.
    pub(super) answer: Arc<Mutex<u16>>,
}

impl Capture {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/told", listener.local_addr().unwrap());
        let capture = Self { url, seen: Arc::default(), answer: Arc::new(Mutex::new(200)) };
        let router = Router::new().route("/told", post(receive)).with_state(capture.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        capture
    }

    pub(super) fn answers(&self, status: u16) {
        *self.answer.lock().unwrap() = status;
    }

    pub(super) fn seen(&self) -> Vec<Value> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn titles(&self) -> Vec<String> {
        self.seen().iter().map(|message| message["title"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until it was told so much, and returns it.
    pub(super) async fn told(&self, number: usize) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.seen();
            if seen.len() >= number {
                assert_eq!(seen.len(), number, "{seen:#?}");
                return seen;
            }
            assert!(Instant::now() < deadline, "waited in vain for {number} messages: {seen:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Creates a channel to it.
    pub(super) async fn channel(&self, anna: &Browser, name: &str) -> String {
        self.channel_of(anna, name, "capture").await
    }

    pub(super) async fn channel_of(&self, anna: &Browser, name: &str, kind: &str) -> String {
        let input = json!({"name": name, "settings": {"type": kind, "url": self.url}, "token": TOKEN});
        id(&anna.post("/api/channels", &input).await.expect(201))
    }
}

async fn receive(State(capture): State<Capture>, headers: HeaderMap, Json(message): Json<Value>) -> StatusCode {
    assert_eq!(headers["x-token"], TOKEN);
    capture.seen.lock().unwrap().push(message);
    StatusCode::from_u16(*capture.answer.lock().unwrap()).unwrap()
}

/// Registers the channels to such services.
pub(super) fn with_captures(config: &mut Config) {
    config.adapters.channels = Registry::new([TOLD, PINGED]);
}

const TOLD: ChannelAdapter = ChannelAdapter { manifest: &MANIFEST, open };
const PINGED: ChannelAdapter = ChannelAdapter { manifest: &PINGS, open };

const fn manifest(id: &'static str, capabilities: &'static [Capability]) -> Manifest {
    Manifest {
        id,
        title: "Capture",
        summary: "A service that only tests know.",
        guide: "",
        icon: r#"<svg viewBox="0 0 24 24"><path d="M3 11h18v2H3z"/></svg>"#,
        schemes: &[],
        addresses: "",
        fields: FIELDS,
        database_field: None,
        effect: "",
        authorization: None,
        capabilities,
        tools: &[],
        setup: None,
        check: |_, _| (),
    }
}

static MANIFEST: Manifest = manifest("capture", &[]);
static PINGS: Manifest = manifest("capturePings", &[Capability::Pings]);

const FIELDS: &[Field] = &[
    Field {
        name: "url",
        label: "URL",
        help: "Where it listens.",
        required: Required::Always,
        directs: Directs::Secrets,
        ..Field::TEXT
    },
    Field { name: "token", label: "Token", help: "Is checked.", input: Input::Secret { shown: false }, ..Field::TEXT },
];

fn open(settings: &Settings, secrets: Secrets, _: &Context) -> Result<Arc<dyn Channel>, Error> {
    Ok(Arc::new(Sender { url: settings.text("url").unwrap_or_default().to_owned(), secrets }))
}

struct Sender {
    url: String,
    secrets: Secrets,
}

#[async_trait::async_trait]
impl Channel for Sender {
    fn name(&self) -> String {
        "capture".to_owned()
    }

    async fn send(&self, message: &Message) -> Result<Receipt, Error> {
        let failed = |cause: String| Error::new(Kind::Unavailable, "could not deliver", cause);
        let token = self.secrets["token"].expose_secret();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        let request = client.post(&self.url).header("x-token", token);
        let body = serde_json::to_string(message).unwrap();
        let sent = request.header("content-type", "application/json").body(body).send().await;
        let answer = sent.map_err(|error| failed(error.to_string()))?;
        match answer.status().as_u16() {
            200 => Ok(Receipt::new("200 OK")),
            503 => Err(failed("503".to_owned()).retry(Retry::Later)),
            status => Err(Error::failed("could not deliver", format!("{status}, with {token}"))),
        }
    }
}
