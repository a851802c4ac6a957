//! Listening, with or without TLS. HTTP/1.1 only: what a connection may cost is bounded there.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum_server::tls_rustls::RustlsAcceptor;
use axum_server::{Handle, Server};

use crate::connections::{Connections, note_request};
use crate::tls::Certificate;

/// Maximum bytes of a request's line and headers, and of a connection's buffer.
pub(crate) const MAX_HEADERS: usize = 64 * 1024;

/// Where and how requests are answered.
pub(crate) struct Listening {
    pub(crate) listener: TcpListener,
    pub(crate) connections: Connections,
    /// The TLS handshake, the first byte and the headers of each request have to arrive within this time.
    pub(crate) patience: Duration,
    pub(crate) certificate: Option<Certificate>,
    pub(crate) handle: Handle<SocketAddr>,
}

impl Listening {
    /// Answers requests until the handle says stop.
    pub(crate) async fn serve(self, router: Router) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("could not serve: {error}");
        let Self { listener, connections, patience, certificate, handle } = self;
        let router = router.layer(from_fn_with_state(connections.clone(), note_request));
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let server = axum_server::from_tcp(listener).map_err(failed)?.handle(handle);
        let Some(certificate) = certificate else {
            return bounded(server.acceptor(connections), patience).serve(service).await.map_err(failed);
        };
        let tls = RustlsAcceptor::new(certificate.config()).handshake_timeout(patience).acceptor(connections);
        tokio::select! {
            ended = bounded(server.acceptor(tls), patience).serve(service) => ended.map_err(failed),
            () = certificate.keep_fresh() => Ok(()),
        }
    }
}

fn bounded<A>(server: Server<SocketAddr, A>, patience: Duration) -> Server<SocketAddr, A> {
    let mut server = server.http1_only().first_request_timeout(patience);
    server.http_builder().http1().header_read_timeout(patience).max_buf_size(MAX_HEADERS);
    server
}
