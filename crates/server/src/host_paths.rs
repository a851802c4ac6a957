//! Which paths of this machine the server uses: never its own data, and for others than administrators only what lies below the
//! folders that it was started with (`--allow-path`).
//!
//! Paths are compared after every link in them was resolved, and folders by device and inode besides, so that bind mounts, other
//! spellings and file systems that ignore case make no difference. A decision is made when a path is saved, and again when it is
//! used: what it leads to by then is what counts.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use catalog::Location;

/// What SQLite adds to a database's name for files of its own. One that is put there becomes part of the database.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// What a path is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// All that lies below it.
    Folder,
    /// The file itself.
    File,
}

/// Why a path is not used.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Refusal {
    /// The data folder, something in it, or a folder around it; the metadata database.
    #[error(
        "{0} is, lies in, or holds this server's own data, which is never backed up, written to or read as a backup"
    )]
    Own(String),
    /// Not below any allowed folder.
    #[error(
        "{path} is on the server's machine: using it needs the permission 'administer', or a folder that the server was started \
         with (--allow-path, DBACKUP_ALLOW_PATH); {}", allowed_in_words(.allowed)
    )]
    NotAllowed {
        /// The path.
        path: String,
        /// The folders that are.
        allowed: Vec<PathBuf>,
    },
    /// A link was changed.
    #[error("{path} leads to {now} since it was saved: an administrator has to look at it and save it again")]
    Moved {
        /// The path.
        path: String,
        /// Where it leads.
        now: String,
    },
    /// Not what it should be.
    #[error("{path}: {cause}")]
    Unusable {
        /// The path.
        path: String,
        /// Why.
        cause: String,
    },
}

fn allowed_in_words(allowed: &[PathBuf]) -> String {
    match allowed {
        [] => "this one was started with none".to_owned(),
        folders => {
            let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
            format!("this one was started with {}", folders.join(", "))
        }
    }
}

/// What the server knows of this machine's paths.
#[derive(Debug, Clone)]
pub(crate) struct HostPaths {
    data: PathBuf,
    /// The metadata database, if it is a file.
    database: Option<PathBuf>,
    allowed: Vec<PathBuf>,
}

impl HostPaths {
    pub(crate) fn new(data: &Path, database: &Location, allowed: &[PathBuf]) -> Self {
        let database = database.file().map(Path::to_owned);
        for folder in allowed {
            if let Err(error) = folder.canonicalize() {
                tracing::warn!(%error, folder = %folder.display(), "an allowed folder cannot be used");
            }
        }
        Self { data: data.to_owned(), database, allowed: allowed.to_owned() }
    }

    /// Returns where a path leads, unless that is the server's own data, or cannot be what it is to be used for.
    pub(crate) fn resolve(&self, path: &Path, used: Use) -> Result<PathBuf, Refusal> {
        let shown = path.display().to_string();
        let unusable = |cause: String| Refusal::Unusable { path: shown.clone(), cause };
        let resolved = resolve(path).map_err(|error| unusable(error.to_string()))?;
        if resolved.to_str().is_none() {
            return Err(unusable("it leads to a path that is not UTF-8".to_owned()));
        }
        if self.is_own(&resolved, used).map_err(|error| unusable(error.to_string()))? {
            return Err(Refusal::Own(shown));
        }
        let wrong = fs::symlink_metadata(&resolved).ok().and_then(|found| match used {
            Use::Folder if !found.is_dir() => Some("it is not a folder"),
            Use::File if !found.is_file() => Some("it is not a regular file"),
            _ => None,
        });
        match wrong {
            Some(wrong) => Err(unusable(wrong.to_owned())),
            None => Ok(resolved),
        }
    }

    /// Refuses a resolved path that lies outside of all allowed folders.
    pub(crate) fn check_allowed(&self, resolved: &Path) -> Result<(), Refusal> {
        if self.allowed_folders().iter().any(|folder| resolved.starts_with(folder)) {
            return Ok(());
        }
        Err(Refusal::NotAllowed { path: resolved.display().to_string(), allowed: self.allowed.clone() })
    }

    /// The allowed folders that exist, resolved.
    pub(crate) fn allowed_folders(&self) -> Vec<PathBuf> {
        self.allowed.iter().filter_map(|folder| folder.canonicalize().ok()).collect()
    }

