//! What a browser does at a consent page of Dropbox.

use std::process::Command;

use test_support::run;

use crate::world::World;

/// Opens the consent page, clicks Allow, and returns the code that the next page shows.
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
