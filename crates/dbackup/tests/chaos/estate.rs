//! What a story has: servers, their metadata database, databases to back up, and destinations.

use std::collections::BTreeMap;
use std::fs;

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Mount, PostgresServer, PostgresVersion};

use crate::content;
use crate::node::{Node, Settings};
use crate::stored::{DROPBOX, Place};
use crate::world::World;

/// The passwords that must show up nowhere.
pub(crate) const CATALOG_PASSWORD: &str = "Tq7-catalog-wd41";
pub(crate) const SOURCE_PASSWORD: &str = "Zk3-source-vx88";
const ENCRYPTION_KEY: &str = "5b1e8a1f0c6f4d0d9c2a7e3b4f5a6978d1c2b3a495867768594a3b2c1d0e0f1a";
/// The name of databases that restores replace, and what their rows are made of before.
pub(crate) const MARKED: &str = "marked";
/// Destinations and data folders have room for a story, and can be filled quickly.
const DISK_SIZE: &str = "200m";

/// Which servers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Two, on one PostgreSQL.
    Shared,
    /// One, on SQLite in a data folder with a file system of its own.
    Single,
}

/// A job that exists from the beginning.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) name: &'static str,
}

/// Dropped in this order: servers first, the folder last.
pub(crate) struct Estate {
    pub(crate) layout: Layout,
    pub(crate) nodes: Vec<Node>,
    pub(crate) disk: Mount,
    pub(crate) data: Option<Mount>,
    /// Absent with [`Layout::Single`].
    pub(crate) catalog: Option<PostgresServer>,
    pub(crate) source: PostgresServer,
    pub(crate) world: World,
    pub(crate) destinations: BTreeMap<Place, String>,
    pub(crate) postgres_source: String,
    pub(crate) sqlite_source: String,
    pub(crate) jobs: Vec<Job>,
    /// The API token of the administrator.
    pub(crate) token: String,
    /// What databases hold: by name, the SQLite file as `books`.
    pub(crate) known: BTreeMap<String, String>,
}

impl Estate {
    /// Returns `None`, with a printed reason, where file systems cannot be mounted.
    pub(crate) fn new(layout: Layout) -> Option<Self> {
        let world = World::new();
        let mount = |name: &str| {
            fs::create_dir(world.path(name)).unwrap();
            Mount::tmpfs(&world.path(name), DISK_SIZE)
        };
        let disk = mount("disk")?;
        let data = if layout == Layout::Single { Some(mount("one")?) } else { None };
        fs::create_dir(world.path("restored")).unwrap();
        let catalog = (layout == Layout::Shared).then(catalog_server);
        let (source, known) = source_server(&world);
        let database = catalog
            .as_ref()
            .map(|server| format!("postgres://dbackup:{CATALOG_PASSWORD}@127.0.0.1:{}/dbackup", server.port()));
        let names: &[&'static str] = if layout == Layout::Shared { &["one", "two"] } else { &["one"] };
        let node = |name: &&'static str| {
            let encryption_key = ENCRYPTION_KEY.to_owned();
            Node::new(&world, Settings { name, encryption_key, database: database.clone() })
        };
        let nodes = names.iter().map(node).collect();
        let mut estate = Self {
            layout,
            nodes,
            disk,
            data,
            catalog,
            source,
            world,
            destinations: BTreeMap::new(),
            postgres_source: String::new(),
            sqlite_source: String::new(),
            jobs: Vec::new(),
            token: String::new(),
            known,
        };
        estate.configure();
        Some(estate)
    }

    fn configure(&mut self) {
        let mut token = None;
        for node in &mut self.nodes {
            token = Some(node.set_up(&self.world, token));
        }
        self.token = token.unwrap();
        let settings = json!({"type": "folder", "path": self.world.path("disk")});
        let disk = self.make("/api/destinations", &json!({"name": "Disk", "settings": settings}));
        let app_key = dropbox_emulator::Config::default().app_key;
        let dropbox = json!({"name": "Offsite", "settings": {"type": "dropbox", "folder": DROPBOX}, "appKey": app_key});
        let dropbox = self.make("/api/destinations", &dropbox);
        self.destinations = [(Place::Disk, disk), (Place::Dropbox, dropbox)].into();
        self.authorize();
        let settings = json!({"type": "postgres", "host": "127.0.0.1", "port": self.source.port(), "user": "backup"});
        let source = json!({"name": "cluster", "settings": settings, "password": SOURCE_PASSWORD});
        self.postgres_source = self.make("/api/sources", &source);
        let settings = json!({"type": "sqlite", "path": self.world.path("books.db")});
        self.sqlite_source = self.make("/api/sources", &json!({"name": "books", "settings": settings}));
        let profile = self.make("/api/profiles", &json!({"name": "company"}));
        let exported = self.expect(&Method::POST, &format!("/api/profiles/{profile}/export"), &json!({}));
        fs::write(self.world.path("key.txt"), exported["identity"].as_str().unwrap()).unwrap();

        let [disk, dropbox] = [Place::Disk, Place::Dropbox].map(|place| json!(self.destinations[&place]));
        let (postgres, sqlite) = (json!(self.postgres_source), json!(self.sqlite_source));
        let minutely = json!({"cron": "* * * * *"});
        self.add_job(
            "shop",
            json!({"sourceId": postgres, "databases": ["shop"], "destinationIds": [disk, dropbox],
            "compression": "none"}),
        );
        self.add_job(
            "shop by the minute",
            json!({"sourceId": postgres, "databases": ["shop"], "destinationIds": [disk],
            "schedule": minutely}),
        );
        self.add_job("everything", json!({"sourceId": postgres, "destinationIds": [dropbox], "schedule": minutely}));
        self.add_job(
            "books",
            json!({"sourceId": sqlite, "destinationIds": [disk, dropbox], "profileId": profile,
            "schedule": minutely}),
        );
    }

