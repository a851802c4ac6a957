//! Files and folders.

mod copy;
mod delete;
mod download;
mod folders;
pub(crate) mod gate;
mod list;
mod metadata;
mod path;
mod publication;
mod upload;

pub use copy::Original;
pub use download::Download;
pub use gate::{Gate, Open};
pub use list::Listing;
pub use metadata::{FileMetadata, FolderMetadata, Metadata};
pub use path::{folded, normalized};
pub use upload::{Checkpoint, Committed, Companion, Upload};
