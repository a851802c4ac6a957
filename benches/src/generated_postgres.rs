//! Stands in for `psql` and `pg_dump` in measurements: linked under those names, it answers dbackup's question for the server's
//! version, and dumps as many bytes as the database's name says (`dbname='1073741824'`), as fast as a pipe takes them.
//!
//! The data look like a table of orders: text, numbers, hexadecimal digits; zstd -3 makes about a third of them.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

/// Repeats after so many bytes: far more than any compressor here looks back.
const BLOCK: usize = 64 * 1024 * 1024;
/// pg_dump's own pieces are small; these cost the reader no more.
const PIECE: usize = 64 * 1024;
const TABLE: i32 = 1;

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let name = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    let written = match name.rsplit('/').next() {
        Some(tool @ ("psql" | "pg_dump")) if arguments.iter().any(|argument| argument == "--version") => {
            writeln!(io::stdout(), "{tool} (PostgreSQL) 15.0")
        }
        Some("psql") => io::stdout().write_all(b"150000\x1f15.0\0"),
        Some("pg_dump") => dump(size_of(&arguments)),
        _ => return ExitCode::from(2),
    };
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn size_of(arguments: &[String]) -> u64 {
    let name = arguments.iter().find_map(|argument| argument.split("dbname='").nth(1)?.split('\'').next());
    name.and_then(|name| name.parse().ok()).unwrap_or(0)
}

/// Writes a whole archive of version 1.14 with one table.
fn dump(mut bytes: u64) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(&head())?;
    let block = orders();
    while bytes > 0 {
        let length = bytes.min(block.len() as u64);
        for piece in block[..usize::try_from(length).unwrap_or(block.len())].chunks(PIECE) {
            output.write_all(&integer(i32::try_from(piece.len()).unwrap_or(0)))?;
            output.write_all(piece)?;
        }
        bytes -= length;
    }
    output.write_all(&integer(0))?;
    output.flush()
}

fn head() -> Vec<u8> {
    let mut head = b"PGDMP\x01\x0e\x00\x04\x08\x01".to_vec();
    // Compression, seven parts of the time.
    (0..8).for_each(|_| head.extend(integer(0)));
    ["made-up", "15.0", "15.0"].iter().for_each(|value| head.extend(text(value)));
    head.extend(integer(1));
    head.extend(integer(TABLE));
    head.extend(integer(1));
    ["0", "0", "orders", "TABLE DATA"].iter().for_each(|value| head.extend(text(value)));
    head.extend(integer(3));
    // Definition, drop, copy, namespace, tablespace, access method, owner, oids; no dependencies; no offset.
    ["", "", "COPY orders FROM stdin;\n", "public", "", "", "owner", "false"]
        .iter()
        .for_each(|value| head.extend(text(value)));
    head.extend(integer(-1));
    head.extend([1, 0, 0, 0, 0, 0, 0, 0, 0]);
    head.push(1);
    head.extend(integer(TABLE));
    head
}

fn integer(value: i32) -> [u8; 5] {
    let [a, b, c, d] = value.unsigned_abs().to_le_bytes();
    [u8::from(value < 0), a, b, c, d]
}

fn text(value: &str) -> Vec<u8> {
    [&integer(i32::try_from(value.len()).unwrap_or(0))[..], value.as_bytes()].concat()
}

fn orders() -> Vec<u8> {
    let words = [
        "quiet",
        "folding",
        "woollen",
        "bright",
        "spare",
        "waterproof",
        "lamp",
        "chair",
        "blanket",
        "kettle",
        "compass",
    ];
    let mut seed = 0x5EED_u64;
    let mut dice = move |bound: u64| {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        (seed.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % bound
    };
    let mut rows = String::with_capacity(BLOCK + 1024);
    let mut number = 1_000_000_u64;
    while rows.len() < BLOCK {
        number += 1 + dice(3);
        // Writing into a String cannot fail.
        let _ = write!(
            rows,
            "{number}\t{}\t2024-{:02}-{:02}\t{:x}\t",
            dice(200_000),
            dice(12) + 1,
            dice(28) + 1,
            dice(1 << 47)
        );
        for _ in 0..4 + dice(8) {
            rows.push_str(words[usize::try_from(dice(words.len() as u64)).unwrap_or(0)]);
            rows.push(' ');
        }
        let _ = writeln!(rows, "\t{}.{:02}", dice(10_000), dice(100));
    }
    rows.truncate(BLOCK);
    rows.into_bytes()
}
