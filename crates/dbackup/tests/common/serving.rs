//! A server of the real binary, and requests to it.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::browser::allow_in_browser;
use crate::world::World;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A server that runs until it is dropped.
pub(crate) struct Serving {
    process: Child,
    pub(crate) lines: Lines<BufReader<ChildStdout>>,
    pub(crate) url: String,
    /// Printed as long as there is no administrator.
    pub(crate) setup_token: Option<String>,
    pub(crate) token: Option<String>,
    /// Longest wait for an answer.
    pub(crate) patience: Duration,
    client: reqwest::Client,
    runtime: Runtime,
}

/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// The command that starts a server of this world.
pub(crate) fn command(world: &World, more: &[&str]) -> Command {
    command_in(world, "data", "server.log", more)
}

/// The command that starts a server with a data folder and a log of these names.
pub(crate) fn command_in(world: &World, data: &str, log: &str, more: &[&str]) -> Command {
    let data = world.path(data).display().to_string();
    let mut command = world.command(&[&["serve", "--data", &data, "--listen", "127.0.0.1:0"], more].concat());
    command.env_remove("DROPBOX_APP_KEY").env_remove("DROPBOX_REFRESH_TOKEN");
    command.stdout(Stdio::piped()).stderr(File::options().create(true).append(true).open(world.path(log)).unwrap());
    command
}

impl Serving {
    pub(crate) fn start(world: &World, more: &[&str]) -> Self {
        Self::start_command(&mut command(world, more))
    }

    pub(crate) fn start_command(command: &mut Command) -> Self {
        let mut serving = Self::try_start(command).expect("the server ended, see its log");
        if serving.ask(Method::GET, "/api/setup", None).1["needed"] == true {
            let line = serving.lines.next().unwrap().unwrap();
            let (_, token) = line.split_once("/setup#token=").unwrap_or_else(|| panic!("{line}"));
            serving.setup_token = Some(token.to_owned());
        }
        serving
    }

    /// Starts a server whose installation may be set up already. Returns `None` if it ends without listening.
    pub(crate) fn try_start(command: &mut Command) -> Option<Self> {
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let Some(first) = lines.next().map(Result::unwrap) else {
            process.wait().unwrap();
            return None;
        };
        let url = first.strip_prefix("dbackup listens on ").unwrap().to_owned();
        let (client, runtime) = (client(), Runtime::new().unwrap());
        Some(Self { process, lines, url, setup_token: None, token: None, patience: ANSWER_TIMEOUT, client, runtime })
    }

    /// Makes the first administrator and an API token for everything.
    pub(crate) fn set_up(&mut self) {
        let input = json!({"token": self.setup_token.take().unwrap(), "name": "Anna", "password": PASSWORD});
        let (status, cookie) = self.cookie("/api/setup", &input);
        assert_eq!(status, 201);
        self.make_token(&cookie);
    }

    /// The status and cookie of a sign-in.
    pub(crate) fn cookie(&self, path: &str, input: &Value) -> (u16, String) {
        let request = client().post(format!("{}{path}", self.url)).header("content-type", "application/json");
        let request = request.header("sec-fetch-site", "same-origin").body(input.to_string());
        let response = self.runtime.block_on(request.send()).unwrap();
        let cookie = response.headers().get("set-cookie").map(|cookie| cookie.to_str().unwrap().to_owned());
        (response.status().as_u16(), cookie.unwrap_or_default())
    }

    pub(crate) fn make_token(&mut self, cookie: &str) {
        let scopes = json!({"name": "stories", "scopes": ["view", "operate", "configure", "administer"]});
        let request = client().post(format!("{}/api/tokens", self.url)).header("content-type", "application/json");
        let cookie = cookie.split(';').next().unwrap();
        let request = request.header("sec-fetch-site", "same-origin").header("cookie", cookie).body(scopes.to_string());
        let text = self.runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() });
        let made: Value = serde_json::from_str(&text).unwrap();
        self.token = Some(made["token"].as_str().unwrap_or_else(|| panic!("{text}")).to_owned());
    }

    /// Returns status and body of an answer; 0 if none came.
    pub(crate) fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).timeout(self.patience);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = self.runtime.block_on(async {
            let response = request.send().await?;
            Ok::<_, reqwest::Error>((response.status().as_u16(), response.text().await?))
        });
        let (status, text) = answer.unwrap_or_default();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, value) = self.ask(Method::GET, path, None);
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let (status, value) = self.ask(Method::POST, path, Some(body));
        assert!((200..300).contains(&status), "{path}: {status} {value}");
        value
    }

    /// Authorizes a Dropbox by the code that the consent page shows.
    pub(crate) fn authorize(&self, world: &World, destination: &str) {
        let path = format!("/api/destinations/{destination}/authorization");
        let begun = self.post(&path, &json!({"mode": "code"}));
        let code = allow_in_browser(world, begun["url"].as_str().unwrap());
        let done = self.post(&format!("{path}/code"), &json!({"code": code, "state": begun["state"]}));
        assert_eq!(done["authorization"]["status"], "authorized");
    }

    /// A command that talks to this server.
    pub(crate) fn remote(&self, world: &World, arguments: &[&str]) -> Command {
        let mut command = world.command(arguments);
        command.env("DBACKUP_URL", &self.url).env("DBACKUP_TOKEN", self.token.as_ref().unwrap());
        command
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.process.id().cast_signed()).unwrap(), signal).unwrap();
    }

    /// Returns how it ended; `None` if it still runs.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().unwrap()
    }

    /// Sends a signal, waits for the end, and returns the exit code.
    pub(crate) fn end(mut self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        self.process.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .danger_accept_invalid_certs(true)
        .build()
        .unwrap()
}
