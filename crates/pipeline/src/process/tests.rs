//! What tools do that do not end as they should.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

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

/// A tool that has ended, and a process that it started and that holds its pipes.
const STRAY: &str = "sleep 1000 & echo $!; exit 0";

#[tokio::test]
async fn a_stray_process_that_holds_the_output_keeps_nobody_waiting() {
    let (process, _stdin, stdout) = shell(STRAY).start().unwrap();
    let mut lines = BufReader::new(stdout.unwrap()).lines();
    let pid = lines.next_line().await.unwrap().unwrap();
    let error = lines.next_line().await.unwrap_err().to_string();
    assert!(error.contains("sh has exited, but a process that it started still used its pipes"), "{error}");
    // Its group was killed: stderr has ended, too.
    process.finish(None).await.unwrap();
    gone(&pid).await;
    let error = shell(STRAY).output(1000).await.unwrap_err().to_string();
    assert!(error.contains("still used its pipes"), "{error}");
}

#[tokio::test]
async fn a_stray_process_that_goes_on_writing_is_ended() {
    let (_process, _stdin, stdout) = shell("yes & exit 0").start().unwrap();
    let error = tokio::io::copy(&mut stdout.unwrap(), &mut tokio::io::sink()).await.unwrap_err().to_string();
    assert!(error.contains("still used its pipes"), "{error}");
}

#[tokio::test]
async fn a_stray_process_that_holds_the_input_or_stderr_keeps_nobody_waiting() {
    let (_process, stdin, _stdout) = shell("exec 3<&0; sleep 1000 <&3 & exit 0").start().unwrap();
    let error = stdin.unwrap().write_all(&vec![0; 10_000_000]).await.unwrap_err().to_string();
    assert!(error.contains("still used its pipes"), "{error}");
    let (process, _stdin, stdout) = shell("sleep 1000 >/dev/null & echo $!; exit 0").start().unwrap();
    let mut output = String::new();
    stdout.unwrap().read_to_string(&mut output).await.unwrap();
    process.finish(None).await.unwrap();
    gone(output.trim()).await;
}

/// Waits until a process is dead, whoever has to take its status.
async fn gone(pid: &str) {
    while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z")) {
        tokio::task::yield_now().await;
    }
}
