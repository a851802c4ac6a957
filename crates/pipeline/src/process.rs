//! Child processes: a process group of their own, an environment that holds only what is said, the last lines of stderr, and
//! an end that is waited for. Dropping a [`Process`] kills its whole group.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;

/// Lines of stderr that are kept for the error message.
const STDERR_LINES: usize = 30;
/// A longer line is cut.
const STDERR_LINE_BYTES: usize = 2000;
/// A tool that has closed its output has nothing left to do and this long to exit.
pub const EXIT_PATIENCE: Duration = Duration::from_secs(120);
/// After the exit, stderr may be held open by a stray grandchild; it is not waited for longer.
const STDERR_PATIENCE: Duration = Duration::from_secs(2);

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
        Self { program: program.into(), arguments: Vec::new(), environment: Vec::new() }
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
    pub fn start(&self) -> Result<(Process, Option<ChildStdin>, Option<ChildStdout>), ProcessError> {
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
        let stderr_task = tokio::spawn(keep_last_lines(child.stderr.take(), Arc::clone(&stderr)));
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
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

async fn read_output(process: Process, stdout: Option<ChildStdout>, limit: u64) -> Result<Vec<u8>, ProcessError> {
    use tokio::io::AsyncReadExt;
    let mut output = Vec::new();
    if let Some(stdout) = stdout {
        let read = stdout.take(limit + 1).read_to_end(&mut output).await;
        if read.is_err() || output.len() as u64 > limit {
            return Err(ProcessError::Failed {
                name: process.name.clone(),
                status: "its output cannot be used".to_owned(),
                stderr: process.last_words(),
            });
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
        let status = match patience {
            Some(patience) => tokio::time::timeout(patience, self.child.wait()).await,
            None => Ok(self.child.wait().await),
        };
        let Ok(status) = status else {
            self.kill_group();
            return Err(ProcessError::Stuck { name: self.name.clone(), stderr: self.last_words() });
        };
        let _ = tokio::time::timeout(STDERR_PATIENCE, &mut self.stderr_task).await;
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

async fn keep_last_lines(stderr: Option<impl AsyncRead + Unpin>, lines: Arc<Mutex<VecDeque<String>>>) {
    let Some(stderr) = stderr else { return };
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while let Ok(Some(end)) = read_bounded_line(&mut reader, &mut line).await {
        if end && !line.is_empty() {
            let mut kept = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == STDERR_LINES {
                kept.pop_front();
            }
            kept.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
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
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    fn shell(script: &str) -> Command {
        Command::new("/bin/sh").arguments(["-c", script])
    }

    #[tokio::test]
    async fn the_exit_code_decides_not_the_end_of_the_stream() {
        let (process, _stdin, stdout) = shell("echo data; exec >&-; echo went wrong >&2; exit 3").start().unwrap();
        let mut output = String::new();
        stdout.unwrap().read_to_string(&mut output).await.unwrap();
        assert_eq!(output, "data\n");
        let error = process.finish(None).await.unwrap_err().to_string();
        assert!(error.contains("sh failed (exit status: 3): went wrong"), "{error}");
    }

    #[tokio::test]
    async fn the_environment_holds_only_what_is_said() {
        let mut command = shell("env");
        command.environment.push(("PGPASSWORD".into(), "secret".into()));
        let output = String::from_utf8(command.output(10_000).await.unwrap()).unwrap();
        assert!(output.contains("PGPASSWORD=secret"));
        let allowed =
            |name: &str| INHERITED.contains(&name) || ["PGPASSWORD", "PWD", "SHLVL", "_", "OLDPWD"].contains(&name);
        for line in output.lines() {
            assert!(allowed(line.split('=').next().unwrap()), "{line}");
        }
    }

    #[tokio::test]
    async fn dropping_kills_the_whole_group() {
        let (process, _stdin, stdout) = shell("sleep 1000 & echo $!; wait").start().unwrap();
        let mut lines = BufReader::new(stdout.unwrap()).lines();
        assert!(lines.next_line().await.unwrap().is_some(), "the grandchild runs");
        drop(process);
        // The pipe closes only when the last of the group is gone; left alone, the grandchild would keep it open.
        assert_eq!(lines.next_line().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_tool_that_never_answers_is_stopped() {
        for script in ["sleep 1000", "exec >&-; sleep 1000", "while :; do echo x; done"] {
            let error = shell(script).output_within(u64::MAX - 1, Duration::from_millis(300)).await.unwrap_err();
            assert!(matches!(&error, ProcessError::TimedOut { name, .. } if name == "sh"), "{script}: {error}");
        }
    }

    #[tokio::test]
    async fn only_the_last_words_are_kept() {
        let script = "i=0; while [ $i -lt 1000 ]; do echo line $i >&2; i=$((i+1)); done; head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1";
        let error = shell(script).output(10).await.unwrap_err().to_string();
        assert!(error.contains("line 999") && !error.contains("line 900\n"));
        assert!(error.len() < 5000, "{} bytes", error.len());
    }
}
