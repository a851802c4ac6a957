//! What people and programs ask of the servers.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::content;
use crate::estate::{Job, MARKED};
use crate::model::{Copy, copies, is_active, is_success, original, text};
use crate::serving::PASSWORD;
use crate::stored::{Spot, files};
use crate::story::Story;

/// How long a server that is well may take to list something, other servers' pauses included.
const USABLE: Duration = Duration::from_secs(60);

/// A copy as [`Copy`] has it.
struct OwnedCopy {
    destination: String,
    path: String,
    database: String,
}

/// A run of a server that is well is at its source by then.
const CONNECTED: Duration = Duration::from_secs(2);

impl Story {
    /// Asks for something, whatever comes of it.
    pub(crate) fn work(&mut self) {
        let (roll, choice) = (self.random.below(14), self.random.number());
        match roll {
            0..4 => self.run_job(choice as usize % self.estate.jobs.len()),
            4..6 => self.restore(choice),
            6 => self.replace(choice),
            7..9 => self.cancel(choice),
            9 => self.change_job(choice),
            10 => self.copy(choice),
            11 => self.cut_connections(),
            _ => self.use_pages(),
        }
    }

    /// Asks one server, or another one if that one does not answer.
    fn ask(&mut self, method: &Method, path: &str, body: &Value) -> Option<(u16, Value)> {
        let first = self.random.below(2) as usize % self.estate.nodes.len();
        let answer = self.estate.nodes[first].ask(method.clone(), path, Some(body));
        answer.or_else(|| self.estate.ask(method, path, Some(body)))
    }

    /// Queues a run. The server has accepted it once it says so.
    fn queue(&mut self, words: &str, path: &str, body: &Value) {
        let answer = self.ask(&Method::POST, path, body);
        if let Some((202, run)) = &answer {
            self.model.accepted.insert(text(run, "id").to_owned());
        }
        let status = answer.map_or_else(
            || "no answer".to_owned(),
            |(status, value)| match &value["id"] {
                Value::String(id) => format!("{status} {id}"),
                _ => format!("{status} {}", value["code"]),
            },
        );
        self.say(&format!("{words}: {status}"));
    }

    pub(crate) fn run_job(&mut self, index: usize) {
        let Job { id, name } = self.estate.jobs[index].clone();
        self.queue(&format!("run {name}"), &format!("/api/jobs/{id}/run"), &json!({}));
    }

