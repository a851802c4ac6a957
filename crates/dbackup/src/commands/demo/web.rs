//! The main job as a person clicks it: a server with a sample database and a job that has run, and a Dropbox to authorize.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use adapter::authorization::Environment;
use catalog::{Catalog, KeyFile, KeySource, Location, NewApiToken, NewUser, Token};
use channels::egress::Egress;
use domain::access::{Permission, Role};
use dropbox_emulator::{Config as EmulatorConfig, Emulator};
use reqwest::{Method, Url};
use secrecy::SecretString;
use serde_json::json;
use server::{Clock, Config, DataFolder, Server};
use tokio_util::sync::CancellationToken;

use super::{run_blocking, sample, say};
use crate::commands::now;
use crate::commands::serve::{SLOWEST_ANSWER, SLOWEST_REQUEST, STALLED_ANSWER};
use crate::failure::Failure;
use crate::remote::Server as Remote;

const USER: &str = "demo";
const PASSWORD: &str = "demo demo demo";
/// Runs get so long to end after Ctrl-C.
const GRACE: Duration = Duration::from_secs(5);

/// Shows it until somebody stops it.
pub(super) async fn show(folder: &Path, listen: Option<SocketAddr>, stop: &CancellationToken) -> Result<(), Failure> {
    let listen = listen.map_or_else(free_address, Ok)?;
    // Dropbox takes http for localhost only, and so does the emulator.
    let public_url = Url::parse(&format!("http://localhost:{}", listen.port()))
        .map_err(|error| Failure::failed(error.to_string()))?;
    let database = folder.join("shop.db");
    let path = database.clone();
    run_blocking(move || sample::create(&path)).await?;
    let emulator = Emulator::start(EmulatorConfig {
        state: Some(folder.join("dropbox")),
        redirect_uris: vec![format!("{public_url}api/adapters/dropbox/callback")],
        ..EmulatorConfig::default()
    })
    .await?;
    let data = DataFolder::open(&folder.join("data")).map_err(Failure::Failed)?;
    let token = first_user(&data).await?;
    let config = Config {
        listen,
        public_url: public_url.clone(),
        trusted_proxies: Vec::new(),
        data: data.path().to_owned(),
        database: location(&data),
        allowed_paths: vec![folder.to_owned()],
        keys: keys(&data),
        secret_files: Vec::new(),
        configuration: None,
        tls: None,
        adapters: server::Adapters::default(),
        egress: Egress::default(),
        environment: Environment::of(emulator.variables()),
        stall_timeout: runner::STALL_TIMEOUT,
        lease: server::LEASE,
        max_runs: 2,
        grace: GRACE,
        slowest_request: SLOWEST_REQUEST,
        slowest_answer: SLOWEST_ANSWER,
        stalled_answer: STALLED_ANSWER,
        allowed_hosts: Vec::new(),
        housekeeping: server::Housekeeping::default(),
        scan_interval: Config::scan_interval(server::SCAN_HOURS),
        first_administrator: None,
    };
    let mut server =
        Server::start(config, data, Clock::new(now)).await.map_err(|error| Failure::failed(error.to_string()))?;
    let address = format!("http://{}", server.address());
    let remote = Remote::at(Url::parse(&address).map_err(|error| Failure::failed(error.to_string()))?, token)?;
    fill(&remote, folder, &database).await?;
    invite(&public_url, folder);
    tokio::select! {
        () = stop.cancelled() => {}
        error = server.failed() => return Err(Failure::failed(error.to_string())),
    }
    server.stop().await;
    emulator.stop().await;
    Ok(())
}

/// Port 3000, as a server takes it by default, or any that is free.
fn free_address() -> Result<SocketAddr, Failure> {
    let usual = TcpListener::bind(("127.0.0.1", 3000));
    Ok(usual.or_else(|_| TcpListener::bind(("127.0.0.1", 0)))?.local_addr()?)
}

fn location(data: &DataFolder) -> Location {
    Location::Sqlite(data.path().join("dbackup.db"))
}

fn keys(data: &DataFolder) -> KeySource {
    KeySource::File(KeyFile::new(data.path()))
}

/// Makes the administrator, and the token with which this process fills the server.
async fn first_user(data: &DataFolder) -> Result<SecretString, Failure> {
    let catalog = Catalog::open(&location(data), &keys(data)).await?;
    let password_hash = server::hash_password(&SecretString::from(PASSWORD)).map_err(Failure::Failed)?;
    let user = NewUser { name: USER.to_owned(), role: Role::Administrator, password_hash };
    let user = catalog.create_user(&user, now()).await?;
    let token = Token::new(server::API_TOKEN_PREFIX)?;
    let scopes = [Permission::View, Permission::Operate, Permission::Configure];
    let new = NewApiToken { user_id: &user.id, name: "demo", token: &token, scopes: &scopes, expires_at: None };
    catalog.create_api_token(&new, now()).await?;
    catalog.close().await?;
    Ok(token.expose().into())
}

/// A source, two destinations, a profile, and a job that has run.
async fn fill(remote: &Remote, folder: &Path, database: &Path) -> Result<(), Failure> {
    let create = async |path: &str, body: serde_json::Value| {
        let made = remote.ask(Method::POST, path, Some(&body)).await?;
        Ok::<_, Failure>(made["id"].as_str().unwrap_or_default().to_owned())
    };
    let source = json!({"name": "Shop", "settings": {"type": "sqlite", "path": database}});
    let source = create("/api/sources", source).await?;
    let disk = folder.join("disk");
    std::fs::create_dir(&disk)?;
    let disk =
        create("/api/destinations", json!({"name": "Disk", "settings": {"type": "folder", "path": disk}})).await?;
    let app = EmulatorConfig::default();
    let dropbox = json!({
        "name": "Dropbox", "settings": {"type": "dropbox", "folder": ""},
        "appKey": app.app_key, "appSecret": app.app_secret,
    });
    create("/api/destinations", dropbox).await?;
    let profile = create("/api/profiles", json!({"name": "Company"})).await?;
    let job = json!({
        "name": "shop", "sourceId": source, "destinationIds": [disk], "profileId": profile,
        "schedule": {"cron": "0 3 * * *", "timeZone": "UTC"},
    });
    let job = create("/api/jobs", job).await?;
    let run = create(&format!("/api/jobs/{job}/run"), json!({})).await?;
    let ended = remote.follow(&run, |_, _| {}).await?;
    if !matches!(ended["state"].as_str(), Some("succeeded" | "succeededWithWarnings")) {
        return Err(Failure::failed(format!("the sample backup did not succeed: {}", ended["error"])));
    }
    Ok(())
}

fn invite(public_url: &Url, folder: &Path) {
    say(&format!("dbackup is at {public_url}"));
    say(&format!("Sign in as {USER} with the password: {PASSWORD}\n"));
    say("A sample database is backed up to this disk. Now let it go to Dropbox; an emulator stands in for it here:");
    say("  1. Destinations, Dropbox, Authorize with Dropbox; allow it. Under Configuration, Browse to a folder; Save.");
    say("  2. Jobs, shop, Edit: also choose the destination Dropbox; Save job; Back up now.");
    say("  3. Backups, Restore…: into a new file, which then holds the same rows.\n");
    say(&format!("Everything lies in {}: remove it when you have seen enough. Ctrl-C stops it.", folder.display()));
}
