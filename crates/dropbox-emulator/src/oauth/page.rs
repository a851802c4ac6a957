//! The pages that a person sees on the way to an authorization.

use super::authorize::Request;
use crate::people::Person;

const STYLE: &str = "
:root { color-scheme: light dark; --surface: #f6f6f4; --card: #fff; --text: #1c1c1a; --muted: #5f5f5a; --line: #dddcd7;
  --accent: #0b57d0; --on-accent: #fff; }
@media (prefers-color-scheme: dark) { :root { --surface: #161615; --card: #1f1f1e; --text: #ecece8; --muted: #a3a39c;
  --line: #3a3a37; --accent: #8ab4f8; --on-accent: #10213a; } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px; background: var(--surface);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 440px; background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 32px }
h1 { font-size: 20px; line-height: 1.3; margin: 0 0 8px }
p { margin: 0 0 16px; color: var(--muted) }
ul { list-style: none; margin: 0 0 24px; padding: 0; border-top: 1px solid var(--line) }
li { padding: 10px 0; border-bottom: 1px solid var(--line) }
li code { display: block; font-size: 13px; color: var(--muted) }
form { display: flex; gap: 12px; justify-content: flex-end }
button { font: inherit; padding: 8px 20px; border-radius: 6px; border: 1px solid var(--line); background: none;
  color: inherit; cursor: pointer }
button[value=allow] { background: var(--accent); border-color: var(--accent); color: var(--on-accent) }
button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
output { display: block; padding: 12px; border: 1px solid var(--line); border-radius: 6px; overflow-wrap: anywhere;
  font: 14px/1.4 ui-monospace, monospace; user-select: all }
footer { margin-top: 24px; font-size: 13px; color: var(--muted) }";

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head>\n<body><main><h1>{title}</h1>\n{body}\n\
         <footer>Dropbox emulator: no real account is involved.</footer></main></body></html>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What a scope lets an app do, in words.
fn in_words(scope: &str) -> &'static str {
    match scope {
        "account_info.read" => "See your name, email address and storage in use",
        "files.content.read" => "Read the content of your files",
        "files.content.write" => "Create, change and delete your files and folders",
        "files.metadata.read" => "See the names and sizes of your files and folders",
        "files.metadata.write" => "Change what is noted about your files and folders",
        _ => "",
    }
}

/// Asks a person: Allow or Deny. The form carries the request's own parameters along.
pub(crate) fn consent(request: &Request, pairs: &[(String, String)]) -> String {
    let app = escape(&request.consent.client_id);
    let scope = |scope: &String| format!("<li>{}<code>{scope}</code></li>", in_words(scope));
    let scopes: String = request.consent.scopes.iter().map(scope).collect();
    let hidden = |(name, value): &(String, String)| {
        format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value))
    };
    let hidden: String = pairs.iter().map(hidden).collect();
    let sign_in = if request.force_reauthentication { sign_in() } else { String::new() };
    let body = format!(
        "<p>The app <strong>{app}</strong> would like to:</p>\n<ul>{scopes}</ul>\n\
         <form method=\"post\" action=\"/oauth2/authorize\">{hidden}\n{sign_in}\
         <button name=\"decision\" value=\"deny\">Deny</button>\n\
         <button name=\"decision\" value=\"allow\">Allow</button></form>"
    );
    page(&format!("{app} asks for access to your Dropbox"), &body)
}

/// Lets a person say who they are.
fn sign_in() -> String {
    let option = |person: Person| format!("<option value=\"{}\">{}</option>", person.key(), person.email());
    let options: String = Person::ALL.into_iter().map(option).collect();
    format!("<label>Sign in as <select name=\"account\">{options}</select></label>\n")
}

/// Shows a code to copy, for apps that Dropbox cannot redirect to.
pub(crate) fn code(code: &str) -> String {
    let body = format!(
        "<p>Copy this code and paste it where the app asks for it. It is good for ten minutes, once.</p>\n\
         <output id=\"code\">{code}</output>"
    );
    page("Access code generated", &body)
}

/// Says that nothing was granted, where there is nobody to redirect to.
pub(crate) fn denied() -> String {
    page("Access denied", "<p>The app got no access to your Dropbox. You can close this window.</p>")
}

/// Says why the app's request is not in order.
pub(crate) fn problem(problem: &str) -> String {
    let body = format!("<p>The app's request is not in order:</p>\n<p id=\"problem\">{}</p>", escape(problem));
    page("Error (400)", &body)
}
