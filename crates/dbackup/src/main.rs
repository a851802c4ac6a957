//! `dbackup`: the command line. Each command is a file of [`commands`]; this one starts the runtime and turns an outcome into
//! an exit code: 0 succeeded, 1 failed, 2 wrong usage, 3 partial.

mod cli;
mod command;
mod commands;
mod credentials;
mod environment;
mod failure;
mod output;
mod prompt;
mod remote;
mod signals;

use std::process::ExitCode;
use std::time::Duration;

use crate::cli::{AdminCommand, Command, KeyCommand, Parsed};
use crate::failure::{Failure, Outcome};
use crate::remote::Kind;

fn main() -> ExitCode {
    let parsed = command::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(Err(Failure::failed(format!("could not start: {error}")))),
    };
    let outcome = runtime.block_on(async {
        match parsed {
            Parsed::Command(command) => run(*command).await,
            Parsed::Access(manifest, command) => commands::authorization::run(manifest, command).await,
        }
    });
    // What was cancelled gets time to remove its files; a thread that waits for a dead peer does not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(5));
    // A result that nobody could read is no success.
    report(outcome.and_then(|outcome| output::failure().map_or(Ok(outcome), Err)))
}

async fn run(command: Command) -> Result<Outcome, Failure> {
    match command {
        Command::Backup(arguments) => commands::backup::run(arguments).await,
        Command::List(arguments) => commands::list::run(arguments).await,
        Command::Get(arguments) => commands::get::run(arguments).await,
        Command::Restore(arguments) => commands::restore::run(arguments).await,
        Command::Copy(arguments) => commands::copy::run(arguments).await,
        Command::Delete(arguments) => commands::delete::run(arguments).await,
        Command::Keygen(arguments) => commands::keygen::run(arguments),
        Command::Serve(arguments) => commands::serve::run(*arguments).await,
        Command::Health(arguments) => commands::health::run(arguments).await,
        Command::Login => commands::login::log_in().await,
        Command::Logout => commands::login::log_out(),
        Command::Open => commands::login::open().await,
        Command::Doctor(arguments) => commands::doctor::run(arguments).await,
        Command::Status { json } => commands::status::run(json).await,
        Command::Completions { shell } => commands::completions::run(shell),
        Command::Man { folder } => commands::man::run(&folder),
        Command::Sources { command } => commands::resources::run(Kind::Source, command).await,
        Command::Destinations { command } => commands::destinations::run(command).await,
        Command::Backups { command } => commands::backups::run(command).await,
        Command::Retention { command } => commands::retention::run(command).await,
        Command::Profiles { command } => commands::resources::run(Kind::Profile, command).await,
        Command::Jobs { command } => commands::resources::run_jobs(command).await,
        Command::Channels { command } => commands::notifications::run_channels(command).await,
        Command::Notifications { command } => commands::notifications::run(command).await,
        Command::Runs { command } => commands::runs::run(command).await,
        Command::Audit { command } => commands::audit::run(command).await,
        Command::Apply(arguments) => commands::apply::run(arguments).await,
        Command::Api(arguments) => commands::api::run(arguments).await,
        Command::Export => commands::export::run().await,
        Command::Key { command: KeyCommand::Rotate(arguments) } => commands::key::rotate(arguments).await,
        Command::Admin { command: AdminCommand::ResetPassword(arguments) } => {
            commands::admin::reset_password(arguments).await
        }
        Command::Admin { command: AdminCommand::CreateUser(arguments) } => {
            commands::admin::create_user(arguments).await
        }
        Command::Admin { command: AdminCommand::CreateToken(arguments) } => {
            commands::admin::create_token(arguments).await
        }
        Command::Demo(arguments) => commands::demo::run(arguments).await,
    }
}

fn report(outcome: Result<Outcome, Failure>) -> ExitCode {
    match outcome {
        Ok(outcome) => outcome.exit_code(),
        Err(failure) => {
            output::error(&failure.to_string());
            failure.exit_code()
        }
    }
}
