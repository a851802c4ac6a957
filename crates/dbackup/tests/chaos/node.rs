//! One server: its process, what is done to it, and questions to it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::Value;
use test_support::wait_until;

use crate::serving::{Serving, command_in};
use crate::world::World;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a question to a server that lives is repeated.
const TRIES: u32 = 6;
/// Debian's libfaketime, for programs with threads.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// What a server is started with.
pub(crate) struct Settings {
    /// The name of its data folder; its log has the same with `.log`.
    pub(crate) name: &'static str,
    pub(crate) encryption_key: String,
    /// The shared metadata database; absent: SQLite in the data folder.
    pub(crate) database: Option<String>,
}

pub(crate) struct Node {
    settings: Settings,
    serving: Option<Serving>,
    token: Option<String>,
    is_paused: bool,
    clock: PathBuf,
}

impl Node {
    pub(crate) fn new(world: &World, settings: Settings) -> Self {
        let clock = world.path(&format!("{}.clock", settings.name));
        let node = Self { settings, serving: None, token: None, is_paused: false, clock };
        node.set_clock(0);
        node
    }

    fn command(&self, world: &World) -> Command {
        let Settings { name, encryption_key, database } = &self.settings;
        let more = ["--stall-timeout", "4", "--grace", "1", "--max-runs", "3", "--log", "info,server=debug"];
        let mut command = command_in(world, name, &format!("{name}.log"), &more);
        command.env("ENCRYPTION_KEY", encryption_key).envs(database.iter().map(|url| ("DATABASE_URL", url)));
        if fs::exists(FAKETIME).unwrap() {
            command.env("LD_PRELOAD", FAKETIME).env("FAKETIME_TIMESTAMP_FILE", &self.clock);
            command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        command
    }

    pub(crate) fn name(&self) -> &'static str {
        self.settings.name
    }

    /// Starts it for the first time, and makes the administrator unless `token` is another server's.
    pub(crate) fn set_up(&mut self, world: &World, token: Option<String>) -> String {
        let mut serving = Serving::start_command(&mut self.command(world));
        match token {
            Some(token) => serving.token = Some(token),
            None => serving.set_up(),
        }
        serving.patience = PATIENCE;
        self.token.clone_from(&serving.token);
        self.serving = Some(serving);
        self.token.clone().unwrap()
    }

    /// Starts it. Returns whether it came up: it may not while its database is away.
    pub(crate) fn start(&mut self, world: &World) -> bool {
        if self.serving.is_none() {
            self.serving = Serving::try_start(&mut self.command(world)).map(|mut serving| {
                serving.token.clone_from(&self.token);
                serving.patience = PATIENCE;
                serving
            });
        }
        self.serving.is_some()
    }

    pub(crate) fn kill(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.end(Signal::KILL);
        }
        self.is_paused = false;
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(&mut self) {
        self.resume();
        if let Some(mut serving) = self.serving.take() {
            serving.signal(Signal::TERM);
            wait_until("the server has stopped after SIGTERM", || serving.ended().is_some());
        }
    }

    pub(crate) fn pause(&mut self) {
        if let Some(serving) = &self.serving {
            serving.signal(Signal::STOP);
            self.is_paused = true;
        }
    }

    pub(crate) fn resume(&mut self) {
        if let Some(serving) = self.serving.as_ref().filter(|_| self.is_paused) {
            serving.signal(Signal::CONT);
            self.is_paused = false;
        }
    }

    /// Sets its clock ahead by seconds, or back if negative. Its monotonic clock goes on as it was.
    pub(crate) fn set_clock(&self, seconds: i64) {
        fs::write(&self.clock, format!("{seconds:+}\n")).unwrap();
    }

    pub(crate) fn serving(&self) -> Option<&Serving> {
        self.serving.as_ref().filter(|_| !self.is_paused)
    }

    /// Asks it; `None` if it is down, paused, or does not answer.
    pub(crate) fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let (status, value) = self.serving()?.ask(method, path, body);
        (status > 0).then_some((status, value))
    }

    /// Fails unless it is alive as it should be: a server that was neither killed nor paused answers.
    pub(crate) fn assert_alive(&mut self) {
        let name = self.name();
        let Some(serving) = &mut self.serving else { return };
        let ended = serving.ended();
        assert!(ended.is_none(), "server {name} ended by itself: {ended:?}");
        if !self.is_paused {
            let answers = |_| self.ask(Method::GET, "/healthz", None).is_some_and(|(status, _)| status == 200);
            assert!((0..TRIES).any(answers), "server {name} does not answer /healthz");
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ask(Method::GET, "/readyz", None).is_some_and(|(status, _)| status == 200)
    }
}
