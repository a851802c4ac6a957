//! Listening, with or without TLS.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;

/// Answers requests until the handle says stop. Headers that do not arrive within `patience` end their connection.
pub(crate) async fn listen(
    listener: TcpListener,
    tls: Option<&(PathBuf, PathBuf)>,
    patience: Duration,
    handle: Handle<SocketAddr>,
    router: Router,
) -> Result<(), String> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let failed = |error: std::io::Error| format!("could not serve: {error}");
    match tls {
        None => {
            let mut server = axum_server::from_tcp(listener).map_err(failed)?.handle(handle);
            server.http_builder().http1().header_read_timeout(patience);
            server.serve(service).await.map_err(failed)
        }
        Some((certificate, key)) => {
            let tls = RustlsConfig::from_pem_file(certificate, key).await.map_err(|error| {
                format!("the TLS certificate {} or its key {}: {error}", certificate.display(), key.display())
            })?;
            let mut server = axum_server::from_tcp_rustls(listener, tls).map_err(failed)?.handle(handle);
            server.http_builder().http1().header_read_timeout(patience);
            server.serve(service).await.map_err(failed)
        }
    }
}
