//! Connections, bounded: so many in all and from one address, and none that takes no bytes. When all places are taken, a connection
//! on which nothing was asked yet gives its place to a new one.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum_server::accept::Accept;
use futures_util::task::AtomicWaker;
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
    /// Connections on which no request has come yet, by the client's address and port.
    silent: HashMap<SocketAddr, Silent>,
    /// Counts the connections, to tell which came first.
    accepted: u64,
    refused: u64,
    logged: Option<Instant>,
}

struct Silent {
    number: u64,
    key: String,
    eviction: Arc<Eviction>,
}

/// Tells a connection that its place was given to another one.
#[derive(Default)]
struct Eviction {
    has_happened: AtomicBool,
    reader: AtomicWaker,
}

impl Connections {
    /// `stall_timeout` is how long a client may take no byte of an answer.
    pub(crate) fn new(open_files: usize, trusted_proxies: Vec<IpNet>, stall_timeout: Duration) -> Self {
        let most = MAX_CONNECTIONS.min(open_files.saturating_sub(RESERVED_FILES)).max(16);
        Self(Arc::new(Shared { most, trusted_proxies, stall_timeout, open: Mutex::default() }))
    }

    /// Counts a connection, or returns `None` if there are too many. When all places are taken, the connection gets the place of the
    /// one that has been silent for longest.
    fn enter(&self, peer: SocketAddr) -> Option<Place> {
        let address = peer.ip().to_canonical();
        let is_proxy = self.0.trusted_proxies.iter().any(|network| network.contains(&address));
        let key = address_key(address);
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let from_here = open.by_address.get(&key).copied().unwrap_or(0);
        if from_here >= MAX_PER_ADDRESS && !is_proxy {
            open.log_refusal(address);
            return None;
        }
        if open.total >= self.0.most {
            open.log_refusal(address);
            open.evict_silent()?;
        }
        open.total += 1;
        *open.by_address.entry(key.clone()).or_default() += 1;
        let eviction = Arc::<Eviction>::default();
        open.accepted += 1;
        let silent = Silent { number: open.accepted, key: key.clone(), eviction: Arc::clone(&eviction) };
        open.silent.insert(peer, silent);
        Some(Place { connections: self.clone(), key, peer, eviction })
    }

    /// Notes that a connection has brought a request: it keeps its place.
    fn note_request(&self, peer: SocketAddr) {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).silent.remove(&peer);
    }
}

/// Notes each request's connection as one that is used.
pub(crate) async fn note_request(
    State(connections): State<Connections>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    connections.note_request(peer);
    next.run(request).await
}

impl Open {
    /// Counts a refusal. Returns how many there have been since the last line of the log if the next one is due.
    fn note_refusal(&mut self, now: Instant) -> Option<u64> {
        self.refused += 1;
        if self.logged.is_some_and(|last| now.duration_since(last) < LOG_INTERVAL) {
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.refused))
    }

    fn log_refusal(&mut self, address: IpAddr) {
        if let Some(refused) = self.note_refusal(Instant::now()) {
            let open = self.total;
            tracing::warn!(open, refused, last = %address, "too many connections: silent ones, or new ones, are closed");
        }
    }

    /// Closes the connection that has been silent for longest. Returns `None` if there is none.
    fn evict_silent(&mut self) -> Option<()> {
        let peer = *self.silent.iter().min_by_key(|(_, silent)| silent.number)?.0;
        let Silent { key, eviction, .. } = self.silent.remove(&peer)?;
        self.leave(&key);
        eviction.has_happened.store(true, Ordering::Release);
        eviction.reader.wake();
        Some(())
    }

    fn leave(&mut self, key: &str) {
        self.total = self.total.saturating_sub(1);
        if let Some(count) = self.by_address.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(key);
            }
        }
    }
}

/// The place of one connection, given back when it is dropped.
struct Place {
    connections: Connections,
    key: String,
    peer: SocketAddr,
    eviction: Arc<Eviction>,
}

impl Place {
    /// Whether another connection has it now. Wakes the reader when that happens.
    fn is_lost(&self, context: &Context<'_>) -> bool {
        self.eviction.reader.register(context.waker());
        self.eviction.has_happened.load(Ordering::Acquire)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if self.eviction.has_happened.load(Ordering::Acquire) {
            return;
        }
        open.silent.remove(&self.peer);
        open.leave(&self.key);
    }
}

