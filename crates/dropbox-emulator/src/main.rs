//! `dropbox-emulator`: the emulator as a program. It prints one line of JSON when it is ready, and stops on SIGTERM or
//! SIGINT.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use dropbox_emulator::{Config, Emulator, Store};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// The other side of the Dropbox API v2, on the loopback.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Folder for ca.pem, the certificate of the authority made at this start.
    #[arg(long, required_unless_present = "plain")]
    tls_dir: Option<PathBuf>,
    /// Serve HTTP instead of TLS.
    #[arg(long, conflicts_with_all = ["tls_dir", "proxy"])]
    plain: bool,
    /// The app's key.
    #[arg(long)]
    app_key: Option<String>,
    /// The app's secret.
    #[arg(long)]
    app_secret: Option<String>,
    /// A refresh token that is good from the start.
    #[arg(long)]
    refresh_token: Option<String>,
    /// Seconds that an access token lives.
    #[arg(long, default_value_t = 14_400)]
    token_lifetime: u64,
    /// The account's allowance in bytes.
    #[arg(long, default_value_t = 2 << 30)]
    quota: u64,
    /// Keep files and metadata in this folder across restarts.
    #[arg(long)]
    state: Option<PathBuf>,
    /// What is kept of the files' bytes. With `hash` nothing can be downloaded.
    #[arg(long, value_enum, default_value = "bytes")]
    store: Kept,
    /// Also open a CONNECT proxy that leads Dropbox's host names here and refuses all others.
    #[arg(long)]
    proxy: Option<SocketAddr>,
    /// A redirect URI registered for the app, compared exactly; may be given again. Without any, every http://localhost
    /// and http://127.0.0.1 passes.
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// Be a team account, whose root namespace is not the member's home.
    #[arg(long)]
    team_root: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kept {
    Bytes,
    Hash,
}

impl Cli {
    fn into_config(self) -> Config {
        let default = Config::default();
        Config {
            listen: self.listen,
            tls_dir: self.tls_dir,
            app_key: self.app_key.unwrap_or(default.app_key),
            app_secret: self.app_secret.unwrap_or(default.app_secret),
            refresh_token: self.refresh_token.unwrap_or(default.refresh_token),
            token_lifetime: Duration::from_secs(self.token_lifetime),
            quota: self.quota,
            state: self.state,
            store: match self.store {
                Kept::Bytes => Store::Bytes,
                Kept::Hash => Store::Hash,
            },
            proxy: self.proxy,
            redirect_uris: self.redirect_uris,
            team_root: self.team_root,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().into_config()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dropbox-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut ready = json!({
        "app_key": config.app_key,
        "app_secret": config.app_secret,
        "refresh_token": config.refresh_token,
    });
    let emulator = Emulator::start(config).await?;
    ready["api"] = emulator.api_url().into();
    ready["content"] = emulator.content_url().into();
    ready["notify"] = emulator.api_url().into();
    ready["web"] = emulator.web_url().into();
    if let Some(file) = emulator.ca_file() {
        ready["ca"] = file.display().to_string().into();
    }
    if let Some(url) = emulator.proxy_url() {
        ready["proxy"] = url.into();
    }
    println!("{ready}");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    emulator.stop().await;
    Ok(())
}
