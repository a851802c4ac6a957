//! A mail server that keeps what it is sent.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// More mails than a test sends.
const MAX_MAILS: usize = 100;

/// How the server behaves.
#[derive(Clone, Default)]
pub(super) struct Script {
    /// Speaks TLS from the start.
    pub(super) implicit: bool,
    /// Does not offer STARTTLS.
    pub(super) no_starttls: bool,
    /// Its replies, by the start of the command; `250 ok` to all others. `.` is the end of a message.
    pub(super) replies: Vec<(&'static str, &'static str)>,
}

/// A message, and the commands of its connection. What was said over TLS starts with `tls `.
pub(super) struct Taken {
    pub(super) commands: Vec<String>,
    pub(super) mail: Vec<u8>,
}

pub(super) struct Server {
    pub(super) port: u16,
    pub(super) certificate: Vec<u8>,
    pub(super) taken: Receiver<Taken>,
}

impl Server {
    pub(super) async fn start(script: Script) -> Self {
        let made = rcgen::generate_simple_self_signed(["mail.test".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, taken) = channel(MAX_MAILS);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A connection that a test breaks off ends with an error.
                let _ = serve(stream, &script, &acceptor, &sender).await;
            }
        });
        Self { port, certificate: made.cert.der().to_vec(), taken }
    }
}

async fn serve(
    mut stream: TcpStream,
    script: &Script,
    acceptor: &TlsAcceptor,
    taken: &Sender<Taken>,
) -> std::io::Result<()> {
    let mut commands = Vec::new();
    if !script.implicit {
        stream.write_all(b"220 mail.test\r\n").await?;
        if !talk(&mut stream, script, "", &mut commands, taken).await? {
            return Ok(());
        }
    }
    let mut stream = acceptor.accept(stream).await?;
    if script.implicit {
        stream.write_all(b"220 mail.test\r\n").await?;
    }
    talk(&mut stream, script, "tls ", &mut commands, taken).await.map(drop)
}

/// Answers commands. Returns whether the client switches to TLS.
async fn talk(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    script: &Script,
    prefix: &str,
    commands: &mut Vec<String>,
    taken: &Sender<Taken>,
) -> std::io::Result<bool> {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    while reader.read_line(&mut line).await? > 0 {
        let command = std::mem::take(&mut line).trim_end().to_owned();
        commands.push(format!("{prefix}{command}"));
        let scripted = script.replies.iter().find(|(start, _)| command.starts_with(start)).map(|(_, reply)| *reply);
        let reply = match command.split(' ').next().unwrap_or_default() {
            _ if scripted.is_some() => scripted.unwrap(),
            "EHLO" if script.no_starttls => "250-mail.test\r\n250 AUTH PLAIN",
            "EHLO" => "250-mail.test\r\n250-STARTTLS\r\n250 AUTH PLAIN",
            "STARTTLS" => "220 ready to start TLS",
            "AUTH" => "235 welcome",
            "DATA" => "354 start mail input",
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        writer.write_all(format!("{reply}\r\n").as_bytes()).await?;
        match reply {
            "220 ready to start TLS" => return Ok(true),
            "221 bye" => return Ok(false),
            "354 start mail input" => {
                let mail = read_mail(&mut reader).await?;
                let end = script
                    .replies
                    .iter()
                    .find(|(start, _)| *start == ".")
                    .map_or("250 queued as 7", |(_, reply)| *reply);
                taken.send(Taken { commands: commands.clone(), mail }).await.unwrap();
                writer.write_all(format!("{end}\r\n").as_bytes()).await?;
            }
            _ => {}
        }
    }
    Ok(false)
}

async fn read_mail(reader: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<Vec<u8>> {
    let (mut mail, mut line) = (Vec::new(), Vec::new());
    while reader.read_until(b'\n', &mut line).await? > 0 && line != b".\r\n" {
        mail.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        line.clear();
    }
    Ok(mail)
}
