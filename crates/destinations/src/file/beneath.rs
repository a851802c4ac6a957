//! The only way to what lies beneath a destination's folder: no link is followed, nothing but a regular file is opened, and no
//! open waits for anybody (a FIFO would wait for its writer).
//!
//! Whoever can write into the folder can put a link in a backup's place, at any time, also between a listing and the opening. So a
//! path is not checked and then opened: the kernel resolves it from the open folder and refuses links itself. A hard link cannot be
//! told from the file that it is another name of; making one to somebody else's file is barred by Linux (`fs.protected_hardlinks`).

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, mkdirat, openat, openat2, statat, unlinkat,
};
use rustix::io::Errno;

/// A folder to look below, or to write into: no right to list it is needed.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);
const LISTED: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);
/// Has no effect on regular files.
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// What to do about links in the path of the destination's own folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootLinks {
    /// Follow them: whoever named the folder may use every file of this user.
    Follow,
    /// Refuse them: the path was resolved and judged, and must not lead elsewhere since.
    Refuse,
}

/// A destination's folder, open.
#[derive(Debug)]
pub(super) struct Beneath(OwnedFd);

impl Beneath {
    pub(super) fn open(folder: &Path, links: RootLinks) -> io::Result<Self> {
        let root = match links {
            RootLinks::Follow => openat(CWD, folder, FOLDER | OFlags::CLOEXEC, Mode::empty())?,
            RootLinks::Refuse => {
                let top = openat(CWD, "/", FOLDER | OFlags::CLOEXEC, Mode::empty())?;
                let below: PathBuf = folder.components().filter(|part| *part != Component::RootDir).collect();
                if below.as_os_str().is_empty() { top } else { open_below(top.as_fd(), &below, FOLDER)? }
            }
        };
        Ok(Self(root))
    }

    /// Opens a regular file for reading.
    pub(super) fn file(&self, path: &str) -> io::Result<File> {
        let file = open_below(self.0.as_fd(), Path::new(path), FILE)?;
        match FileType::from_raw_mode(fstat(&file)?.st_mode) {
            FileType::RegularFile => Ok(File::from(file)),
            FileType::Directory => Err(Errno::ISDIR.into()),
            _ => Err(io::Error::other("it is no regular file, and is not opened")),
        }
    }

