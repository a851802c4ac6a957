//! Child processes: a process group of their own, an environment that holds only what is said, the last lines of stderr, and
//! an end that is waited for. Dropping a [`Process`] kills its whole group.

mod pipes;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Child;
use tokio::task::JoinHandle;

use self::pipes::Watch;
pub use self::pipes::{Input, Output};

/// Lines of stderr that are kept for the error message, unless a command wants more.
const STDERR_LINES: usize = 30;
/// A longer line is cut.
const STDERR_LINE_BYTES: usize = 2000;
/// A tool that has closed its output has nothing left to do and this long to exit.
pub const EXIT_PATIENCE: Duration = Duration::from_secs(120);
/// Maximum time for a tool that only answers a question; see [`Command::output`].
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Variables that every child gets, if set: what tools need to find programs, files, language and time zone. No secret of ours
/// is among them.
const INHERITED: [&str; 10] =
    ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"];

/// What to run.
#[derive(Debug, Clone)]
pub struct Command {
    /// The program's path.
    pub program: PathBuf,
    /// Its arguments. Every user of the machine can read them: no secrets.
    pub arguments: Vec<OsString>,
    /// Variables it gets besides the common ones. Only this process's user can read them.
    pub environment: Vec<(OsString, OsString)>,
    /// Which lines of stderr are kept for the result or the error.
    pub stderr: KeptLines,
}

/// Which lines of a tool's stderr are kept.
#[derive(Debug, Clone, Copy)]
pub struct KeptLines {
    /// Maximum number; the last ones count.
    pub most: usize,
    /// Returns whether a line is worth keeping.
    pub wanted: fn(&str) -> bool,
}

impl Default for KeptLines {
    fn default() -> Self {
        Self { most: STDERR_LINES, wanted: |_| true }
    }
}

/// A running process.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stderr: Arc<Mutex<VecDeque<String>>>,
    stderr_task: JoinHandle<()>,
}

/// Why a tool did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("could not start {program}: {source}")]
    Start {
        /// The program's path.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It said that it failed, or was killed.
    #[error("{name} failed ({status}): {stderr}")]
    Failed {
        /// The tool's name.
        name: String,
        /// How it ended.
        status: String,
        /// Its last words.
        stderr: String,
    },
    /// It has nothing left to do and does not exit.
    #[error("{name} did not exit after its work was done, and was killed: {stderr}")]
    Stuck {
        /// The tool's name.
        name: String,
        /// Its last words.
        stderr: String,
    },
    /// It did not answer in time.
    #[error("{name} did not answer within {} s and was stopped", .timeout.as_secs())]
    TimedOut {
        /// The tool's name.
        name: String,
        /// The time it had.
        timeout: Duration,
    },
}

impl Command {
    /// A program without arguments.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: Vec::new(), environment: Vec::new(), stderr: KeptLines::default() }
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Starts it with pipes for standard input and output; the caller takes or drops them.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(&self) -> Result<(Process, Option<Input>, Option<Output>), ProcessError> {
        let name = self.program.file_name().unwrap_or(self.program.as_os_str()).to_string_lossy().into_owned();
        #[expect(clippy::disallowed_methods, reason = "the one place where processes start")]
        let mut child = tokio::process::Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ProcessError::Start { program: self.program.display().to_string(), source })?;
        let stderr = Arc::new(Mutex::new(VecDeque::new()));
        let stderr_task = tokio::spawn(keep_last_lines(child.stderr.take(), Arc::clone(&stderr), self.stderr));
        let id = child.id();
        let watch = || Watch::new(&name, id);
        let stdin = child.stdin.take().map(|pipe| Input::new(pipe, watch()));
        let stdout = child.stdout.take().map(|pipe| Output::new(pipe, watch()));
        Ok((Process { name, child, stderr, stderr_task }, stdin, stdout))
    }

    /// Runs it without input, for at most [`ANSWER_TIMEOUT`], and returns its output.
    ///
    /// # Errors
    /// If it cannot be started, fails, takes longer, or writes more than `limit` bytes.
    pub async fn output(&self, limit: u64) -> Result<Vec<u8>, ProcessError> {
        self.output_within(limit, ANSWER_TIMEOUT).await
    }

    /// Runs it as [`Self::output`] does, for at most `timeout`.
    ///
    /// # Errors
    /// As [`Self::output`].
    pub async fn output_within(&self, limit: u64, timeout: Duration) -> Result<Vec<u8>, ProcessError> {
        let (process, stdin, stdout) = self.start()?;
        drop(stdin);
        let name = process.name.clone();
        // Dropping the process kills its group.
        match tokio::time::timeout(timeout, read_output(process, stdout, limit)).await {
            Ok(output) => output,
            Err(_) => Err(ProcessError::TimedOut { name, timeout }),
        }
    }
}

