//! A database that answers no more.

use std::process::Child;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use test_support::wait_until;

use crate::model::is_active;
use crate::processes::{Tool, tools};
use crate::story::Story;

/// More than the time limit of a silent database, and what a lease takes to end.
const STALLED: Duration = Duration::from_secs(60);

/// A database that answers no more.
pub(crate) struct Hang {
    holder: Child,
    stopped: Vec<Tool>,
}

impl Story {
    pub(crate) fn hang(&mut self) {
        let sql = "BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3600)";
        let holder = self.estate.source.start_sql("shop", sql);
        let stopped: Vec<Tool> = tools(self.estate.source.port()).into_iter().filter(Tool::is_pg_dump).collect();
        stopped.iter().for_each(|tool| tool.signal(Signal::STOP));
        self.hang = Some(Hang { holder, stopped });
        self.run_job(1);
        if self.is_first_deck && self.is_usable() {
            self.assert_hanging_run_ends();
        }
    }

    /// Nothing waits for ever: without a word from its database, a run fails.
    fn assert_hanging_run_ends(&mut self) {
        let job = json!(self.estate.jobs[1].id);
        // A server that is paused stops no run, and what a killed one left ends with its lease.
        let is_whole = self.estate.nodes.iter().all(|node| node.serving().is_some());
        let has_ended = self.look_until(STALLED, |_, runs| {
            runs.is_some_and(|runs| !runs.iter().any(|run| run["jobId"] == job && is_active(run)))
        });
        assert!(has_ended || !is_whole, "a run whose database hangs does not end");
        self.say("the run with the database that hangs has ended");
    }

    pub(crate) fn release(&mut self) {
        let Some(Hang { mut holder, stopped }) = self.hang.take() else { return };
        stopped.iter().for_each(|tool| tool.signal(Signal::CONT));
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)' AND pid <> pg_backend_pid()";
        let source = &self.estate.source;
        wait_until("the lock is gone", || {
            source.sql("postgres", end);
            holder.try_wait().unwrap().is_some()
        });
    }
}
