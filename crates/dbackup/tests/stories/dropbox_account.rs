//! Logging in without a redirect, looking at the account, logging out.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use dropbox_emulator::Config;

use crate::browser::allow_in_browser;
use crate::world::{Ran, World};

#[test]
fn login_account_logout() {
    let world = World::new();
    for secret in [None, Some(Config::default().app_secret)] {
        let mut command = world.command(&["dropbox", "login"]);
        command.env_remove("DROPBOX_REFRESH_TOKEN").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(secret) = &secret {
            command.env("DROPBOX_APP_SECRET", secret);
        }
        let mut login = command.spawn().unwrap();
        let mut lines = BufReader::new(login.stderr.take().unwrap()).lines().map(Result::unwrap);
        let url = lines.find(|line| line.contains("/oauth2/authorize")).unwrap().trim().to_owned();
        let code = allow_in_browser(&world, &url);
        login.stdin.take().unwrap().write_all(format!("  {code} \n").as_bytes()).unwrap();
        let rest: Vec<String> = lines.collect();
        let ran = Ran::from(login.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{rest:?}");
        let token = ran.stdout.trim().to_owned();

        let with_token = |arguments: &[&str]| {
            let mut command = world.command(arguments);
            command.env("DROPBOX_REFRESH_TOKEN", &token);
            if let Some(secret) = &secret {
                command.env("DROPBOX_APP_SECRET", secret);
            }
            Ran::of(&mut command)
        };
        let account = with_token(&["dropbox", "account"]).succeeded();
        assert!(account.stdout.contains('@') && account.stdout.contains("of 2.0 GiB used"), "{}", account.stdout);
        with_token(&["dropbox", "logout"]).succeeded();
        with_token(&["dropbox", "account"]).failed_saying(&["Run: dbackup dropbox login"]);
    }
    // The other grant stands.
    world.run(&["dropbox", "account"]).succeeded();
}

#[test]
fn a_wrong_code_and_a_wrong_app_key_say_so() {
    let world = World::new();
    let login = |key: &str| {
        let mut command = world.command(&["dropbox", "login"]);
        command.env("DROPBOX_APP_KEY", key).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut login = command.spawn().unwrap();
        login.stdin.take().unwrap().write_all(b"not-a-code\n").unwrap();
        Ran::from(login.wait_with_output().unwrap())
    };
    login(&Config::default().app_key).failed_saying(&["does not know this code"]);
    login("no-such-app").failed_saying(&["does not recognize the app", "App Key"]);
}
