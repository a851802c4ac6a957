//! What can be set for a SQLite database.

use adapter::{Capability, Field, Input, Manifest, PathUse, Required, Secrets, Settings};

use super::Sqlite;
use crate::error::Error;
use crate::registry::SourceAdapter;
use crate::{ByHand, DumpFormat, Origin, Source};

pub(crate) const ADAPTER: SourceAdapter =
    SourceAdapter { manifest: &MANIFEST, dump: &DUMP, open, from_address, address };

const PATH: &str = "path";

/// A database file, with the header of <https://www.sqlite.org/fileformat2.html>.
static DUMP: DumpFormat = DumpFormat {
    ending: "db",
    magic: b"SQLite format 3\0",
    by_hand: ByHand { command: "> restored.db", notes: &[], target: "sqlite:///FOLDER/restored.db" },
};

static MANIFEST: Manifest = Manifest {
    id: "sqlite",
    title: "SQLite",
    summary: "A SQLite database.",
    guide: "sqlite.md",
    icon: include_str!("icon.svg"),
    schemes: &["sqlite"],
    addresses: "sqlite:///path/to/file.db",
    fields: &[Field {
        name: PATH,
        label: "File",
        help: "Its absolute path on the server's machine, such as /var/lib/app/data.db.",
        guide: "The file's absolute path on the server's machine; in a container, the path there.",
        input: Input::HostPath { used: PathUse::File, except: &[] },
        required: Required::Always,
        max_len: 4096,
        example: "/var/lib/app/data.db",
        ..Field::TEXT
    }],
    database_field: Some(PATH),
    effect: "During a backup, the WAL of SQLite grows for as long as the upload takes.",
    authorization: None,
    capabilities: &[Capability::DamagedDatabases],
    tools: &[],
    setup: None,
    check: |_, _| (),
};

fn open(settings: &Settings, _secrets: Secrets) -> Result<Box<dyn Source>, Error> {
    Ok(Box::new(Sqlite::new(settings.path(PATH).unwrap_or_default())?))
}

fn from_address(address: &str, _origin: Origin) -> Result<(Settings, Secrets), Error> {
    let path = address.split_once("://").map_or("", |(_, path)| path);
    let mut settings = Settings::new(MANIFEST.id);
    settings.set_path(PATH, &Sqlite::parse(path)?.path);
    Ok((settings, Secrets::new()))
}

fn address(settings: &Settings) -> String {
    let path = settings.path(PATH).unwrap_or_default().display().to_string();
    format!("sqlite://{}", path.replace('%', "%25"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_is_taken_as_it_is_and_an_address_means_the_same() {
        for path in ["/data/100% sure.db", "/srv/a%20b.db", "/ü/x?y#z.db"] {
            let given = json!({"path": path});
            let settings = MANIFEST.validate(given.as_object().unwrap()).unwrap();
            assert!(open(&settings, Secrets::new()).unwrap().name().ends_with(path), "{path}");
            assert_eq!(from_address(&address(&settings), Origin::Argument).unwrap().0, settings, "{path}");
        }
    }
}
