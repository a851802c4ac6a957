//! A child's standard input and output. A pipe outlives its tool where a process that the tool started holds it open: after the tool has
//! exited, it is waited for a moment only, and then its whole group is killed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::time::{Instant, Sleep, sleep};

/// How often it is looked whether a tool whose pipe does not move has exited.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Looks after the exit, two seconds, until the group is killed.
const MAX_LOOKS: u32 = 8;
/// Bytes that may come between two looks: more than any pipe holds, so that a process that goes on writing is noticed.
const LOOK_BYTES: usize = 4 * 1024 * 1024;

/// What is known of a tool without waiting for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    /// It has exited, and nobody has taken its status yet: its id still names its group, and no other.
    Exited,
    /// Its status was taken.
    Gone,
}

/// Watches a tool from one of its pipes.
#[derive(Debug)]
pub(super) struct Watch {
    name: String,
    pid: Option<Pid>,
    looks: u32,
}

impl Watch {
    pub(super) fn new(name: &str, id: Option<u32>) -> Self {
        Self { name: name.to_owned(), pid: id.and_then(|id| Pid::from_raw(id.cast_signed())), looks: 0 }
    }

    fn life(&self) -> Life {
        let Some(pid) = self.pid else { return Life::Gone };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(pid), options) {
            Ok(None) => Life::Running,
            Ok(Some(_)) => Life::Exited,
            Err(_) => Life::Gone,
        }
    }

    /// Looks again. Kills the group and returns true if the tool has exited long enough ago.
    pub(super) fn is_over(&mut self) -> bool {
        let life = self.life();
        if life != Life::Running {
            self.looks += 1;
        }
        let is_over = self.looks > MAX_LOOKS;
        if is_over
            && life == Life::Exited
            && let Some(pid) = self.pid
        {
            // It can only fail because the group is gone already.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        is_over
    }

    /// Waits until a tool has exited and was given its moment, and kills what is left of its group.
    pub(super) async fn over(&mut self) {
        while !self.is_over() {
            sleep(LOOK_INTERVAL).await;
        }
    }

    fn held(&self) -> io::Error {
        let name = &self.name;
        io::Error::other(format!(
            "{name} has exited, but a process that it started still used its pipes and was killed. Let {name} be the tool itself, or a script that ends with it (exec)"
        ))
    }
}

/// A pipe with its watch.
#[derive(Debug)]
struct Watched<P> {
    pipe: P,
    watch: Watch,
    /// Runs while the pipe does not move.
    look: Pin<Box<Sleep>>,
    moved: usize,
}

impl<P> Watched<P> {
    fn new(pipe: P, watch: Watch) -> Self {
        Self { pipe, watch, look: Box::pin(sleep(LOOK_INTERVAL)), moved: 0 }
    }

    /// Completes with an error once the pipe is held by somebody else than the tool.
    fn poll_held(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.look.as_mut().poll(context));
            if self.watch.is_over() {
                return Poll::Ready(self.watch.held());
            }
            self.look.as_mut().reset(Instant::now() + LOOK_INTERVAL);
        }
    }

    /// Notes that bytes came.
    fn moved(&mut self, bytes: usize) -> io::Result<()> {
        self.moved += bytes;
        if self.moved >= LOOK_BYTES {
            self.moved = 0;
            if self.watch.is_over() {
                return Err(self.watch.held());
            }
        }
        Ok(())
    }
}

/// A tool's standard output.
#[derive(Debug)]
pub struct Output(Watched<ChildStdout>);

/// A tool's standard input.
#[derive(Debug)]
pub struct Input(Watched<ChildStdin>);

impl Output {
    pub(super) fn new(pipe: ChildStdout, watch: Watch) -> Self {
        Self(Watched::new(pipe, watch))
    }
}

impl Input {
    pub(super) fn new(pipe: ChildStdin, watch: Watch) -> Self {
        Self(Watched::new(pipe, watch))
    }
}

impl AsyncRead for Output {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let watched = &mut self.0;
        let before = buffer.filled().len();
        match Pin::new(&mut watched.pipe).poll_read(context, buffer) {
            Poll::Pending => watched.poll_held(context).map(Err),
            Poll::Ready(Ok(())) => Poll::Ready(watched.moved(buffer.filled().len() - before)),
            failed => failed,
        }
    }
}

impl AsyncWrite for Input {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let watched = &mut self.0;
        match Pin::new(&mut watched.pipe).poll_write(context, bytes) {
            Poll::Pending => watched.poll_held(context).map(Err),
            Poll::Ready(Ok(written)) => Poll::Ready(watched.moved(written).map(|()| written)),
            failed => failed,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.pipe).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.pipe).poll_shutdown(context)
    }
}
