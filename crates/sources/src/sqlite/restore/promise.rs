//! The size that a SQLite file's own header promises: a restore without a sidecar goes no further, and no less far.
//!
//! Source: <https://www.sqlite.org/fileformat.html#the_database_header>: the page size at byte 16, the number of pages at 28, which counts
//! if the change counter at 24 is the one at 92.

use bytes::Bytes;

const HEADER_LEN: usize = 100;

/// Reads along with a file.
#[derive(Debug, Default)]
pub(super) struct Promise {
    header: Vec<u8>,
    /// Bytes that came.
    taken: u64,
}

/// The file has more content than its header promises, in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exceeded(pub(super) u64);

impl Promise {
    /// Returns as much of the next bytes as belongs to the database. Zeros may follow: some applications let a file grow ahead.
    pub(super) fn keep(&mut self, piece: Bytes) -> Result<Bytes, Exceeded> {
        let missing = HEADER_LEN.saturating_sub(self.header.len()).min(piece.len());
        self.header.extend_from_slice(&piece[..missing]);
        let before = self.taken;
        self.taken += piece.len() as u64;
        let Some(size) = self.size().filter(|size| self.taken > *size) else { return Ok(piece) };
        let kept = usize::try_from(size.saturating_sub(before)).map_or(piece.len(), |kept| kept.min(piece.len()));
        if piece[kept..].iter().any(|byte| *byte != 0) {
            return Err(Exceeded(size));
        }
        Ok(piece.slice(..kept))
    }

    /// Returns how many bytes are missing at the end. SQLite itself takes a last page that is cut short for one that ends in zeros.
    pub(super) fn missing(&self) -> u64 {
        let taken = self.taken;
        if taken < HEADER_LEN as u64 {
            return HEADER_LEN as u64 - taken;
        }
        let page_size = self.page_size().filter(|size| *size > 0);
        let whole = self.size().or_else(|| page_size.map(|size| taken.next_multiple_of(size)));
        whole.map_or(0, |whole| whole.saturating_sub(taken))
    }

    /// Returns the promised size in bytes, if the header has come and says one.
    fn size(&self) -> Option<u64> {
        let field = |at: usize| self.header.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
        let (changes, pages, valid_for) = (field(24)?, field(28)?, field(92)?);
        let page_size = self.page_size()?;
        (pages > 0 && changes == valid_for).then(|| u64::from(pages) * page_size)
    }

    fn page_size(&self) -> Option<u64> {
        match u16::from_be_bytes(self.header.get(16..18)?.try_into().ok()?) {
            1 => Some(65_536),
            size => Some(u64::from(size)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(pages: u32, valid_for: u32) -> Vec<u8> {
        let mut file = vec![7; 3 * 4096];
        file[16..18].copy_from_slice(&4096_u16.to_be_bytes());
        file[24..28].copy_from_slice(&5_u32.to_be_bytes());
        file[28..32].copy_from_slice(&pages.to_be_bytes());
        file[92..96].copy_from_slice(&valid_for.to_be_bytes());
        file
    }

    fn kept(file: &[u8], pieces: usize) -> Result<usize, Exceeded> {
        let mut promise = Promise::default();
        file.chunks(pieces).map(|piece| promise.keep(Bytes::copy_from_slice(piece)).map(|kept| kept.len())).sum()
    }

    #[test]
    fn a_file_is_read_as_far_as_its_header_says() {
        for pieces in [1, 50, 4096, 5000, 100_000] {
            assert_eq!(kept(&database(3, 5), pieces), Ok(3 * 4096));
            assert_eq!(kept(&database(2, 5), pieces), Err(Exceeded(2 * 4096)));
            let padded = [database(3, 5), vec![0; 100_000]].concat();
            assert_eq!(kept(&padded, pieces), Ok(3 * 4096));
            // Written by SQLite before 3.7: the number of pages does not count.
            assert_eq!(kept(&database(2, 4), pieces), Ok(3 * 4096));
            assert_eq!(kept(&database(0, 5), pieces), Ok(3 * 4096));
        }
    }
    #[test]
    fn what_is_missing_at_the_end_is_told() {
        for (valid_for, pages) in [(5, 3), (4, 3), (5, 0)] {
            let mut promise = Promise::default();
            promise.keep(Bytes::from(database(pages, valid_for)[..3 * 4096 - 10].to_vec())).unwrap();
            assert_eq!(promise.missing(), 10);
            promise.keep(Bytes::from_static(&[7; 10])).unwrap();
            assert_eq!(promise.missing(), 0);
        }
        let mut promise = Promise::default();
        assert_eq!(promise.missing(), 100, "a database has a page at least");
        promise.keep(Bytes::from_static(b"S")).unwrap();
        assert_eq!(promise.missing(), 99);
    }
}
