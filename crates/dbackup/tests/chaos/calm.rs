//! The end of a story: everything is mended, and everything has to be well again without further help.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::model::{is_active, is_success, text};
use crate::node::Node;
use crate::story::Story;
use crate::work::input_of;

/// Outages are noticed, connections made anew.
const READY: Duration = Duration::from_secs(60);
/// Two leases, retries of Dropbox's client, and time for a busy machine.
const ALL_ENDED: Duration = Duration::from_secs(180);

impl Story {
    /// Mends everything, waits until all is quiet, and checks everything.
    pub(crate) fn end(&mut self) {
        self.say("calm");
        self.mend_everything();
        let jobs = self.stop_schedules();
        self.wait_for_all_runs();
        self.run_every_job(&jobs);
        let runs = self.estate.list("/api/runs").unwrap();
        self.check(&runs);
        let ended = |state: &str| runs.iter().filter(|run| run["state"] == state).count();
        let states = ["succeeded", "succeededWithWarnings", "partial", "failed", "cancelled", "interrupted"];
        let counts: Vec<String> = states.iter().map(|state| format!("{} {state}", ended(state))).collect();
        self.say(&format!("all is well after {} runs: {}", runs.len(), counts.join(", ")));
    }

    fn mend_everything(&mut self) {
        let mut last = self.active.clone();
        // Servers need their database to start, an authorization needs a server.
        last.sort_by_key(|fault| match fault {
            Fault::Killed(_) | Fault::Stopped(_) => 1,
            Fault::GrantRevoked => 2,
            _ => 0,
        });
        for fault in last {
            if fault == Fault::GrantRevoked {
                self.wait_until_ready();
            }
            self.mend(fault);
        }
        assert!(self.active.is_empty(), "not mended: {:?}", self.active);
        self.wait_until_ready();
    }

    fn wait_until_ready(&mut self) {
        let is_ready = self.look_until(READY, |story, _| story.estate.nodes.iter().all(Node::is_ready));
        assert!(is_ready, "not ready again although everything is mended");
    }

    fn stop_schedules(&mut self) -> Vec<String> {
        let mut jobs = Vec::new();
        for job in self.estate.list("/api/jobs").unwrap() {
            let path = format!("/api/jobs/{}", text(&job, "id"));
            let mut input = input_of(&job);
            input["enabled"] = json!(false);
            self.estate.expect(&Method::PUT, &path, &input);
            jobs.push(text(&job, "id").to_owned());
        }
        jobs
    }

    fn wait_for_all_runs(&mut self) {
        let mut active = Vec::new();
        let all_ended = self.look_until(ALL_ENDED, |_, runs| {
            let Some(runs) = runs else { return false };
            active = runs.iter().filter(|run| is_active(run)).cloned().collect();
            active.is_empty()
        });
        assert!(all_ended, "these runs do not end: {active:?}");
        self.say("every run has ended");
    }

    /// Nothing of what was keeps a job from working now.
    fn run_every_job(&mut self, jobs: &[String]) {
        let mut last = BTreeSet::new();
        for job in jobs {
            let run = self.estate.expect(&Method::POST, &format!("/api/jobs/{job}/run"), &json!({}));
            self.model.accepted.insert(text(&run, "id").to_owned());
            last.insert(text(&run, "id").to_owned());
        }
        self.wait_for_all_runs();
        let runs = self.estate.list("/api/runs").unwrap();
        let failed: Vec<&Value> =
            runs.iter().filter(|run| last.contains(text(run, "id")) && !is_success(run)).collect();
        assert!(failed.is_empty(), "after everything was mended: {failed:?}");
    }
}
