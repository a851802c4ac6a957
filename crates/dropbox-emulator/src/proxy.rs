//! A CONNECT proxy that leads Dropbox's host names to the emulator and refuses every other: unmodified clients, such as
//! rclone, reach the emulator through `HTTPS_PROXY`.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::tls::HOSTS;

/// The longest head of a CONNECT request.
const MAX_HEAD: u64 = 16 * 1024;

/// Serves the proxy until it is dropped.
pub(crate) async fn run(listener: TcpListener, emulator: SocketAddr) {
    let mut tunnels = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    tunnels.spawn(tunnel(stream, emulator));
                }
            }
            Some(_) = tunnels.join_next() => {}
        }
    }
}

/// Serves one caller. However its connection ends, it is the caller who sees it.
async fn tunnel(mut caller: TcpStream, emulator: SocketAddr) -> std::io::Result<()> {
    let head = read_head(&mut caller).await?;
    if !is_allowed(&head) {
        return caller.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    }
    let mut server = TcpStream::connect(emulator).await?;
    caller.set_nodelay(true)?;
    server.set_nodelay(true)?;
    caller.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    copy_bidirectional(&mut caller, &mut server).await?;
    Ok(())
}

/// Reads to the empty line, byte by byte: what follows belongs to the tunnel.
async fn read_head(caller: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut limited = caller.take(MAX_HEAD);
    while !head.ends_with(b"\r\n\r\n") {
        head.push(limited.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn is_allowed(head: &str) -> bool {
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    target.and_then(|target| target.strip_suffix(":443")).is_some_and(|host| HOSTS.contains(&host))
}
