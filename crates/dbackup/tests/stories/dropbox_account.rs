//! Logging in without a redirect, looking at the account, logging out.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use dropbox_emulator::Config;
use test_support::run;

use crate::world::{Ran, World};

/// What a browser does: opens the page, clicks Allow, and reads the code off the next page.
pub(crate) fn allow_in_browser(world: &World, url: &str) -> String {
    let ca = world.path("tls/ca.pem");
    let fetch = |arguments: &[&str]| run(Command::new("curl").args(["-sS", "--cacert"]).arg(&ca).args(arguments));
    let page = fetch(&[url]);
    let action = attribute(&page, "<form", "action").replace("&amp;", "&");
    let origin = url.split("/oauth2").next().unwrap();
    let target = if action.starts_with("http") { action } else { format!("{origin}{action}") };
    let mut arguments = vec![target];
    for input in page.split("<input").skip(1) {
        let (name, value) = (attribute(input, "", "name"), attribute(input, "", "value").replace("&amp;", "&"));
        arguments.extend(["--data-urlencode".to_owned(), format!("{name}={value}")]);
    }
    let allow = page.split("<button").skip(1).find(|button| button.contains("Allow")).unwrap();
    arguments.extend([
        "--data-urlencode".to_owned(),
        format!("{}={}", attribute(allow, "", "name"), attribute(allow, "", "value")),
    ]);
    let answer = fetch(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let code = answer.split("id=\"code\"").nth(1).unwrap_or_else(|| panic!("{answer}"));
    code.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned()
}

fn attribute(html: &str, after: &str, name: &str) -> String {
    let rest = html.split_once(after).map_or(html, |(_, rest)| rest);
    let rest = rest.split(&format!("{name}=\"")).nth(1).unwrap_or_else(|| panic!("no {name} in {html}"));
    rest.split('"').next().unwrap().to_owned()
}

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
    login(&Config::default().app_key).failed_saying(&["did not accept the authorization code"]);
    login("no-such-app").failed_saying(&["app key"]);
}