    fn add_job(&mut self, name: &'static str, mut input: Value) {
        input["name"] = json!(name);
        let id = self.make("/api/jobs", &input);
        self.jobs.push(Job { id, name });
    }

    /// Lets Dropbox authorize the destination (again).
    pub(crate) fn authorize(&self) {
        let serving = self.nodes.iter().find_map(Node::serving).unwrap();
        serving.authorize(&self.world, &self.destinations[&Place::Dropbox]);
    }

    /// Returns the destination that another one is not.
    pub(crate) fn other_place(&self, destination: &str) -> Place {
        if self.destinations[&Place::Disk] == destination { Place::Dropbox } else { Place::Disk }
    }

    /// Asks the first server that answers.
    pub(crate) fn ask(&self, method: &Method, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        self.nodes.iter().find_map(|node| node.ask(method.clone(), path, body))
    }

    /// Asks, and fails unless it works.
    #[track_caller]
    pub(crate) fn expect(&self, method: &Method, path: &str, body: &Value) -> Value {
        let body = (*method != Method::GET).then_some(body);
        let Some((status, value)) = self.ask(method, path, body) else { panic!("no server answers {path}") };
        assert!((200..300).contains(&status), "{path}: {status} {value}");
        value
    }

    fn make(&self, path: &str, input: &Value) -> String {
        self.expect(&Method::POST, path, input)["id"].as_str().unwrap().to_owned()
    }

    /// Returns all items of a list; `None` if it cannot be read now.
    pub(crate) fn list(&self, path: &str) -> Option<Vec<Value>> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let (status, page) = self.ask(&Method::GET, &format!("{path}?limit=200{cursor}"), None)?;
            items.extend(page["items"].as_array().filter(|_| status == 200)?.clone());
            let Some(next) = page["nextCursor"].as_str() else { return Some(items) };
            cursor = format!("&cursor={next}");
        }
    }

    /// Returns what must show up in no log.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut secrets = self.world.dropbox().refresh_tokens();
        let identity = fs::read_to_string(self.world.path("key.txt")).unwrap();
        let key = identity.lines().find(|line| line.starts_with("AGE-SECRET-KEY")).unwrap().to_owned();
        secrets
            .extend([CATALOG_PASSWORD, SOURCE_PASSWORD, ENCRYPTION_KEY, crate::serving::PASSWORD].map(str::to_owned));
        secrets.extend([self.token.clone(), key]);
        secrets
    }
}

fn catalog_server() -> PostgresServer {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", &format!("CREATE ROLE dbackup LOGIN PASSWORD '{CATALOG_PASSWORD}'"));
    server.sql("postgres", "CREATE DATABASE dbackup OWNER dbackup");
    server
}

fn source_server(world: &World) -> (PostgresServer, BTreeMap<String, String>) {
    let source = PostgresServer::start(PostgresVersion::Debian);
    source.sql("postgres", &format!("CREATE ROLE backup SUPERUSER LOGIN PASSWORD '{SOURCE_PASSWORD}'"));
    let mut known = BTreeMap::from([("postgres".to_owned(), content::NO_TABLE.to_owned())]);
    for (name, rows) in [("shop", 8000), ("blog", 200)] {
        content::make(&source, name, name, rows);
        known.insert(name.to_owned(), content::of_postgres(&source, name).unwrap());
    }
    let passing = "passing";
    content::make(&source, passing, MARKED, 1);
    known.insert(MARKED.to_owned(), content::of_postgres(&source, passing).unwrap());
    source.sql("postgres", "DROP DATABASE passing");
    let (books, _) = world.sqlite("books.db", 3000);
    // Not in WAL mode: it is backed up from a private copy.
    rusqlite::Connection::open(&books).unwrap().pragma_update(None, "journal_mode", "delete").unwrap();
    known.insert("books".to_owned(), content::of_sqlite(&books).unwrap());
    (source, known)
}
