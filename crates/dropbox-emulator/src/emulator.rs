//! Starting, serving, stopping.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::app::App;
use crate::config::Config;
use crate::control::Control;
use crate::http::connection;
use crate::{proxy, tls};

/// A running emulator. Dropping it stops it.
pub struct Emulator {
    control: Control,
    ca_file: Option<PathBuf>,
    proxy_url: Option<String>,
    tasks: Vec<JoinHandle<()>>,
}

impl Emulator {
    /// Starts one on the current tokio runtime; it serves when this returns.
    pub async fn start(config: Config) -> io::Result<Emulator> {
        let listener = listen(&config)?;
        let address = listener.local_addr()?;
        let (tls, ca_file) = match &config.tls_dir {
            Some(folder) => tls::acceptor(folder).map(|(acceptor, file)| (Some(acceptor), Some(file)))?,
            None => (None, None),
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut tasks = Vec::new();
        let mut proxy_url = None;
        if let Some(proxy_address) = config.proxy {
            if tls.is_none() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "the proxy needs TLS"));
            }
            let proxy = TcpListener::bind(proxy_address).await?;
            proxy_url = Some(format!("http://{}", proxy.local_addr()?));
            tasks.push(tokio::spawn(proxy::run(proxy, address)));
        }
        let app = Arc::new(App::open(config)?);
        // Nobody has set it before: the App is new.
        let _ = app.base_url.set(format!("{scheme}://{address}"));
        tasks.push(tokio::spawn(accept(app.clone(), listener, tls)));
        Ok(Emulator { control: Control { app }, ca_file, proxy_url, tasks })
    }

    /// Where the RPC routes are: what `https://api.dropboxapi.com` is for Dropbox.
    pub fn api_url(&self) -> String {
        self.control.app.base_url().to_owned()
    }

    /// Where uploads and downloads are: what `https://content.dropboxapi.com` is for Dropbox.
    pub fn content_url(&self) -> String {
        self.api_url()
    }

    /// The variables that lead dbackup here instead of to Dropbox.
    pub fn variables(&self) -> [(&'static str, String); 3] {
        [
            ("DROPBOX_API_URL", self.api_url()),
            ("DROPBOX_CONTENT_URL", self.content_url()),
            ("DROPBOX_WEB_URL", self.web_url()),
        ]
    }

    /// Where the consent page is: what `https://www.dropbox.com` is for Dropbox.
    pub fn web_url(&self) -> String {
        self.api_url()
    }

    /// The authority's certificate, with TLS.
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.ca_file.clone()
    }

    /// The CONNECT proxy, if there is one.
    pub fn proxy_url(&self) -> Option<String> {
        self.proxy_url.clone()
    }

    /// The handle for what happens behind the server's back.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Stops serving and closes all connections.
    pub async fn stop(mut self) {
        self.control.app.store.close();
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // It ends by being cancelled.
            let _ = task.await;
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.control.app.store.close();
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Callers that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// What the system receives ahead of a narrow line. With more, a caller would feel the line late.
const RECEIVED_AHEAD: u32 = 256 * 1024;

fn listen(config: &Config) -> io::Result<TcpListener> {
    let socket = if config.listen.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    if config.weather.connection.or(config.weather.total).is_some() {
        socket.set_recv_buffer_size(RECEIVED_AHEAD)?;
    }
    socket.bind(config.listen)?;
    socket.listen(BACKLOG)
}

async fn accept(app: Arc<App>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => accept_one(&app, accepted, tls.clone(), &mut connections),
            Some(_) = connections.join_next() => {}
        }
    }
}

fn accept_one(
    app: &Arc<App>,
    accepted: io::Result<(tokio::net::TcpStream, SocketAddr)>,
    tls: Option<TlsAcceptor>,
    connections: &mut JoinSet<()>,
) {
    // An error here is a caller that went away before it was accepted.
    if let Ok((stream, _)) = accepted {
        connections.spawn(connection::run(app.clone(), stream, tls));
    }
}
