//! Connections, bounded: so many in all and from one address, and none that takes no bytes.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use ipnet::IpNet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use crate::limiter::address_key;

/// Maximum connections in all.
pub(crate) const MAX_CONNECTIONS: usize = 2000;
/// Maximum connections from one address (IPv6: one network of 64 bits). Trusted proxies are exempt.
pub(crate) const MAX_PER_ADDRESS: usize = 200;
/// Open files that are kept for databases, destinations and tools.
const RESERVED_FILES: usize = 256;
/// Refused connections are logged this often at most.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Raises the soft limit of open files to the hard one. Returns the limit that holds.
pub(crate) fn raise_open_files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let now = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    now.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
}

/// Counts the open connections. Clones share the count.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Shared>);

struct Shared {
    most: usize,
    trusted_proxies: Vec<IpNet>,
    stall_timeout: Duration,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    total: usize,
    by_address: HashMap<String, usize>,
    refused: u64,
    logged: Option<Instant>,
}

impl Connections {
    /// `stall_timeout` is how long a client may take no byte of an answer.
    pub(crate) fn new(open_files: usize, trusted_proxies: Vec<IpNet>, stall_timeout: Duration) -> Self {
        let most = MAX_CONNECTIONS.min(open_files.saturating_sub(RESERVED_FILES)).max(16);
        Self(Arc::new(Shared { most, trusted_proxies, stall_timeout, open: Mutex::default() }))
    }

    /// Counts a connection, or returns `None` if there are too many.
    fn enter(&self, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        let is_proxy = self.0.trusted_proxies.iter().any(|network| network.contains(&address));
        let key = address_key(address);
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let from_here = open.by_address.get(&key).copied().unwrap_or(0);
        if open.total >= self.0.most || (from_here >= MAX_PER_ADDRESS && !is_proxy) {
            open.note_refusal(address);
            return None;
        }
        open.total += 1;
        *open.by_address.entry(key.clone()).or_default() += 1;
        Some(Place { connections: self.clone(), key })
    }
}

impl Open {
    fn note_refusal(&mut self, address: IpAddr) {
        self.refused += 1;
        let now = Instant::now();
        if self.logged.is_some_and(|last| now.duration_since(last) < LOG_INTERVAL) {
            return;
        }
        let (open, refused) = (self.total, self.refused);
        tracing::warn!(open, refused, last = %address, "too many connections: new ones are closed");
        (self.logged, self.refused) = (Some(now), 0);
    }
}

/// The place of one connection, given back when it is dropped.
struct Place {
    connections: Connections,
    key: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total = open.total.saturating_sub(1);
        if let Some(count) = open.by_address.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.key);
            }
        }
    }
}

impl<S> Accept<TcpStream, S> for Connections {
    type Stream = Counted;
    type Service = S;
    type Future = Ready<io::Result<(Counted, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let counted = stream.peer_addr().and_then(|peer| {
            let place = self.enter(peer.ip()).ok_or_else(|| io::Error::other("too many connections"))?;
            Ok((Counted { stream, _place: place, timeout: self.0.stall_timeout, stalled: None }, service))
        });
        ready(counted)
    }
}

/// A connection that has a place, and fails when its peer takes no byte for too long.
pub(crate) struct Counted {
    stream: TcpStream,
    _place: Place,
    timeout: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Counted {
    fn watch(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timeout = self.timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(timeout)));
        stalled.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: usize) -> IpAddr {
        let [_, _, high, low] = u32::try_from(number).unwrap().to_be_bytes();
        IpAddr::from([203, 0, high, low])
    }

    #[test]
    fn connections_are_bounded_per_address_and_in_all_and_places_come_back() {
        let connections = Connections::new(usize::MAX, vec!["10.0.0.0/8".parse().unwrap()], Duration::from_secs(1));
        let mut held: Vec<Place> = (0..MAX_PER_ADDRESS).map(|_| connections.enter(address(1)).unwrap()).collect();
        assert!(connections.enter(address(1)).is_none());
        held.pop();
        held.push(connections.enter(address(1)).unwrap());
        held.extend((0..=MAX_PER_ADDRESS).map(|_| connections.enter("10.0.0.1".parse().unwrap()).unwrap()));
        held.extend((held.len()..MAX_CONNECTIONS).map(|number| connections.enter(address(number)).unwrap()));
        assert!(connections.enter("10.0.0.1".parse().unwrap()).is_none());
        held.clear();
        assert!(connections.0.open.lock().unwrap().by_address.is_empty());
    }

    #[test]
    fn few_open_files_bound_the_connections_too() {
        let connections = Connections::new(RESERVED_FILES + 100, Vec::new(), Duration::from_secs(1));
        let held: Vec<Place> = (0..100).map(|number| connections.enter(address(number)).unwrap()).collect();
        assert!(connections.enter(address(1000)).is_none());
        drop(held);
    }
}
