//! What the audit log says of a request besides its method and path: a stable word, and the thing that it was about.

use crate::app::App;

/// Operations whose word does not follow from their address.
const SPECIAL: [(&str, &str, &str); 14] = [
    ("POST", "/api/session", "session.signIn"),
    ("DELETE", "/api/session", "session.signOut"),
    ("PUT", "/api/session/password", "password.change"),
    ("POST", "/api/setup", "setup.complete"),
    ("POST", "/api/configuration", "configuration.apply"),
    ("DELETE", "/api/destinations/{id}/backups", "backup.delete"),
    ("POST", "/api/destinations/{id}/backups/verify", "backup.verify"),
    ("POST", "/api/destinations/{id}/backups/lock", "backup.lock"),
    ("POST", "/api/destinations/{id}/backups/unlock", "backup.unlock"),
    ("POST", "/api/destinations/{id}/backups/note", "backup.note"),
    ("DELETE", "/api/destinations/{id}/scan", "destination.cancelScan"),
    ("POST", "/api/destinations/{id}/authorization/code", "destination.authorize"),
    ("POST", "/api/destinations/{id}/authorization", "destination.beginAuthorization"),
    ("POST", "/api/destinations/{id}/authorization/confirm", "destination.confirmAccount"),
];

/// Returns the word of an operation: `job.create` for `POST /api/jobs`, `job.run` for `POST /api/jobs/{id}/run`.
pub(crate) fn event(method: &str, route: &str) -> String {
    if let Some((.., word)) = SPECIAL.iter().find(|special| (special.0, special.1) == (method, route)) {
        return (*word).to_owned();
    }
    let parts = route.trim_start_matches("/api/").trim_start_matches('/').split('/');
    let mut names = parts.filter(|part| !part.starts_with('{'));
    let kind = singular(names.next().unwrap_or_default());
    let rest: Vec<&str> = names.collect();
    let act = match (method, rest.as_slice()) {
        ("GET" | "HEAD", _) => "read".to_owned(),
        ("POST", []) => "create".to_owned(),
        ("PUT" | "PATCH", []) => "update".to_owned(),
        ("DELETE", []) => "delete".to_owned(),
        (_, rest) => camel(&rest.join("-")),
    };
    format!("{kind}.{act}")
}

/// Returns what there is one of: `retentionPolicy` for `retention-policies`.
pub(crate) fn singular(plural: &str) -> String {
    match plural.strip_suffix("ies") {
        Some(stem) => camel(&format!("{stem}y")),
        None => camel(plural.strip_suffix('s').unwrap_or(plural)),
    }
}

fn camel(words: &str) -> String {
    let mut parts = words.split('-');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let mut letters = part.chars();
        let head = letters.next().map(|first| first.to_ascii_uppercase()).into_iter();
        text + &head.chain(letters).collect::<String>()
    })
}

/// Maximum length of an id. What is longer is none of ours, and no index takes it.
const MAX_ID_LEN: usize = 64;

/// What a request was about. What is not known is empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subject {
    /// `job`, `backup`.
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) name: String,
}

/// Marks an answer with the thing that it is about, for requests whose path does not name it.
#[derive(Debug, Clone)]
pub(crate) struct AuditSubject {
    /// If it is another kind of thing than the path says.
    pub(crate) kind: Option<&'static str>,
    pub(crate) id: String,
    pub(crate) name: String,
}

impl Subject {
    /// Returns the thing that a path names, with its name at this moment.
    pub(crate) async fn of(app: &App, route: &str, path: &str) -> Self {
        let mut parts = route.split('/').zip(path.split('/')).skip(2);
        let Some((collection, _)) = parts.next() else { return Self::default() };
        let kind = singular(collection);
        let named = parts.find(|(part, _)| *part == "{id}").map(|(_, id)| id.to_owned());
        let id = named.filter(|id| id.len() <= MAX_ID_LEN).unwrap_or_default();
        // A name that cannot be looked up is missing in the log, and nothing else.
        let name = if id.is_empty() { None } else { name_of(app, collection, &id).await.ok().flatten() };
        Self { kind, id, name: name.unwrap_or_default() }
    }

    /// Takes over what an answer is about.
    pub(crate) fn and(mut self, answered: AuditSubject) -> Self {
        if let Some(kind) = answered.kind {
            kind.clone_into(&mut self.kind);
        }
        if self.id.is_empty() || answered.kind.is_some() {
            (self.id, self.name) = (answered.id, answered.name);
        }
        self
    }
}

async fn name_of(app: &App, collection: &str, id: &str) -> Result<Option<String>, catalog::Error> {
    let catalog = &app.catalog;
    Ok(match collection {
        "sources" => catalog.source(id).await?.map(|found| found.name),
        "destinations" => catalog.destination(id).await?.map(|found| found.name),
        "jobs" => catalog.job(id).await?.map(|found| found.name),
        "profiles" => catalog.profile(id).await?.map(|found| found.name),
        "retention-policies" => catalog.retention_policy(id).await?.map(|found| found.name),
        "channels" => catalog.channel(id).await?.map(|found| found.name),
        "notification-rules" => catalog.notification_rule(id).await?.map(|found| found.name),
        "users" => catalog.user(id).await?.map(|found| found.name),
        "runs" => catalog.run(id).await?.map(|found| found.title),
        "tokens" => catalog.api_tokens(None).await?.into_iter().find(|token| token.id == id).map(|token| token.name),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_stable_words() {
        for (method, route, word) in [
            ("POST", "/api/jobs", "job.create"),
            ("PUT", "/api/jobs/{id}", "job.update"),
            ("PATCH", "/api/retention-policies/{id}", "retentionPolicy.update"),
            ("DELETE", "/api/destinations/{id}", "destination.delete"),
            ("POST", "/api/jobs/{id}/run", "job.run"),
            ("POST", "/api/restores/put-in-place", "restore.putInPlace"),
            ("POST", "/api/copies", "copy.create"),
            ("POST", "/api/session", "session.signIn"),
            ("DELETE", "/api/sessions/{id}", "session.delete"),
            ("POST", "/api/configuration/plan", "configuration.plan"),
            ("GET", "/api/audit", "audit.read"),
            ("GET", "/metrics", "metric.read"),
            ("POST", "/api/destinations/{id}/backups/lock", "backup.lock"),
        ] {
            assert_eq!(event(method, route), word, "{method} {route}");
        }
    }
}
