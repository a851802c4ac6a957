//! A server with adapters that only tests know: `made-up-server DATA LISTEN`. It runs until it is killed.

use std::process::ExitCode;

use server::Clock;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let (Some(data), Some(listen)) = (arguments.next(), arguments.next()) else {
        return Err("usage: made-up-server DATA LISTEN".to_owned());
    };
    let listen = listen.parse().map_err(|error| format!("{listen}: {error}"))?;
    #[expect(clippy::disallowed_methods, reason = "a server's clock is the machine's")]
    let clock = Clock::new(jiff::Timestamp::now);
    let mut server = made_up::serve(data.as_ref(), listen, clock, None).await?;
    println!("dbackup listens on http://{}", server.address());
    Err(server.failed().await.to_string())
}
