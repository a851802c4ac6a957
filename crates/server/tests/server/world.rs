//! What every story needs: a server with a clock that stands still, a Dropbox, a browser.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use adapter::authorization::Environment;
use catalog::{KeyFile, KeySource, Location};
use channels::egress::Egress;
use dropbox_emulator::{Control, Emulator};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use server::{Clock, Config, DataFolder, Server};
use tempfile::TempDir;
use test_support::PostgresServer;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A server and its surroundings.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) emulator: Emulator,
    pub(crate) server: Option<Server>,
    pub(crate) now: Arc<Mutex<Timestamp>>,
    trusted_proxies: Vec<&'static str>,
    /// Folders for which no permission is needed.
    pub(crate) allowed_paths: Vec<PathBuf>,
    /// What is different in this server's configuration.
    configure: fn(&mut Config),
    /// PostgreSQL as the metadata database, if set.
    database_url: Option<String>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(dropbox_emulator::Config::default()).await
    }

    pub(crate) async fn with(config: dropbox_emulator::Config) -> Self {
        Self::with_all(config, Vec::new(), None, noon()).await
    }

    pub(crate) async fn behind_proxies(trusted_proxies: Vec<&'static str>) -> Self {
        Self::with_all(dropbox_emulator::Config::default(), trusted_proxies, None, noon()).await
    }

    /// With PostgreSQL as the metadata database, whose time is also this server's.
    pub(crate) async fn on_database(server: &PostgresServer, database: &str) -> Self {
        Self::on_database_at(server, database, &server.address(database)).await
    }

    /// The same, at another address of the database.
    pub(crate) async fn on_database_at(server: &PostgresServer, database: &str, url: &str) -> Self {
        let format = "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
        let now = server.sql(database, format).trim().parse().unwrap();
        let url = Some(url.to_owned());
        Self::with_all(dropbox_emulator::Config::default(), Vec::new(), url, now).await
    }

    /// Another server on the same database and with the same key, but a clock of its own.
    pub(crate) async fn beside(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::fs::copy(self.path("data/encryption.key"), data.join("encryption.key")).unwrap();
        let emulator = Emulator::start(dropbox_emulator::Config::default()).await.unwrap();
        let now = Arc::new(Mutex::new(*self.now.lock().unwrap()));
        let database_url = self.database_url.clone();
        let mut world = Self {
            folder,
            emulator,
            server: None,
            now,
            trusted_proxies: Vec::new(),
            allowed_paths: Vec::new(),
            configure: self.configure,
            database_url,
        };
        world.start().await;
        world
    }

    /// With other settings, and PostgreSQL as the metadata database.
    pub(crate) async fn configured_on(server: &PostgresServer, database: &str, configure: fn(&mut Config)) -> Self {
        let format = "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
        let now = server.sql(database, format).trim().parse().unwrap();
        let url = Some(server.address(database));
        let mut world = Self::prepare(dropbox_emulator::Config::default(), Vec::new(), url, now).await;
        world.configure = configure;
        world.start().await;
        world
    }

    /// With other settings.
    pub(crate) async fn configured(configure: fn(&mut Config)) -> Self {
        let mut world = Self::prepare(dropbox_emulator::Config::default(), Vec::new(), None, noon()).await;
        world.configure = configure;
        world.start().await;
        world
    }

    async fn with_all(
        config: dropbox_emulator::Config,
        trusted_proxies: Vec<&'static str>,
        database_url: Option<String>,
        now: Timestamp,
    ) -> Self {
        let mut world = Self::prepare(config, trusted_proxies, database_url, now).await;
        world.start().await;
        world
    }

    async fn prepare(
        config: dropbox_emulator::Config,
        trusted_proxies: Vec<&'static str>,
        database_url: Option<String>,
        now: Timestamp,
    ) -> Self {
        let emulator = Emulator::start(config).await.unwrap();
        let now = Arc::new(Mutex::new(now));
        let folder = tempfile::tempdir().unwrap();
        Self {
            folder,
            emulator,
            server: None,
            now,
            trusted_proxies,
            allowed_paths: Vec::new(),
            configure: |_| {},
            database_url,
        }
    }

    /// Starts the server, again if need be.
    pub(crate) async fn start(&mut self) {
        let data = DataFolder::open(&self.path("data")).unwrap();
        let now = Arc::clone(&self.now);
        let database = match &self.database_url {
            Some(url) => Location::Postgres(url.clone().into()),
            None => Location::Sqlite(data.path().join("dbackup.db")),
        };
        let mut config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            public_url: "http://localhost:3000".parse().unwrap(),
            trusted_proxies: self.trusted_proxies.iter().map(|network| network.parse().unwrap()).collect(),
            data: data.path().to_owned(),
            database,
            allowed_paths: self.allowed_paths.clone(),
            keys: KeySource::File(KeyFile::new(data.path())),
            secret_files: Vec::new(),
            configuration: None,
            tls: None,
            adapters: server::Adapters::default(),
            egress: Egress { loopback: true, ..Egress::default() },
            environment: Environment::of(self.emulator.variables()),
            max_runs: 2,
            stall_timeout: Duration::from_secs(1800),
            lease: Duration::from_secs(1),
            grace: Duration::ZERO,
            slowest_request: Duration::from_secs(2),
            slowest_answer: Duration::from_secs(60),
            stalled_answer: Duration::from_secs(60),
            allowed_hosts: Vec::new(),
            housekeeping: server::Housekeeping::default(),
            scan_interval: Config::scan_interval(server::SCAN_HOURS),
            first_administrator: None,
        };
        (self.configure)(&mut config);
        let clock = Clock::new(move || *now.lock().unwrap());
        self.server = Some(Server::start(config, data, clock).await.unwrap());
    }

    pub(crate) async fn stop(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn dropbox(&self) -> &Control {
        self.emulator.control()
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        let mut now = self.now.lock().unwrap();
        *now += by;
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.as_ref().unwrap().address())
    }

    /// Somebody who has not signed in.
    pub(crate) fn stranger(&self) -> Browser {
        Browser { url: self.url(), headers: vec![("sec-fetch-site".to_owned(), "same-origin".to_owned())] }
    }

    /// The first administrator, signed in.
    pub(crate) async fn administrator(&self) -> Browser {
        let token = self.server.as_ref().unwrap().setup().unwrap().0.to_owned();
        let input = json!({"token": token, "name": "Anna", "password": PASSWORD});
        let mut browser = self.stranger();
        browser.sign_in_with("/api/setup", &input).await;
        browser
    }

    /// Somebody with a role, signed in.
    pub(crate) async fn member(&self, administrator: &Browser, name: &str, role: &str) -> Browser {
        let input = json!({"name": name, "role": role, "password": PASSWORD});
        administrator.post("/api/users", &input).await.expect(201);
        let mut browser = self.stranger();
        browser.sign_in_with("/api/session", &json!({"name": name, "password": PASSWORD})).await;
        browser
    }

    /// A SQLite database, and it as a source of the server.
    pub(crate) async fn sqlite_source(&self, browser: &Browser, name: &str, rows: u32) -> (PathBuf, String) {
        let path = self.path(&format!("{name}.db"));
        make_database(&path, rows);
        let input = json!({"name": name, "settings": {"type": "sqlite", "path": path}});
        let source = browser.post("/api/sources", &input).await.expect(201);
        (path, id(&source))
    }

    /// A folder as a destination.
    pub(crate) async fn folder_destination(&self, browser: &Browser, name: &str) -> (PathBuf, String) {
        let path = self.path(name);
        std::fs::create_dir(&path).unwrap();
        let input = json!({"name": name, "settings": {"type": "folder", "path": path}});
        let destination = browser.post("/api/destinations", &input).await.expect(201);
        (path, id(&destination))
    }

    /// A Dropbox that is not authorized.
    pub(crate) async fn new_dropbox(&self, browser: &Browser, name: &str) -> String {
        self.new_dropbox_in(browser, name, "/backups").await
    }

    /// The same in another folder.
    pub(crate) async fn new_dropbox_in(&self, browser: &Browser, name: &str, folder: &str) -> String {
        let standard = dropbox_emulator::Config::default();
        let input = json!({
            "name": name, "settings": {"type": "dropbox", "folder": folder},
            "appKey": standard.app_key, "appSecret": standard.app_secret,
        });
        let made = browser.post("/api/destinations", &input).await.expect(201);
        assert_eq!(made["authorization"]["status"], "authorization_required");
        id(&made)
    }

    /// A Dropbox, authorized as a person does it.
    pub(crate) async fn dropbox_destination(&self, browser: &Browser, name: &str) -> String {
        let id = self.new_dropbox(browser, name).await;
        let begun = browser.begin_authorization(&id).await;
        let back = self.consent(begun["url"].as_str().unwrap(), "allow").await;
        let answer = browser.get(&back).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        assert!(answer.headers["location"].to_str().unwrap().ends_with("?authorization=authorized"));
        id
    }

    /// Opens the consent page and clicks; gives the path and query of our callback that Dropbox leads to.
    pub(crate) async fn consent(&self, url: &str, decision: &str) -> String {
        let client = client();
        let page = client.get(url).send().await.unwrap();
        // Dropbox asks nobody twice, unless the app wants it to.
        let answer = if page.status() == 302 && decision == "allow" {
            page
        } else {
            assert!(page.status() == 200 || decision != "allow", "{}", page.text().await.unwrap());
            let (target, query) = url.split_once('?').unwrap();
            client.post(target).body(format!("{query}&decision={decision}")).send().await.unwrap()
        };
        let location = answer.headers()["location"].to_str().unwrap().to_owned();
        location.strip_prefix("http://localhost:3000").unwrap_or_else(|| panic!("{location}")).to_owned()
    }

    /// Runs a job and waits for its end.
    pub(crate) async fn run_job(&self, browser: &Browser, job: &str) -> Value {
        let run = browser.post(&format!("/api/jobs/{job}/run"), &json!({})).await.expect(202);
        browser.finished(&id(&run)).await
    }
}

