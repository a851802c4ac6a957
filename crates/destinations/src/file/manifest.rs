//! What can be set for a folder of the server's machine.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use adapter::destination::Destination;
use adapter::{Capability, Error, Field, Input, Manifest, PathUse, Required, Secrets, Settings};

use super::{FileSystem, RootLinks};
use crate::registry::{Context, DestinationAdapter, WHEN_FULL, when_full};

pub(crate) const ADAPTER: DestinationAdapter = DestinationAdapter {
    manifest: &MANIFEST,
    open,
    from_address,
    address,
    check_folder,
    no_subfolders: "No subfolders",
};

const PATH: &str = "path";

static MANIFEST: Manifest = Manifest {
    id: "folder",
    title: "Folder on the server",
    summary: "A folder on the server's machine, or mounted there.",
    guide: "folder.md",
    icon: include_str!("icon.svg"),
    schemes: &["file"],
    addresses: "file:///folder",
    fields: &[
        Field {
            name: PATH,
            label: "Folder",
            help: "An absolute path on the server's machine, or mounted there, such as /var/backups.",
            guide: "Its absolute path on the server's machine; in a container, the path there. Tokens without `administer` need it to \
                    lie below an `--allow-path`.",
            input: Input::HostPath { used: PathUse::Folder, except: &[] },
            required: Required::Always,
            max_len: 4096,
            example: "/var/backups",
            ..Field::TEXT
        },
        WHEN_FULL,
    ],
    database_field: None,
    effect: "",
    authorization: None,
    capabilities: &[Capability::Browse, Capability::Quota],
    tools: &[],
    setup: None,
    check: |_, _| (),
};

fn check_folder(folder: &str) -> Result<String, String> {
    match folder.split('/').any(|part| part == "..") {
        true => Err("must not hold '..'".to_owned()),
        false => Ok(folder.to_owned()),
    }
}

fn open(settings: &Settings, _secrets: Secrets, context: &Context) -> Result<Arc<dyn Destination>, Error> {
    let links = if context.paths_are_resolved { RootLinks::Refuse } else { RootLinks::Follow };
    let folder = settings.path(PATH).unwrap_or_default();
    Ok(Arc::new(FileSystem::new(folder, when_full(settings), links)?))
}

fn from_address(address: &str) -> Result<Settings, Error> {
    let folder = address
        .strip_prefix("file://")
        .ok_or_else(|| Error::invalid(format!("'{address}' is not a folder: write file:///path/to/folder")))?;
    let folder = OsString::from_vec(percent_encoding::percent_decode_str(folder).collect());
    let mut settings = Settings::new(MANIFEST.id);
    settings.set_path(PATH, folder.as_ref());
    Ok(settings)
}

fn address(settings: &Settings) -> String {
    crate::folder_address(&settings.path(PATH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_folder_is_the_one_that_was_typed() {
        for path in ["/srv/a%20b", "/100%", "/q?x=1#h", "/%2e%2e"] {
            let settings = MANIFEST.validate(json!({"path": path}).as_object().unwrap()).unwrap();
            let again = from_address(&address(&settings)).unwrap();
            assert_eq!(again.path(PATH), Some(path.into()), "{path}");
        }
        let odd = from_address("file:///srv/%FF").unwrap();
        assert_eq!(address(&odd), "file:///srv/%FF");
        for path in ["srv", "/srv/../x", "/srv/./x", "/a\tb", ""] {
            assert!(MANIFEST.validate(json!({"path": path}).as_object().unwrap()).is_err(), "{path}");
        }
    }
}