    /// Returns one of the backups that the servers call good.
    fn backup(&self, choice: u64, is_wanted: impl Fn(&Copy<'_>) -> bool) -> Option<OwnedCopy> {
        let runs = self.estate.list("/api/runs").unwrap_or_default();
        let made: Vec<_> = runs.iter().filter(|run| is_success(run)).flat_map(copies).filter(is_wanted).collect();
        let Copy { destination, path, database } = made.get(choice as usize % made.len().max(1))?;
        Some(OwnedCopy {
            destination: (*destination).to_owned(),
            path: (*path).to_owned(),
            database: (*database).to_owned(),
        })
    }

    /// Restores a backup into something new.
    fn restore(&mut self, choice: u64) {
        let Some(copy) = self.backup(choice, |copy| !matches!(original(copy.database), "postgres" | MARKED)) else {
            return self.say("nothing to restore yet");
        };
        self.targets += 1;
        let is_sqlite = copy.path.contains(".db");
        let (source, target) = if is_sqlite {
            let name = format!("restored/books_r{}.db", self.targets);
            (&self.estate.sqlite_source, self.estate.world.path(&name).display().to_string())
        } else {
            (&self.estate.postgres_source, format!("{}_r{}", original(&copy.database), self.targets))
        };
        let body =
            json!({"destinationId": copy.destination, "path": copy.path, "sourceId": source, "database": target});
        self.queue(&format!("restore {} into {target}", copy.path), "/api/restores", &body);
    }

    /// Restores a backup in place of another database.
    fn replace(&mut self, choice: u64) {
        let Some(copy) = self.backup(choice, |copy| copy.database == "blog") else {
            return self.say("nothing to put in place of another database yet");
        };
        self.targets += 1;
        let target = format!("{MARKED}_r{}", self.targets);
        content::make(&self.estate.source, &target, MARKED, 1);
        let body = json!({"destinationId": copy.destination, "path": copy.path, "database": target, "overwrite": true,
            "sourceId": self.estate.postgres_source});
        self.queue(&format!("restore {} in place of {target}", copy.path), "/api/restores", &body);
    }

    /// Copies a backup to the destination that lacks it.
    fn copy(&mut self, choice: u64) {
        let there: BTreeSet<Spot> = files(&self.estate.world).into_iter().collect();
        let lacks =
            |copy: &Copy<'_>| !there.contains(&(self.estate.other_place(copy.destination), copy.path.to_owned()));
        let Some(copy) = self.backup(choice, lacks) else { return self.say("nothing to copy yet") };
        let place = self.estate.other_place(&copy.destination);
        self.model.stored.is_copied((place, copy.path.clone()));
        let body = json!({"destinationId": copy.destination, "path": copy.path,
            "toDestinationId": self.estate.destinations[&place]});
        self.queue(&format!("copy {} to {place:?}", copy.path), "/api/copies", &body);
    }

    /// Ends all sessions at the source, as its administrator or a failover does.
    fn cut_connections(&mut self) {
        self.run_job(0);
        let open = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'backup'";
        self.look_until(CONNECTED, |story, _| story.estate.source.sql("postgres", open).trim() != "0");
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'backup'";
        let count = self.estate.source.sql("postgres", cut);
        self.say(&format!("cut {} connections to the source", count.trim()));
    }

    /// Cancels a run that goes on.
    fn cancel(&mut self, choice: u64) {
        let runs = self.estate.list("/api/runs").unwrap_or_default();
        let active: Vec<_> = runs.iter().filter(|run| is_active(run)).collect();
        if active.is_empty() {
            return self.say("nothing to cancel");
        }
        let id = text(active[choice as usize % active.len()], "id");
        let answer = self.ask(&Method::POST, &format!("/api/runs/{id}/cancel"), &json!({}));
        self.say(&format!("cancel {id}: {:?}", answer.map(|(status, _)| status)));
    }

    /// Renames a job, switches its schedule off or on, or makes one more and removes it while it runs.
    fn change_job(&mut self, choice: u64) {
        if choice.is_multiple_of(3) {
            return self.remove_a_job();
        }
        let Job { id, name } = self.estate.jobs[choice as usize / 3 % self.estate.jobs.len()].clone();
        let path = format!("/api/jobs/{id}");
        let Some((200, job)) = self.ask(&Method::GET, &path, &Value::Null) else { return };
        let mut input = input_of(&job);
        if choice % 3 == 1 {
            input["name"] = json!(format!("{name} {}", choice % 4));
        } else {
            input["enabled"] = json!(job["enabled"] == false);
        }
        let answer = self.ask(&Method::PUT, &path, &input);
        self.say(&format!("change {name}: {:?}", answer.map(|(status, _)| status)));
    }

    fn remove_a_job(&mut self) {
        self.targets += 1;
        let input = json!({"name": format!("passing {}", self.targets), "sourceId": self.estate.postgres_source,
            "databases": ["blog"], "destinationIds": self.estate.destinations.values().collect::<Vec<_>>()});
        let Some((201, job)) = self.ask(&Method::POST, "/api/jobs", &input) else { return };
        let path = format!("/api/jobs/{}", text(&job, "id"));
        self.queue("run a passing job", &format!("{path}/run"), &json!({}));
        let answer = self.ask(&Method::DELETE, &path, &Value::Null);
        self.say(&format!("remove the passing job: {:?}", answer.map(|(status, _)| status)));
    }

    /// Signs in and reads lists: works as long as the metadata database is well.
    fn use_pages(&mut self) {
        if !self.is_usable() {
            return self.say("nobody can sign in now");
        }
        self.assert_usable();
        let serving = self.estate.nodes.iter().find_map(crate::node::Node::serving).unwrap();
        let (status, _) = serving.cookie("/api/session", &json!({"name": "Anna", "password": PASSWORD}));
        assert_eq!(status, 201, "nobody can sign in");
        self.say("signed in");
    }

    /// Fails unless every list can be read.
    pub(crate) fn assert_usable(&mut self) {
        for path in ["/api/jobs", "/api/sources", "/api/destinations", "/api/runs"] {
            let is_listed = self.look_until(USABLE, |story, _| story.estate.list(path).is_some());
            assert!(is_listed, "{path} cannot be read, although the metadata database is well");
        }
    }
}

/// What saves a job as it is.
pub(crate) fn input_of(job: &Value) -> Value {
    let mut input = json!({});
    for field in ["name", "sourceId", "databases", "destinationIds", "compression", "profileId", "schedule", "enabled"]
    {
        if !job[field].is_null() {
            input[field] = job[field].clone();
        }
    }
    input
}
