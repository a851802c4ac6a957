//! Tools that the servers started.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// A process of PostgreSQL's tools that talks to a server on a port.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) pid: Pid,
    pub(crate) command: String,
}

/// Returns pg_dump, pg_restore and psql processes that talk to the PostgreSQL at `port`.
pub(crate) fn tools(port: u16) -> Vec<Tool> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers.filter_map(|number| tool(number, port)).collect()
}

fn tool(number: i32, port: u16) -> Option<Tool> {
    let line = fs::read(format!("/proc/{number}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&line).replace('\0', " ");
    let program = command.split(' ').next()?.rsplit('/').next()?.to_owned();
    let is_tool = matches!(program.as_str(), "pg_dump" | "pg_restore" | "psql");
    (is_tool && command.contains(&port.to_string())).then_some(Tool { pid: Pid::from_raw(number)?, command })
}

impl Tool {
    pub(crate) fn is_pg_dump(&self) -> bool {
        self.command.split(' ').next().is_some_and(|program| program.ends_with("pg_dump"))
    }

    /// Sends a signal, if it is still there.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill_process(self.pid, signal);
    }
}
