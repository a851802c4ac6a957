//! Listings, page by page.

use async_trait::async_trait;

use super::Object;
use crate::{Error, Kind};

/// Maximum number of files that are collected from a listing: what needs them all must not fill the memory.
pub const MAX_LISTED: usize = 2_000_000;

/// A listing in progress.
#[async_trait]
pub trait Pages: Send {
    /// Returns the next page, which may be empty; `None` once all have come.
    async fn next(&mut self) -> Result<Option<Page>, Error>;
}

/// A part of a listing. Its size is the storage's choice, and bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Files.
    pub objects: Vec<Object>,
    /// Folders that could not be read; only in a listing for display.
    pub unreadable: Vec<Unreadable>,
}

/// A folder that a listing had to leave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Relative to the destination's folder.
    pub path: String,
    /// Why.
    pub cause: String,
}

/// All pages of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files, sorted by path, each once.
    pub objects: Vec<Object>,
    /// The folders that could not be read; only in a listing for display.
    pub unreadable: Vec<Unreadable>,
}

pub(super) async fn collect(pages: Box<dyn Pages>, place: &str) -> Result<Listing, Error> {
    collect_at_most(pages, place, MAX_LISTED).await
}

async fn collect_at_most(mut pages: Box<dyn Pages>, place: &str, limit: usize) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    while let Some(page) = pages.next().await? {
        listing.objects.extend(page.objects);
        listing.unreadable.extend(page.unreadable);
        if listing.objects.len() > limit {
            let cause = format!("it holds more than {limit} files");
            return Err(Error::new(Kind::TooLarge, format!("could not list {place}"), cause)
                .cure("Move files that are no backups elsewhere."));
        }
    }
    // Of a file that came twice, the later one: a stable sort keeps their order.
    listing.objects.sort_by(|one, other| one.path.cmp(&other.path));
    listing.objects.reverse();
    listing.objects.dedup_by(|one, other| one.path == other.path);
    listing.objects.reverse();
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Made(std::vec::IntoIter<Vec<(&'static str, u64)>>);

    #[async_trait]
    impl Pages for Made {
        async fn next(&mut self) -> Result<Option<Page>, Error> {
            let object = |(path, size): (&str, u64)| Object { path: path.to_owned(), size, modified: None };
            Ok(self.0.next().map(|page| Page { objects: page.into_iter().map(object).collect(), ..Page::default() }))
        }
    }

    fn made(pages: Vec<Vec<(&'static str, u64)>>) -> Box<dyn Pages> {
        Box::new(Made(pages.into_iter()))
    }

    #[tokio::test]
    async fn a_collected_listing_is_sorted_and_has_each_file_once_as_it_came_last() {
        let pages = made(vec![vec![("b", 1), ("a", 1)], vec![], vec![("c", 1), ("a", 2)]]);
        let listing = collect(pages, "x").await.unwrap();
        let found: Vec<_> = listing.objects.iter().map(|object| (&*object.path, object.size)).collect();
        assert_eq!(found, [("a", 2), ("b", 1), ("c", 1)]);
    }

    #[tokio::test]
    async fn a_listing_beyond_its_bound_is_an_error_and_never_a_part() {
        let endless = made(vec![vec![("a", 1), ("b", 1)], vec![("c", 1)]]);
        let error = collect_at_most(endless, "file:///x", 2).await.unwrap_err();
        assert_eq!(*error.kind(), Kind::TooLarge);
        assert!(error.to_string().contains("more than 2 files"), "{error}");
    }
}
