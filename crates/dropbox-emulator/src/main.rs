//! `dropbox-emulator`: the emulator as a program. It prints one line of JSON when it is ready, and stops on SIGTERM or
//! SIGINT.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use dropbox_emulator::{Config, Emulator, Fault, Store, Weather};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// The other side of the Dropbox API v2, on the loopback.
///
/// While it runs, weather, faults and more can be changed under /emulator/ at the same address, without a token:
/// GET and PUT weather; GET, POST and DELETE faults; GET requests; PUT quota; POST tokens/expire; POST grant/revoke;
/// PUT scopes; PUT app/secret; POST app/delete; POST team/change.
/// Bodies are plain text, as on this command line.
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
    /// Network conditions: latency (once per request), connection and total (bytes per second in each direction),
    /// append (spent by each upload call with data), commit (how long a change locks the namespace). For example
    /// latency=80ms,connection=12MiB/s,total=100MiB/s,append=500ms,commit=100ms
    #[arg(long, default_value = "none", value_name = "SETTINGS")]
    weather: Weather,
    /// A fault; may be given again. For example route=upload_session/append_v2,kind=503,every=20 or
    /// route=files/download,kind=reset-mid-body,nth=3 or route=*,kind=429,retry-after=1,path=/x,times=2.
    /// A kind that does not exist is answered with those that do.
    #[arg(long = "fault", value_name = "SETTINGS")]
    faults: Vec<Fault>,
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
            weather: self.weather,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut cli = Cli::parse();
    let faults = std::mem::take(&mut cli.faults);
    match run(cli.into_config(), faults).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dropbox-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config, faults: Vec<Fault>) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut ready = json!({
        "app_key": config.app_key,
        "app_secret": config.app_secret,
        "refresh_token": config.refresh_token,
    });
    let emulator = Emulator::start(config).await?;
    faults.into_iter().for_each(|fault| emulator.control().inject(fault));
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