    /// Returns the approval that is kept with a path that is saved: none where an allowed folder makes it good, and the one before
    /// where whoever saves it changes nothing about it.
    pub(crate) fn approve(
        &self,
        path: &Path,
        used: Use,
        administers: bool,
        before: Option<&str>,
    ) -> Result<Option<String>, Refusal> {
        let resolved = self.resolve(path, used)?;
        match self.check_allowed(&resolved) {
            _ if administers => Ok(Some(resolved.display().to_string())),
            Ok(()) => Ok(None),
            Err(_) if before.is_some() => Ok(before.map(str::to_owned)),
            Err(refusal) => Err(refusal),
        }
    }

    /// Returns where a saved path leads now, if that is still what was approved.
    pub(crate) fn reopen(&self, path: &Path, used: Use, approved: Option<&str>) -> Result<PathBuf, Refusal> {
        let resolved = self.resolve(path, used)?;
        match approved {
            Some(catalog::APPROVED_BEFORE) => Ok(resolved),
            Some(approved) if Path::new(approved) == resolved => Ok(resolved),
            Some(_) => match self.check_allowed(&resolved) {
                Ok(()) => Ok(resolved),
                Err(_) => Err(Refusal::Moved { path: path.display().to_string(), now: resolved.display().to_string() }),
            },
            None => self.check_allowed(&resolved).map(|()| resolved),
        }
    }

    fn is_own(&self, resolved: &Path, used: Use) -> io::Result<bool> {
        let data = self.data.canonicalize()?;
        let own = fs::metadata(&data)?;
        if resolved.starts_with(&data) || ancestors(resolved).any(|found| is_same(&found, &own)) {
            return Ok(true);
        }
        let found = fs::metadata(resolved).ok();
        match (used, &found) {
            (Use::Folder, _) if data.starts_with(resolved) => Ok(true),
            (Use::Folder, Some(found)) => Ok(ancestors(&data).any(|above| is_same(&above, found))),
            (Use::Folder, None) => Ok(false),
            // By another name: a hard link.
            (Use::File, found) => Ok(self.own_files(&data)?.iter().any(|own| {
                let is_it = own == resolved || with_companions(own).any(|companion| companion == resolved);
                is_it || found.as_ref().is_some_and(|found| fs::metadata(own).is_ok_and(|own| is_same(&own, found)))
            })),
        }
    }

    /// The files in the data folder, and the metadata database and its copies wherever they are.
    fn own_files(&self, data: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = fs::read_dir(data)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        if let Some(database) = self.database.as_ref().and_then(|database| resolve(database).ok()) {
            files.extend(catalog::copies_before_upgrades(&database)?);
            files.push(database);
        }
        Ok(files)
    }
}

fn with_companions(path: &Path) -> impl Iterator<Item = PathBuf> + '_ {
    COMPANIONS.into_iter().map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    })
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn ancestors(path: &Path) -> impl Iterator<Item = Metadata> + '_ {
    path.ancestors().filter_map(|above| fs::metadata(above).ok())
}

