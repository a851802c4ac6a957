//! Listing what can be read, and telling what cannot.
//!
//! A thread walks the folders, and waits while nobody takes the pages that it has filled.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use adapter::Error;
use adapter::destination::{Object, Page, Pages, Unreadable, check_path};
use async_trait::async_trait;
use domain::naming::PARTIAL_PREFIX;
use rustix::fs::{AtFlags, Dir, FileType, statat};
use tokio::sync::mpsc;

use super::read::{modified, size};
use super::{FileSystem, LINK, beneath};

/// Maximum depth of folders below each other. A job's is the first.
const MAX_DEPTH: usize = 32;
/// Files per page.
const PAGE_LEN: usize = 1000;
/// Pages that are ready before somebody takes them.
const MAX_READY: usize = 2;

/// What a folder that cannot be read means for a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadables {
    /// The listing fails.
    Fail,
    /// It is reported, and the rest is listed.
    Report,
}

/// A page, or `None` for the end: a thread that breaks down says neither, and has not listed everything.
type Message = Result<Option<Page>, Error>;

/// A listing in progress.
struct FilePages {
    receiver: mpsc::Receiver<Message>,
    has_ended: bool,
}

#[async_trait]
impl Pages for FilePages {
    async fn next(&mut self) -> Result<Option<Page>, Error> {
        if self.has_ended {
            return Ok(None);
        }
        let message = self.receiver.recv().await;
        let page =
            message.unwrap_or_else(|| Err(Error::failed("could not list the folder", "the listing broke off")))?;
        self.has_ended = page.is_none();
        Ok(page)
    }
}

impl FileSystem {
    /// Starts to list the files below a folder. Links are not followed.
    pub(super) fn start_listing(&self, folder: &str, unreadables: Unreadables) -> Result<impl Pages + use<>, Error> {
        if !folder.is_empty() {
            check_path(folder)?;
        }
        let (destination, prefix) = (self.clone(), folder.to_owned());
        let (sender, receiver) = mpsc::channel(MAX_READY);
        // A folder that hangs keeps the place of the request that lists it.
        let place = pipeline::held::place();
        tokio::task::spawn_blocking(move || {
            let _held = place;
            let mut sink = Sink { destination, unreadables, page: Page::default(), sender };
            let listed = sink.list(&prefix).and_then(|()| sink.flush()).and_then(|()| sink.send(Ok(None)));
            if let Err(Stopped::Failed(error)) = listed {
                // If nobody listens, nobody is told.
                let _ = sink.send(Err(error));
            }
        });
        Ok(FilePages { receiver, has_ended: false })
    }
}

/// Why a walk ended early.
enum Stopped {
    Failed(Error),
    NobodyListens,
}

/// Where a walk puts what it finds.
struct Sink {
    destination: FileSystem,
    unreadables: Unreadables,
    page: Page,
    sender: mpsc::Sender<Message>,
}

impl Sink {
    fn send(&self, message: Message) -> Result<(), Stopped> {
        self.sender.blocking_send(message).map_err(|_| Stopped::NobodyListens)
    }

    fn flush(&mut self) -> Result<(), Stopped> {
        let page = std::mem::take(&mut self.page);
        self.send(Ok(Some(page)))
    }

    fn full(&mut self) -> Result<(), Stopped> {
        let length = self.page.objects.len() + self.page.unreadable.len();
        if length < PAGE_LEN { Ok(()) } else { self.flush() }
    }

    fn found(&mut self, object: Object) -> Result<(), Stopped> {
        self.page.objects.push(object);
        self.full()
    }

    fn unreadable(&mut self, path: String, cause: String) -> Result<(), Stopped> {
        if self.unreadables == Unreadables::Fail {
            let what = format!("could not list {}", self.destination.folder.join(path).display());
            return Err(Stopped::Failed(Error::failed(what, cause)));
        }
        self.page.unreadable.push(Unreadable { path, cause });
        self.full()
    }

    fn list(&mut self, prefix: &str) -> Result<(), Stopped> {
        let destination = self.destination.clone();
        let start = destination.folder.join(prefix);
        let failed = |error: io::Error| {
            Stopped::Failed(match beneath::is_link(&error) {
                true => Error::failed(format!("could not list {}", start.display()), LINK),
                false => destination.io_error("could not list", &start, &error),
            })
        };
        let beneath = destination.root().map_err(Stopped::Failed)?;
        let folder = match beneath.listed(prefix) {
            // A job that has no backups yet. The destination's own folder must be there.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !prefix.is_empty() => return Ok(()),
            opened => opened.map_err(failed)?,
        };
        match walk(&folder, prefix, MAX_DEPTH, self) {
            Err(Walked::Stopped(stopped)) => Err(stopped),
            Err(Walked::Unreadable(error)) => Err(failed(error)),
            Ok(()) => Ok(()),
        }
    }
}

/// Why a folder was not walked to its end.
enum Walked {
    /// The folder itself could not be read.
    Unreadable(io::Error),
    /// The whole walk ends.
    Stopped(Stopped),
}

impl From<io::Error> for Walked {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl From<rustix::io::Errno> for Walked {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Unreadable(error.into())
    }
}

impl From<Stopped> for Walked {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

fn walk(folder: &OwnedFd, prefix: &str, depth: usize, sink: &mut Sink) -> Result<(), Walked> {
    let entries = Dir::read_from(folder)?;
    for entry in entries {
        let entry = entry?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let found = match statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => found,
            // Deleted since.
            Err(rustix::io::Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => step_into(folder.as_fd(), entry.file_name(), path, depth - 1, sink)?,
            FileType::RegularFile if !name.starts_with(PARTIAL_PREFIX) => {
                sink.found(Object { path, size: size(&found), modified: modified(&found) })?;
            }
            // What lies in a job's folder that is a link is missing in this listing.
            FileType::Symlink if prefix.is_empty() && leads_to_folder(folder.as_fd(), entry.file_name()) => {
                sink.unreadable(path, LINK.to_owned())?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn step_into(folder: BorrowedFd<'_>, name: &CStr, path: String, depth: usize, sink: &mut Sink) -> Result<(), Stopped> {
    if depth == 0 {
        return sink.unreadable(path, format!("more than {MAX_DEPTH} folders below each other are not listed"));
    }
    let opened = beneath::step_into(folder, name).map_err(Walked::from);
    match opened.and_then(|inner| walk(&inner, &path, depth, sink)) {
        Ok(()) => Ok(()),
        Err(Walked::Stopped(stopped)) => Err(stopped),
        // Deleted since its parent was read.
        Err(Walked::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(Walked::Unreadable(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
            sink.unreadable(path, "permission denied".to_owned())
        }
        Err(Walked::Unreadable(error)) => sink.unreadable(path, error.to_string()),
    }
}

/// Whether a link is worth a word. Nothing is opened for it.
fn leads_to_folder(folder: BorrowedFd<'_>, name: &CStr) -> bool {
    let found = statat(folder, name, AtFlags::empty());
    found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listing_that_breaks_off_is_an_error_and_never_a_part() {
        let (sender, receiver) = mpsc::channel(1);
        let mut pages = FilePages { receiver, has_ended: false };
        sender.send(Ok(Some(Page::default()))).await.unwrap();
        drop(sender);
        assert!(pages.next().await.unwrap().is_some());
        assert!(pages.next().await.is_err());
    }
}
