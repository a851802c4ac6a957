//! Archives that claim more than they should.

use super::*;

const NO_TEXT: [u8; 5] = [1, 1, 0, 0, 0];

fn integer(value: u32) -> Vec<u8> {
    [&[0][..], &value.to_le_bytes()].concat()
}

fn text(value: &[u8]) -> Vec<u8> {
    [integer(u32::try_from(value.len()).unwrap()), value.to_vec()].concat()
}

fn head(entries: u32) -> Vec<u8> {
    let mut head = [MAGIC, &[1, 16, 0, 4, 8, 1, 0]].concat();
    (0..7).for_each(|_| head.extend(integer(1)));
    ["shop", "17.0", "17.0"].iter().for_each(|name| head.extend(text(name.as_bytes())));
    head.extend(integer(entries));
    head
}

/// An entry up to its definition's length, which says `length`.
fn entry_up_to_definition(kind: &str, length: u32) -> Vec<u8> {
    let mut entry = [integer(7), integer(0)].concat();
    entry.extend([text(b"0"), text(b"0"), text(b"x"), text(kind.as_bytes()), integer(2), integer(length)].concat());
    entry
}

/// All of an entry after its definition, without its last dependency's end.
fn entry_after_definition() -> Vec<u8> {
    let mut entry = [NO_TEXT; 5].concat();
    entry.extend([integer(0), NO_TEXT.to_vec(), NO_TEXT.to_vec()].concat());
    entry
}

/// Feeds the same bytes until the reader has had enough, or `most` bytes.
fn feed(reader: &mut ArchiveReader, bytes: &[u8], most: usize) -> (Result<(), ArchiveError>, usize) {
    let mut fed = 0;
    while fed < most {
        fed += bytes.len();
        if let Err(error) = reader.read(bytes) {
            return (Err(error), fed);
        }
    }
    (Ok(()), fed)
}

fn after_head(entries: u32) -> ArchiveReader {
    let mut reader = ArchiveReader::of_foreign();
    reader.read(&head(entries)).unwrap();
    reader
}

#[test]
fn one_entry_of_a_foreign_archive_takes_no_more_than_64_mib() {
    for kind in ["TABLE", "COMMENT"] {
        let mut reader = after_head(20);
        reader.read(&entry_up_to_definition(kind, 200_000_000)).unwrap();
        let (refused, fed) = feed(&mut reader, &[b' '; 1 << 18], 200_000_000);
        assert_eq!(refused, Err(ArchiveError::TooLarge));
        assert!(fed < MAX_FOREIGN_ENTRY + (1 << 20), "{fed}");
    }
}

#[test]
fn impossible_lengths_and_numbers_are_refused_before_memory_is_taken() {
    for length in [u32::MAX, u32::try_from(MAX_FOREIGN_CONTENTS).unwrap()] {
        let mut reader = after_head(20);
        let refused = reader.read(&entry_up_to_definition("TABLE", length));
        assert_eq!(refused, Err(ArchiveError::Damaged("an impossibly long text")), "{length}");
        assert!(reader.pending.capacity() < 10_000);
    }
    // A negative length is a text that is not there, as for pg_restore.
    let mut reader = after_head(1);
    let mut entry = entry_up_to_definition("TABLE", 0);
    let start = entry.len() - 5;
    entry[start..].copy_from_slice(&[1, 255, 255, 255, 255]);
    entry.extend([entry_after_definition(), NO_TEXT.to_vec(), vec![0; 9]].concat());
    reader.read(&entry).unwrap();
    assert!(reader.contents_read());
    let negative = [&head(0)[..head(0).len() - 5], &[1, 1, 0, 0, 0]].concat();
    let refused = ArchiveReader::of_foreign().read(&negative);
    assert_eq!(refused, Err(ArchiveError::Damaged("a negative number of entries")));
}

#[test]
fn entries_without_end_are_refused_by_what_they_take_once_parsed() {
    let entry = [entry_up_to_definition("T", 0), entry_after_definition(), NO_TEXT.to_vec(), vec![0; 9]].concat();
    let mut reader = after_head(i32::MAX.cast_unsigned());
    let (refused, fed) = feed(&mut reader, &entry.repeat(1000), MAX_FOREIGN_CONTENTS);
    assert_eq!(refused, Err(ArchiveError::TooLarge));
    assert!(fed < MAX_FOREIGN_CONTENTS / 2, "entries take more than their bytes: {fed}");
}

#[test]
fn dependencies_without_end_are_read_once_each_and_bounded() {
    let mut reader = after_head(1);
    reader.read(&[entry_up_to_definition("TABLE", 0), entry_after_definition()].concat()).unwrap();
    let (refused, _) = feed(&mut reader, &text(&[b'1'; 1000]).repeat(1000), 2 * MAX_FOREIGN_CONTENTS);
    assert_eq!(refused, Err(ArchiveError::TooLarge));
    assert!(reader.pending.capacity() < 2 << 20, "they are not kept");
}

#[test]
fn the_memory_of_a_long_entry_is_given_back_with_the_table_of_contents() {
    let mut reader = after_head(1);
    reader.read(&entry_up_to_definition("TABLE", 50_000_000)).unwrap();
    feed(&mut reader, &[b' '; 1_000_000], 50_000_000).0.unwrap();
    assert!(reader.pending.capacity() >= 50_000_000);
    reader.read(&[entry_after_definition(), NO_TEXT.to_vec(), vec![0; 9]].concat()).unwrap();
    assert!(reader.contents_read() && reader.pending.capacity() < 1_000_000, "{}", reader.pending.capacity());
    reader.finish().unwrap();
}
