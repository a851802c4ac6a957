//! The suites that every adapter has to pass.
//!
//! An adapter's test file passes a function that creates an empty destination, and gets one test per check:
//!
//! ```ignore
//! mod folder {
//!     async fn fresh() -> adapter::conformance::Subject { ... }
//!     adapter::destination_conformance!(super::folder::fresh);
//! }
//! ```
//!
//! What a storage cannot do ([`Capabilities`](crate::destination::Capabilities)) is not asked of it; what it says it can do is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "these are tests")]

pub mod copying;
pub mod deleting;
mod meager;
pub mod reading;
pub mod writing;

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use pipeline::{Digested, Digester};

use crate::destination::{Destination, Expected, Gate, Upload};
use crate::{Error, Manifest};

pub use self::meager::Meager;

/// An empty destination, and what must live as long as it.
pub struct Subject {
    /// The destination.
    pub destination: Arc<dyn Destination>,
    /// Its adapter's manifest, if it has one.
    pub manifest: Option<&'static Manifest>,
    /// An absolute folder in its storage in which folders can be created; needed where it can be browsed. It need not exist yet.
    pub browsed: String,
    /// A temporary folder, a server.
    pub keeps: Vec<Box<dyn Any + Send>>,
}

/// Writes a test per check; `$fresh` is an async function that returns a [`Subject`].
#[macro_export]
macro_rules! destination_conformance {
    ($fresh:path) => {
        $crate::destination_conformance!(@tests $fresh,
            writing: what_is_written_can_be_listed_read_and_deleted
                nothing_is_visible_before_the_commit_and_nothing_is_overwritten
                of_two_writers_of_one_name_one_is_refused
                a_companion_comes_with_its_file_and_never_without
                only_what_arrived_is_sealed_and_only_what_was_sealed_is_published
                a_closed_gate_publishes_nothing
                an_interrupted_upload_goes_on_or_says_that_it_cannot
                what_is_acknowledged_is_never_more_than_was_written_and_all_of_it_once_published,
            reading: the_manifest_lists_what_it_can_do
                a_proof_says_what_is_there_and_how_that_is_known
                whether_a_file_is_there_is_known_without_reading_it
                a_listing_comes_in_pages_that_are_all_there_is
                a_file_larger_than_it_may_be_is_told_from_one_that_cannot_be_read
                no_path_leads_outside
                room_is_told_where_it_can_be
                a_probe_takes_every_step_and_leaves_nothing
                folders_are_found_by_their_absolute_path,
            copying: a_copy_inside_the_storage_is_whole_and_proved
                a_copy_never_overwrites
                of_two_copies_to_one_name_one_is_refused
                what_is_not_the_version_that_was_checked_is_not_copied
                a_closed_gate_copies_nothing
                what_cannot_copy_by_itself_says_so,
            deleting: a_file_that_is_another_one_by_now_is_not_deleted
                what_is_gone_is_deleted
        );
    };
    (@tests $fresh:path, $($module:ident: $($check:ident)+),+) => {
        $($(
            #[tokio::test]
            async fn $check() {
                $crate::conformance::$module::$check(&$fresh().await).await;
            }
        )+)+
    };
}

fn digested(content: &[u8]) -> Digested {
    let mut digester = Digester::default();
    digester.update(content);
    digester.finish()
}

/// What a content is, by every hash that a destination may want.
fn expected(destination: &dyn Destination, content: &[u8]) -> Expected {
    let mut expected = Expected::from(digested(content));
    if let Some(own) = destination.capabilities().own_hash {
        let mut hasher = (own.start)();
        hasher.update(content);
        expected.hashes.insert(own.name, hasher.finish());
    }
    expected
}

async fn paths(destination: &dyn Destination, folder: &str) -> Vec<String> {
    destination.list(folder).await.unwrap().into_iter().map(|object| object.path).collect()
}

/// A gate that has closed.
struct Closed;

#[async_trait]
impl Gate for Closed {
    async fn check(&self) -> Result<(), String> {
        Err("closed".to_owned())
    }

    async fn closed(&self) {}
}

/// Uploads a content up to its seal.
async fn sealed(destination: &dyn Destination, path: &str, content: &[u8]) -> Result<Box<dyn Upload>, Error> {
    let mut upload = destination.create(path).await?;
    upload.write(Bytes::copy_from_slice(content)).await?;
    upload.seal(&digested(content).into()).await?;
    Ok(upload)
}
