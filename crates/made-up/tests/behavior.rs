//! What only tests know passes the suites that every adapter passes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use adapter::{Secrets, Settings};
use async_trait::async_trait;
use sources::Source;
use sources::conformance::Subject;
use tempfile::TempDir;

/// A cabinet.
struct Cabinet(TempDir);

impl Cabinet {
    fn drawer(&self, database: &str) -> PathBuf {
        self.0.path().join(format!("{database}.drawer"))
    }
}

#[async_trait]
impl Subject for Cabinet {
    fn source(&self, database: &str) -> Box<dyn Source> {
        let place = self.0.path().to_str().unwrap();
        let settings = Settings::new(made_up::SOURCE.manifest.id).with("place", place).with("drawer", database);
        (made_up::SOURCE.open)(&settings, Secrets::from([("pin".to_owned(), "1234".to_owned().into())])).unwrap()
    }

    async fn make(&self, database: &str, rows: &[String]) {
        fs::write(self.drawer(database), rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
    }

    async fn rows(&self, database: &str) -> Option<Vec<String>> {
        let content = fs::read_to_string(self.drawer(database)).ok()?;
        Some(content.lines().map(str::to_owned).collect())
    }

    async fn all(&self) -> Vec<String> {
        let names = self.0.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.map(|name| name.strip_suffix(".drawer").map_or(name.clone(), str::to_owned)).collect()
    }
}

async fn cabinet() -> Box<dyn Subject> {
    Box::new(Cabinet(tempfile::tempdir().unwrap()))
}

async fn shelf() -> adapter::conformance::Subject {
    let folder = tempfile::tempdir().unwrap();
    let shelf = folder.path().display().to_string();
    let settings = Settings::new(made_up::DESTINATION.manifest.id).with("shelf", shelf.as_str());
    let context = destinations::Context::default();
    let destination = (made_up::DESTINATION.open)(&settings, Secrets::new(), &context).unwrap();
    adapter::conformance::Subject {
        destination: Arc::clone(&destination),
        manifest: Some(made_up::DESTINATION.manifest),
        browsed: shelf,
        keeps: vec![Box::new(folder)],
    }
}

mod source {
    sources::source_conformance!(crate::cabinet);
}

mod destination {
    adapter::destination_conformance!(crate::shelf);
}

#[test]
fn both_manifests_are_sound() {
    let sources = sources::registry().with(made_up::SOURCE);
    adapter::check_manifest(made_up::SOURCE.manifest);
    sources::check_source(&sources, &made_up::SOURCE);
    adapter::check_manifest(made_up::DESTINATION.manifest);
}
