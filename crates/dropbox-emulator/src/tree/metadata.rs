//! Entries as Dropbox describes them: `FileMetadata`, `FolderMetadata`, `DeletedMetadata`.

use serde_json::{Map, Value, json};

use super::path::{View, fold};
use super::{Kind, Node, Revision, Tree};
use crate::clock::format_seconds;

/// The fields of one entry, without `.tag`.
pub(crate) type Fields = Map<String, Value>;

impl Tree {
    /// What is alive under `key`, with its tag, as the answers `Metadata` and its lists have it.
    pub(crate) fn tagged(&self, key: &str, view: &View) -> Option<Value> {
        let node = self.get(key)?;
        let tag = if node.kind == Kind::Folder { "folder" } else { "file" };
        let mut fields = Fields::from_iter([(".tag".to_owned(), json!(tag))]);
        fields.append(&mut self.fields(key, view)?);
        Some(fields.into())
    }

    /// What is alive under `key`, without a tag.
    pub(crate) fn fields(&self, key: &str, view: &View) -> Option<Fields> {
        match self.file(key) {
            Some((_, rev, revision)) => Some(file(&self.display(key), rev, revision, view)),
            None => self.get(key).map(|node| folder(&self.display(key), node, view)),
        }
    }

    /// A revision, current or not, at the place that its file has now or had then.
    pub(crate) fn revision_fields(&self, rev: &str, view: &View) -> Option<Fields> {
        let revision = self.revision(rev)?;
        let display = self.key_of(&revision.id).map(|key| self.display(key));
        Some(file(display.as_ref().unwrap_or(&revision.display), rev, revision, view))
    }

    /// A tombstone, with its tag.
    pub(crate) fn deleted(&self, key: &str, view: &View) -> Value {
        let mut fields = place(&self.display(key), view);
        fields.insert(".tag".to_owned(), json!("deleted"));
        fields.into()
    }
}

/// `name`, and the paths if they can be seen from here.
fn place(display: &str, view: &View) -> Fields {
    let mut fields = Fields::new();
    fields.insert("name".to_owned(), display.rsplit('/').next().into());
    if let Some(path) = view.show(display) {
        fields.insert("path_lower".to_owned(), fold(path).into());
        fields.insert("path_display".to_owned(), path.into());
    }
    fields
}

fn folder(display: &str, node: &Node, view: &View) -> Fields {
    let mut fields = place(display, view);
    fields.insert("id".to_owned(), node.id.as_str().into());
    fields
}

fn file(display: &str, rev: &str, revision: &Revision, view: &View) -> Fields {
    let mut fields = place(display, view);
    fields.extend([
        ("id".to_owned(), revision.id.as_str().into()),
        ("client_modified".to_owned(), format_seconds(revision.client_modified).into()),
        ("server_modified".to_owned(), format_seconds(revision.server_modified).into()),
        ("rev".to_owned(), rev.into()),
        ("size".to_owned(), revision.content.size.into()),
        ("is_downloadable".to_owned(), true.into()),
        ("content_hash".to_owned(), revision.content.hash.as_str().into()),
    ]);
    fields
}
