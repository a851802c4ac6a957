//! One accepted connection: TLS if there is any, HTTP/1.1, and a socket that can be narrow and can be reset.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::serve;
use super::shape::{Direction, Lane};
use crate::app::App;

/// What the calls of a connection tell its socket.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// Close with RST instead of FIN.
    pub(crate) reset: AtomicBool,
    /// Move bytes as if there were no weather.
    pub(crate) sheltered: AtomicBool,
}

/// Serves everything that comes over one connection. Its end, whatever the reason, is nobody's error but the caller's.
pub(crate) async fn run(app: Arc<App>, stream: TcpStream, tls: Option<TlsAcceptor>) {
    // Without it every small answer waits about 40 ms for the caller's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let signals = Arc::new(Signals::default());
    let socket = Socket {
        stream,
        app: app.clone(),
        signals: signals.clone(),
        incoming: Lane::new(Direction::In),
        outgoing: Lane::new(Direction::Out),
    };
    match tls {
        None => http(app, socket, signals).await,
        Some(tls) => {
            if let Ok(socket) = tls.accept(socket).await {
                http(app, socket, signals).await;
            }
        }
    }
}

async fn http(app: Arc<App>, socket: impl AsyncRead + AsyncWrite + Unpin, signals: Arc<Signals>) {
    let service = service_fn(move |request| serve::serve(app.clone(), signals.clone(), request));
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

/// A socket whose bytes move as the weather lets them.
struct Socket {
    stream: TcpStream,
    app: Arc<App>,
    signals: Arc<Signals>,
    incoming: Lane,
    outgoing: Lane,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.signals.reset.load(Ordering::Relaxed) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl Socket {
    /// How many bytes may move in a direction now; `None` is any number.
    fn poll_turn(&mut self, direction: Direction, context: &mut Context<'_>) -> Poll<Option<usize>> {
        if self.signals.sheltered.load(Ordering::Relaxed) {
            return Poll::Ready(None);
        }
        let lane = match direction {
            Direction::In => &mut self.incoming,
            Direction::Out => &mut self.outgoing,
        };
        lane.poll_turn(&self.app.shaper, context)
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(turn) = ready!(self.poll_turn(Direction::In, cx)) else {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        };
        let length = turn.min(buffer.remaining());
        let mut limited = ReadBuf::new(buffer.initialize_unfilled_to(length));
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut limited))?;
        let read = limited.filled().len();
        buffer.advance(read);
        let Socket { app, incoming, .. } = &mut *self;
        incoming.moved(&app.shaper, read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let Some(turn) = ready!(self.poll_turn(Direction::Out, cx)) else {
            return Pin::new(&mut self.stream).poll_write(cx, buffer);
        };
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &buffer[..turn.min(buffer.len())]))?;
        let Socket { app, outgoing, .. } = &mut *self;
        outgoing.moved(&app.shaper, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match ready!(self.poll_turn(Direction::Out, cx)) {
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, buffers),
            Some(_) => {
                let first = buffers.iter().find(|buffer| !buffer.is_empty());
                self.poll_write(cx, first.map_or(&[], |buffer| &**buffer))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
