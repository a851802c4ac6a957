//! The main job as the commands do it, told line by line.

use std::path::Path;
use std::sync::Arc;

use adapter::authorization::{Environment, Patience};
use adapter::destination::Destination;
use domain::size::human;
use domain::{Compression, RunState};
use dropbox_emulator::{Config, Emulator};
use pipeline::Progress;
use pipeline::keys::Identity;
use runner::backup::new_run_id;
use runner::{BackupRequest, Controls, OpenRequest, STALL_TIMEOUT, back_up};
use sources::{DumpOptions, Origin, RestoreOptions, Unguarded};

use super::{compare, run_blocking, sample, say};
use crate::commands::keygen::write_key;
use crate::failure::{Failure, describe_copy};
use crate::output::ProgressDisplay;

const JOB: &str = "shop";
const FOLDER: &str = "dropbox:/backups";

pub(super) async fn tell(folder: &Path) -> Result<(), Failure> {
    let (database, restored, key) = (folder.join("shop.db"), folder.join("restored.db"), folder.join("key.txt"));
    say("1. A sample database: a shop with its customers, products and orders.");
    let path = database.clone();
    let rows = run_blocking(move || sample::create(&path)).await?;
    say(&format!("   {} ({}, {rows} rows)\n", database.display(), size_of(&database)?));

    say("2. A Dropbox emulator on this machine, so that no account is needed, and a key pair for encryption.");
    let state = folder.join("dropbox");
    let emulator = Emulator::start(Config { state: Some(state.clone()), ..Config::default() }).await?;
    let destination = emulated_dropbox(&emulator)?;
    let identity = Identity::generate();
    write_key(&key, &identity)?;
    say(&format!("   {} opens the backups; nothing else does.\n", key.display()));

    say("3. The backup: dumped, compressed, encrypted and uploaded in one pass, without a temporary copy.");
    let path = back_up_sample(&database, Arc::clone(&destination), &identity).await?;

    say("4. What is at the destination:");
    for backup in runner::list(&*destination, None, &sources::registry()).await?.backups {
        say(&format!("   {FOLDER}/{} ({})", backup.path, human(backup.size)));
    }
    say("");

    say("5. The restore, into a second file.");
    let target = sources::parse(&address(&restored), Origin::Private, None)?;
    let request = OpenRequest { destination: &*destination, path: &path, identities: vec![identity] };
    let never = tokio_util::sync::CancellationToken::new();
    let (progress, guard) = (Progress::default(), Arc::new(Unguarded));
    let controls =
        Controls { progress: &progress, cancel: &never, guard, stall_timeout: STALL_TIMEOUT, on_event: &|_| () };
    let report = runner::restore(request, &*target, RestoreOptions::default(), &controls).await?;
    say(&format!("   {} ({})\n", restored.display(), human(report.decoded.plain.size)));

    say("6. Both databases, compared row for row.");
    let (one, other) = (database.clone(), restored.clone());
    let compared = run_blocking(move || compare::row_by_row(&one, &other)).await?;
    say(&format!("   {compared} rows in {}: identical.\n", human_tables(&database)?));
    emulator.stop().await;

    say(&format!("Everything lies in {}: remove it when you have seen enough.", folder.display()));
    say("With a database of yours, the same is:");
    say("   dbackup keygen --output key.txt");
    say("   dbackup backup --source sqlite:///path/to/your.db --to dropbox:/backups --recipient age1...");
    say("   dbackup list dropbox:/backups");
    say("   dbackup restore dropbox:/backups --job your --latest --target sqlite:///path/to/new.db --identity key.txt");
    Ok(())
}

async fn back_up_sample(
    database: &Path,
    destination: Arc<dyn Destination>,
    identity: &Identity,
) -> Result<String, Failure> {
    let source = sources::parse(&address(database), Origin::Private, None)?;
    let started = crate::commands::now();
    let request = BackupRequest {
        source: &*source,
        databases: source.databases().await?.names,
        left_out: Vec::new(),
        acknowledged: Vec::new(),
        dump_options: DumpOptions::default(),
        host: None,
        destinations: vec![destination.into()],
        job: JOB.to_owned(),
        compression: Compression::default(),
        recipients: vec![identity.recipient()],
        started,
        trigger: "manual",
        run_id: new_run_id(started),
        job_id: None,
        guard: Arc::new(Unguarded),
        stall_timeout: STALL_TIMEOUT,
        signer: None,
    };
    let progress = Progress::default();
    let display = ProgressDisplay::backup(&progress, false);
    let cancel = tokio_util::sync::CancellationToken::new();
    let report = back_up(&request, &progress, &cancel, &|_| {}).await;
    drop(display);
    for database in report.databases {
        let copy = database.copies.into_iter().next().map(|copy| copy.result);
        match (report.state, database.failure, copy) {
            (RunState::Succeeded | RunState::SucceededWithWarnings, None, Some(Ok(stored))) => {
                let size = stored.sidecar.size;
                say(&format!("   {} became {}; Dropbox's own hash agrees.\n", human(size.plain), human(size.stored)));
                return Ok(stored.path);
            }
            (_, Some(failure), _) | (_, None, Some(Err(failure))) => {
                return Err(Failure::failed(describe_copy(&failure)));
            }
            _ => {}
        }
    }
    Err(Failure::failed("the backup made no copy"))
}

fn emulated_dropbox(emulator: &Emulator) -> Result<Arc<dyn Destination>, Failure> {
    let standard = Config::default();
    let app = [("DROPBOX_APP_KEY", standard.app_key), ("DROPBOX_REFRESH_TOKEN", standard.refresh_token)];
    let environment = Environment::of(app.into_iter().chain(emulator.variables()));
    Ok(destinations::parse(FOLDER, &environment, Patience::Medium)?)
}

fn address(path: &Path) -> String {
    format!("sqlite://{}", path.display().to_string().replace('%', "%25"))
}

fn size_of(path: &Path) -> Result<String, Failure> {
    Ok(human(std::fs::metadata(path)?.len()))
}

fn human_tables(path: &Path) -> Result<String, Failure> {
    let tables = compare::tables(path).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(tables.join(", "))
}
