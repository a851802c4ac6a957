//! How large a chunk is.

use crate::content_hash::BLOCK_SIZE;
use crate::settings::{LARGEST_CHUNK, Settings};

const GIB: u64 = 1024 * 1024 * 1024;
/// Where memory has room for larger chunks, a file takes about so many calls each time its length doubles.
const CALLS_PER_DOUBLING: u64 = 128;

/// Blocks of the next chunk, with `sent` bytes behind it and `parallel` uploads at once.
///
/// Small chunks keep a fast line full with little memory. But Dropbox counts the upload calls of business teams by the month
/// (DOC: data transport limit; 25,000 on some plans), so chunks grow with the square root of the file's length: 100 GiB take
/// some 5,600 calls. They grow sooner where few uploads at once leave memory for it.
pub(super) fn blocks_of_chunk(settings: &Settings, sent: u64, parallel: usize) -> usize {
    let bytes = |count: u64| usize::try_from(count).unwrap_or(LARGEST_CHUNK).min(LARGEST_CHUNK);
    // Two on their way while a third is being filled.
    let spared = bytes((sent / GIB).isqrt().saturating_mul(BLOCK_SIZE as u64)).min(settings.memory / 3);
    let roomy = bytes(sent / CALLS_PER_DOUBLING).min(settings.memory / (parallel + 1));
    spared.max(roomy).max(settings.chunk_size) / BLOCK_SIZE
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn long_files_get_larger_chunks() {
        let settings = Settings::new("key");
        let chunk = |sent, parallel| blocks_of_chunk(&settings, sent, parallel) * BLOCK_SIZE / MIB;
        assert_eq!(
            [0, GIB, 4 * GIB, 16 * GIB, 64 * GIB, 1024 * GIB].map(|sent| chunk(sent, 32)),
            [4, 4, 8, 16, 32, 40]
        );
        assert_eq!([0, GIB, 2 * GIB, 16 * GIB].map(|sent| chunk(sent, 4)), [4, 8, 16, 24]);
        let roomy = Settings { memory: 1024 * MIB, ..settings };
        assert_eq!(blocks_of_chunk(&roomy, u64::MAX, 1) * BLOCK_SIZE, LARGEST_CHUNK);
    }

    #[test]
    fn the_monthly_quota_of_calls_is_spared() {
        let settings = Settings::new("key");
        let (mut sent, mut calls) = (0, 0);
        while sent < 100 * GIB {
            sent += (blocks_of_chunk(&settings, sent, 32) * BLOCK_SIZE) as u64;
            calls += 1;
        }
        assert!(calls < 6000, "{calls}");
    }
}