fn noon() -> Timestamp {
    "2026-01-15T12:00:00Z".parse().unwrap()
}

/// Says what operators may restore into a source.
pub(crate) async fn mark(browser: &Browser, source: &str, restore_target: &str) {
    let path = format!("/api/sources/{source}");
    let shown = browser.get(&path).await.expect(200);
    let input = json!({"name": shown["name"], "settings": shown["settings"], "restoreTarget": restore_target});
    assert_eq!(browser.put(&path, &input).await.expect(200)["restoreTarget"], restore_target);
}

pub(crate) fn make_database(path: &Path, rows: u32) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    let sql = format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB);
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {rows})
         INSERT INTO t (x) SELECT randomblob(250) FROM n;"
    );
    connection.execute_batch(&sql).unwrap();
}

pub(crate) fn rows(path: &Path) -> Vec<(i64, Vec<u8>)> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT id, x FROM t ORDER BY id").unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

pub(crate) fn id(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("no id in {object}")).to_owned()
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody who asks.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Browser {
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let response = self.begin(method, path, body).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.text().await.unwrap() }
    }

    /// Reads an answer that does not end, as it comes.
    pub(crate) async fn open(&self, path: &str) -> reqwest::Response {
        self.begin(Method::GET, path, None).await
    }

    async fn begin(&self, method: Method, path: &str, body: Option<&Value>) -> reqwest::Response {
        let mut request = client().request(method, format!("{}{path}", self.url));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    pub(crate) async fn sign_in_with(&mut self, path: &str, input: &Value) {
        let answer = self.post(path, input).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        *self = self.clone().header("cookie", &answer.cookies());
    }

    pub(crate) async fn token(&self, scopes: &[&str]) -> Self {
        let made = self.post("/api/tokens", &json!({"name": "program", "scopes": scopes})).await.expect(201);
        let headers = vec![("authorization".to_owned(), format!("Bearer {}", made["token"].as_str().unwrap()))];
        Self { url: self.url.clone(), headers }
    }

    pub(crate) async fn begin_authorization(&self, destination: &str) -> Value {
        self.post(&format!("/api/destinations/{destination}/authorization"), &json!({})).await.expect(200)
    }

    /// Makes a job.
    pub(crate) async fn job(&self, name: &str, source: &str, destinations: &[&str], more: Value) -> String {
        let mut input = json!({"name": name, "sourceId": source, "destinationIds": destinations});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        id(&self.post("/api/jobs", &input).await.expect(201))
    }

    /// Waits for the end of a run.
    pub(crate) async fn finished(&self, run: &str) -> Value {
        self.until(&format!("/api/runs/{run}"), |run| !matches!(run["state"].as_str().unwrap(), "queued" | "running"))
            .await
    }

    /// Asks until the answer is as it should be.
    pub(crate) async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.get(path).await.expect(200);
            if is_so(&value) {
                return value;
            }
            assert!(Instant::now() < deadline, "waited in vain for {path}: {value}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn log_of(&self, run: &str) -> String {
        let log = self.get(&format!("/api/runs/{run}/log")).await.expect(200);
        let lines = log["items"].as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        if self.body.is_empty() { Value::Null } else { serde_json::from_str(&self.body).unwrap() }
    }

    /// What a browser sends back of the cookies that it was given.
    pub(crate) fn cookies(&self) -> String {
        let set = self.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
        set.map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
    }

    /// A problem with this code, whose words hold all of these.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str, words: &[&str]) -> Value {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        let problem = self.expect(status);
        assert_eq!(problem["code"], code, "{problem}");
        for word in words {
            assert!(problem["detail"].as_str().unwrap().contains(word), "'{word}' is missing in {problem}");
        }
        problem
    }
}