impl<S> Accept<TcpStream, S> for Connections {
    type Stream = Counted;
    type Service = S;
    type Future = Ready<io::Result<(Counted, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let counted = stream.peer_addr().and_then(|peer| {
            let place = self.enter(peer).ok_or_else(|| io::Error::other("too many connections"))?;
            Ok((Counted { stream, place, timeout: self.0.stall_timeout, stalled: None }, service))
        });
        ready(counted)
    }
}

/// A connection that has a place, and fails when its peer takes no byte for too long.
pub(crate) struct Counted {
    stream: TcpStream,
    place: Place,
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
        if self.place.is_lost(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
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

    /// The client of a number, at an address that may have several.
    fn client(number: usize, address: usize) -> SocketAddr {
        let [_, _, high, low] = u32::try_from(address).unwrap().to_be_bytes();
        SocketAddr::from(([203, 0, high, low], u16::try_from(number).unwrap()))
    }

    /// A connection on which something was asked.
    fn enter(connections: &Connections, peer: SocketAddr) -> Option<Place> {
        let place = connections.enter(peer)?;
        connections.note_request(peer);
        Some(place)
    }

    #[test]
    fn connections_are_bounded_per_address_and_in_all_and_places_come_back() {
        let connections = Connections::new(usize::MAX, vec!["10.0.0.0/8".parse().unwrap()], Duration::from_secs(1));
        let proxy = |port: usize| SocketAddr::from(([10, 0, 0, 1], u16::try_from(port).unwrap()));
        let mut held: Vec<Place> =
            (0..MAX_PER_ADDRESS).map(|number| enter(&connections, client(number, 1)).unwrap()).collect();
        assert!(connections.enter(client(MAX_PER_ADDRESS, 1)).is_none());
        held.pop();
        held.push(enter(&connections, client(MAX_PER_ADDRESS, 1)).unwrap());
        held.extend((0..=MAX_PER_ADDRESS).map(|port| enter(&connections, proxy(port)).unwrap()));
        held.extend((held.len()..MAX_CONNECTIONS).map(|number| enter(&connections, client(1, number)).unwrap()));
        assert!(connections.enter(proxy(1000)).is_none());
        held.clear();
        let open = connections.0.open.lock().unwrap();
        assert!(open.by_address.is_empty() && open.silent.is_empty() && open.total == 0);
    }

    #[test]
    fn refused_connections_are_logged_once_a_minute_with_their_number() {
        let (mut open, start) = (Open::default(), Instant::now());
        assert_eq!(open.note_refusal(start), Some(1));
        for second in 1..60 {
            assert_eq!(open.note_refusal(start + Duration::from_secs(second)), None);
        }
        assert_eq!(open.note_refusal(start + LOG_INTERVAL), Some(60));
        assert_eq!(open.note_refusal(start + LOG_INTERVAL), None);
    }

    #[test]
    fn few_open_files_bound_the_connections_too() {
        let connections = Connections::new(RESERVED_FILES + 100, Vec::new(), Duration::from_secs(1));
        let held: Vec<Place> = (0..100).map(|number| enter(&connections, client(1, number)).unwrap()).collect();
        assert!(connections.enter(client(1, 1000)).is_none());
        drop(held);
    }

    #[test]
    fn who_says_nothing_gives_its_place_to_who_comes() {
        let connections = Connections::new(usize::MAX, Vec::new(), Duration::from_secs(1));
        let silent = |number: usize| connections.enter(client(number, number / MAX_PER_ADDRESS));
        let held: Vec<Place> = (0..MAX_CONNECTIONS).map(|number| silent(number).unwrap()).collect();
        // The first one asks at last.
        connections.note_request(held[0].peer);
        let context = &Context::from_waker(std::task::Waker::noop());
        assert!(!held.iter().any(|place| place.is_lost(context)));
        let place = enter(&connections, client(1, 1000)).unwrap();
        let lost: Vec<usize> = (0..MAX_CONNECTIONS).filter(|&number| held[number].is_lost(context)).collect();
        assert_eq!(lost, [1], "the one that was silent for longest");
        assert_eq!(connections.0.open.lock().unwrap().total, MAX_CONNECTIONS);
        drop((held, place));
        let open = connections.0.open.lock().unwrap();
        assert!(open.by_address.is_empty() && open.silent.is_empty() && open.total == 0);
    }
}