    /// Looks at what has a name, which may be a link.
    pub(super) fn look(&self, path: &str) -> io::Result<Stat> {
        let (folder, name) = split(path);
        Ok(statat(self.folder(folder)?, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Opens a folder, to reach what lies in it; the empty path is the destination's own.
    pub(super) fn folder(&self, path: &str) -> io::Result<OwnedFd> {
        match path {
            "" => self.0.try_clone(),
            path => Ok(open_below(self.0.as_fd(), Path::new(path), FOLDER)?),
        }
    }

    /// Opens a folder, to list it.
    pub(super) fn listed(&self, path: &str) -> io::Result<OwnedFd> {
        let path = if path.is_empty() { "." } else { path };
        Ok(open_below(self.0.as_fd(), Path::new(path), LISTED)?)
    }

    /// Opens a folder that is made where it is missing, with those above it.
    pub(super) fn make_folders(&self, path: &str) -> io::Result<OwnedFd> {
        let mut folder = self.0.try_clone()?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            match mkdirat(&folder, name, Mode::RWXU) {
                Ok(()) => pipeline::private_file::sync_folder(&by_descriptor(&folder))?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            folder = open_below(folder.as_fd(), Path::new(name), FOLDER)?;
        }
        Ok(folder)
    }

    /// Removes a name, without looking at what it leads to.
    pub(super) fn remove(&self, path: &str) -> io::Result<()> {
        let (folder, name) = split(path);
        Ok(unlinkat(self.folder(folder)?, name, AtFlags::empty())?)
    }

    /// The folder itself.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Opens a folder in an open one, to list it.
pub(super) fn step_into(folder: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    openat(folder, name, LISTED | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Returns a path to an open folder that stays the same folder, whatever is renamed or put in its place; for as long as it is open.
pub(super) fn by_descriptor(folder: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()))
}

/// Folder and name of a path.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Whether an error says that a link was in the way.
pub(super) fn is_link(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::LOOP)
}

fn open_below(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(root, path, flags, Mode::empty(), resolve) {
        // Before Linux 5.6; or a container's filter, which may refuse calls that it does not know in this way.
        Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => walk(root, path, flags),
        opened => opened,
    }
}

/// As `openat2`, a folder at a time.
fn walk(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW;
    let step = FOLDER | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut parts = path.components().peekable();
    let mut folder: Option<OwnedFd> = None;
    while let Some(part) = parts.next() {
        if !matches!(part, Component::Normal(_) | Component::CurDir) {
            return Err(Errno::XDEV);
        }
        let from = folder.as_ref().map_or(root, AsFd::as_fd);
        let is_last = parts.peek().is_none();
        let opened = openat(from, part.as_os_str(), if is_last { flags } else { step }, Mode::empty());
        let opened = opened.map_err(|error| linked(from, part, error))?;
        if is_last {
            return Ok(opened);
        }
        folder = Some(opened);
    }
    Err(Errno::NOENT)
}

/// A link where a folder should be is "not a directory" to `openat`.
fn linked(folder: BorrowedFd<'_>, part: Component<'_>, error: Errno) -> Errno {
    let found = || statat(folder, part.as_os_str(), AtFlags::SYMLINK_NOFOLLOW);
    let is_link = error == Errno::NOTDIR
        && found().is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink);
    if is_link { Errno::LOOP } else { error }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    type Way = fn(BorrowedFd<'_>, &Path, OFlags) -> rustix::io::Result<OwnedFd>;

    #[test]
    fn both_ways_to_open_follow_no_link_and_leave_by_no_dots() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "s").unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("job/deep")).unwrap();
        fs::write(folder.path().join("job/deep/file"), "f").unwrap();
        symlink(outside.path(), folder.path().join("linked")).unwrap();
        symlink(outside.path().join("secret"), folder.path().join("job/link")).unwrap();
        symlink("deep/file", folder.path().join("job/inner")).unwrap();
        symlink(folder.path().join("nowhere"), folder.path().join("job/dangling")).unwrap();
        let root = Beneath::open(folder.path(), RootLinks::Follow).unwrap();
        let flags = FILE | OFlags::CLOEXEC;
        let ways: [Way; 2] = [open_below, walk];
        for way in ways {
            let open = |path: &str| way(root.descriptor(), Path::new(path), flags);
            assert!(open("job/deep/file").is_ok());
            for linked in ["linked/secret", "job/link", "job/inner", "job/dangling", "linked"] {
                assert_eq!(open(linked).err(), Some(Errno::LOOP), "{linked}");
            }
            for outside in ["../x", "job/../../x", "/etc/passwd"] {
                assert_eq!(open(outside).err(), Some(Errno::XDEV), "{outside}");
            }
            assert_eq!(open("job/none").err(), Some(Errno::NOENT));
            assert_eq!(open("job/deep/file/x").err(), Some(Errno::NOTDIR));
        }
    }

    #[test]
    fn a_resolved_folder_that_became_a_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        fs::create_dir(base.join("real")).unwrap();
        symlink(base.join("real"), base.join("link")).unwrap();
        assert!(Beneath::open(&base.join("real"), RootLinks::Refuse).is_ok());
        assert!(is_link(&Beneath::open(&base.join("link"), RootLinks::Refuse).unwrap_err()));
        assert!(Beneath::open(&base.join("link"), RootLinks::Follow).is_ok());
        assert!(Beneath::open(Path::new("/"), RootLinks::Refuse).is_ok());
    }
}