async fn read_output(process: Process, stdout: Option<Output>, limit: u64) -> Result<Vec<u8>, ProcessError> {
    use tokio::io::AsyncReadExt;
    let mut output = Vec::new();
    if let Some(stdout) = stdout {
        let read = stdout.take(limit + 1).read_to_end(&mut output).await;
        let problem = match read {
            Ok(_) if output.len() as u64 <= limit => None,
            Ok(_) => Some(process.last_words()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(stderr) = problem {
            let (name, status) = (process.name.clone(), "its output cannot be used".to_owned());
            return Err(ProcessError::Failed { name, status, stderr });
        }
    }
    process.finish(Some(EXIT_PATIENCE)).await?;
    Ok(output)
}

impl Process {
    /// Waits for the exit and answers only if it was with status 0; gives what the tool said on stderr nevertheless.
    ///
    /// Without `patience` it may take as long as it needs: a tool that has got all its input can have hours of work left.
    ///
    /// # Errors
    /// If it failed, was killed, or does not exit in time; with the last lines of its stderr.
    pub async fn finish(mut self, patience: Option<Duration>) -> Result<Option<String>, ProcessError> {
        let ended = async {
            // Before its status is taken: until then its id names its group, which may have to be killed.
            let mut watch = Watch::new(&self.name, self.child.id());
            tokio::select! {
                _ = &mut self.stderr_task => {}
                () = watch.over() => {}
            }
            self.child.wait().await
        };
        let status = match patience {
            Some(patience) => tokio::time::timeout(patience, ended).await,
            None => Ok(ended.await),
        };
        let Ok(status) = status else {
            self.kill_group();
            return Err(ProcessError::Stuck { name: self.name.clone(), stderr: self.last_words() });
        };
        match status {
            Ok(status) if status.success() => Ok(self.said()),
            status => {
                let status = status.map_or_else(|error| error.to_string(), describe);
                Err(ProcessError::Failed { name: self.name.clone(), status, stderr: self.last_words() })
            }
        }
    }

    fn said(&self) -> Option<String> {
        let lines = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        (!lines.is_empty()).then(|| Vec::from(lines.clone()).join("\n"))
    }

    fn last_words(&self) -> String {
        self.said().unwrap_or_else(|| "it gave no reason".to_owned())
    }

    fn kill_group(&self) {
        // After the exit was waited for there is no id any more, and nothing that could be hit by mistake.
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            // It can only fail because the group is gone already.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_group();
        self.stderr_task.abort();
    }
}

fn describe(status: ExitStatus) -> String {
    status.to_string()
}

async fn keep_last_lines(stderr: Option<impl AsyncRead + Unpin>, lines: Arc<Mutex<VecDeque<String>>>, keep: KeptLines) {
    let Some(stderr) = stderr else { return };
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while let Ok(Some(end)) = read_bounded_line(&mut reader, &mut line).await {
        if end && !line.is_empty() {
            let text = String::from_utf8_lossy(&line);
            if (keep.wanted)(&text) {
                let mut kept = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() >= keep.most {
                    kept.pop_front();
                }
                kept.push_back(text.trim_end().to_owned());
            }
        }
        if end {
            line.clear();
        }
    }
}

/// Takes the next stretch of a line into `line`, as far as it is kept. True at the line's end, none at the stream's.
async fn read_bounded_line(
    reader: &mut (impl AsyncBufReadExt + Unpin),
    line: &mut Vec<u8>,
) -> std::io::Result<Option<bool>> {
    let buffer = reader.fill_buf().await?;
    if buffer.is_empty() {
        return Ok(if line.is_empty() { None } else { Some(true) });
    }
    let newline = buffer.iter().position(|byte| *byte == b'\n');
    let stretch = &buffer[..newline.unwrap_or(buffer.len())];
    line.extend_from_slice(&stretch[..stretch.len().min(STDERR_LINE_BYTES.saturating_sub(line.len()))]);
    let consumed = newline.map_or(buffer.len(), |position| position + 1);
    reader.consume(consumed);
    Ok(Some(newline.is_some()))
}

#[cfg(test)]
mod tests;