/// Follows every link of a path; what does not exist yet is taken as it is.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        resolved => return resolved,
    }
    if fs::symlink_metadata(path).is_ok() {
        return Err(io::Error::other("it is a link that leads nowhere"));
    }
    match (path.parent(), path.components().next_back()) {
        (Some(above), Some(Component::Normal(name))) => Ok(resolve(above)?.join(name)),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Machine {
        folder: tempfile::TempDir,
        paths: HostPaths,
    }

    impl Machine {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let base = folder.path().canonicalize().unwrap();
            for name in ["own/data/deep", "allowed/below", "elsewhere"] {
                fs::create_dir_all(base.join(name)).unwrap();
            }
            for name in [
                "own/data/dbackup.db",
                "own/data/encryption.key",
                "elsewhere/app.db",
                "elsewhere/meta.db",
                "elsewhere/meta.db.before-0003",
            ] {
                fs::write(base.join(name), name).unwrap();
            }
            let database = Location::Sqlite(base.join("elsewhere/meta.db"));
            let paths = HostPaths::new(&base.join("own/data"), &database, &[base.join("allowed")]);
            Self { folder, paths }
        }

        fn at(&self, name: &str) -> PathBuf {
            self.folder.path().canonicalize().unwrap().join(name)
        }
    }

    #[test]
    fn the_data_folder_what_is_in_it_and_around_it_is_nobodys_by_whatever_name() {
        let machine = Machine::new();
        symlink(machine.at("own"), machine.at("allowed/link")).unwrap();
        symlink(machine.at("own/data/dbackup.db"), machine.at("allowed/link.db")).unwrap();
        fs::hard_link(machine.at("own/data/dbackup.db"), machine.at("allowed/hard.db")).unwrap();
        let is_own = |name: &str, used| {
            let refused = machine.paths.approve(&machine.at(name), used, true, Some("*"));
            matches!(refused, Err(Refusal::Own(_)))
        };
        for folder in
            ["own/data", "own", "", "own/data/deep", "own/data/new/deeper", "allowed/link", "allowed/link/data"]
        {
            assert!(is_own(folder, Use::Folder), "{folder}");
        }
        assert!(machine.paths.resolve(Path::new("/"), Use::Folder).is_err());
        for file in [
            "own/data/dbackup.db",
            "own/data/new.db",
            "allowed/link.db",
            "allowed/hard.db",
            "allowed/link/data/encryption.key",
            "elsewhere/meta.db",
            "elsewhere/meta.db-wal",
            "elsewhere/meta.db.before-0003",
            "elsewhere/../own/data/dbackup.db",
        ] {
            assert!(is_own(file, Use::File), "{file}");
        }
        assert!(!is_own("elsewhere", Use::Folder) && !is_own("elsewhere/app.db", Use::File));
    }

    #[test]
    fn without_administer_only_allowed_folders_are_used_and_links_do_not_lead_out() {
        let machine = Machine::new();
        symlink(machine.at("elsewhere"), machine.at("allowed/link")).unwrap();
        let approve = |name: &str, administers, before| {
            machine.paths.approve(&machine.at(name), Use::Folder, administers, before)
        };
        assert_eq!(approve("allowed/below", false, None).unwrap(), None);
        assert_eq!(approve("allowed/new", false, None).unwrap(), None);
        for outside in ["elsewhere", "allowed/link", "allowed/../elsewhere", "allowedly"] {
            let refused = approve(outside, false, None).unwrap_err();
            assert!(refused.to_string().contains("--allow-path"), "{refused}");
        }
        let approved = approve("allowed/link", true, None).unwrap().unwrap();
        assert_eq!(Path::new(&approved), machine.at("elsewhere"));
        // Whoever changes only the name keeps what was approved.
        assert_eq!(approve("elsewhere", false, Some("*")).unwrap().as_deref(), Some("*"));
    }

    #[test]
    fn what_a_path_leads_to_when_it_is_used_is_what_counts() {
        let machine = Machine::new();
        fs::create_dir(machine.at("allowed/job")).unwrap();
        let reopen = |approved: Option<&str>| machine.paths.reopen(&machine.at("allowed/job"), Use::Folder, approved);
        assert!(reopen(None).is_ok());
        fs::remove_dir(machine.at("allowed/job")).unwrap();
        symlink(machine.at("elsewhere"), machine.at("allowed/job")).unwrap();
        assert!(matches!(reopen(None), Err(Refusal::NotAllowed { .. })));
        assert!(matches!(reopen(Some("/srv/x")), Err(Refusal::Moved { .. })));
        assert!(reopen(machine.at("elsewhere").to_str()).is_ok());
        assert!(reopen(Some(catalog::APPROVED_BEFORE)).is_ok());
        fs::remove_file(machine.at("allowed/job")).unwrap();
        symlink(machine.at("own/data"), machine.at("allowed/job")).unwrap();
        assert!(matches!(reopen(Some(catalog::APPROVED_BEFORE)), Err(Refusal::Own(_))));
    }

    #[test]
    fn what_is_no_file_is_no_database_and_dangling_links_are_named() {
        let machine = Machine::new();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            machine.at("allowed/fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        symlink(machine.at("nowhere"), machine.at("allowed/dangling")).unwrap();
        for (name, used, word) in [
            ("allowed/fifo", Use::File, "regular file"),
            ("allowed", Use::File, "regular file"),
            ("elsewhere/app.db", Use::Folder, "not a folder"),
            ("allowed/dangling", Use::File, "leads nowhere"),
            ("allowed/dangling/x.db", Use::File, "leads nowhere"),
        ] {
            let refused = machine.paths.resolve(&machine.at(name), used).unwrap_err().to_string();
            assert!(refused.contains(word), "{name}: {refused}");
        }
    }
}
