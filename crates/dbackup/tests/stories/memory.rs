//! Files that claim more than there is: whoever can write to a destination must not take the machine's memory.

use std::fs;
use std::process::{Command, Stdio};

use test_support::{PostgresServer, PostgresVersion, wait_until};

use crate::world::World;

/// Bytes of memory that a restore may take whatever a backup claims: 512 MiB for a table of contents, and room for all the rest.
const MAX_MEMORY: u64 = 768 * 1024 * 1024;
const NO_TEXT: [u8; 5] = [1, 1, 0, 0, 0];

fn integer(value: u32) -> Vec<u8> {
    [&[0][..], &value.to_le_bytes()].concat()
}

fn text(value: &[u8]) -> Vec<u8> {
    [integer(u32::try_from(value.len()).unwrap()), value.to_vec()].concat()
}

/// The head of a PostgreSQL archive of version 1.16.
fn head(entries: u32) -> Vec<u8> {
    let mut head = b"PGDMP\x01\x10\x00\x04\x08\x01\x00".to_vec();
    (0..7).for_each(|_| head.extend(integer(1)));
    ["shop", "17.0", "17.0"].iter().for_each(|name| head.extend(text(name.as_bytes())));
    head.extend(integer(entries));
    head
}

fn entry(definition: &[u8]) -> Vec<u8> {
    let mut entry = [integer(7), integer(0), text(b"0"), text(b"0"), text(b"x"), text(b"TABLE"), integer(2)].concat();
    entry.extend(text(definition));
    entry.extend([NO_TEXT; 5].concat());
    entry.extend([integer(0), NO_TEXT.to_vec(), NO_TEXT.to_vec(), NO_TEXT.to_vec(), vec![0; 9]].concat());
    entry
}

/// Returns how a program ended that printed `stderr`, and the most memory that it had at a time, in bytes.
fn run_measured(mut command: Command, world: &World) -> (Option<i32>, String, u64) {
    let said = world.path("said");
    let file = fs::File::create(&said).unwrap();
    let mut child = command.stdout(file.try_clone().unwrap()).stderr(file).stdin(Stdio::null()).spawn().unwrap();
    let (mut peak, mut code) = (0, None);
    wait_until("the program ends", || {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        peak = peak.max(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024);
        code = child.try_wait().unwrap().map(|status| status.code());
        code.is_some()
    });
    (code.flatten(), fs::read_to_string(&said).unwrap(), peak)
}

#[test]
fn archives_that_claim_gigabytes_are_refused_in_words_within_bounded_memory() {
    let (world, server) = (World::new(), PostgresServer::start(PostgresVersion::Debian));
    server.sql("postgres", "CREATE DATABASE shop");
    let folder = world.path("disk/shop");
    fs::create_dir_all(&folder).unwrap();
    let frame = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let long = frame(&entry(&vec![b' '; 200_000_000])).repeat(20);
    let short = frame(&entry(b"").repeat(10_000)).repeat(1000);
    for (count, entries) in [(20, long), (10_000_000, short)] {
        let archive = [frame(&head(count)), entries].concat();
        fs::write(folder.join("backup_2026-11-26T00-00-00_shop.dump.zst"), archive).unwrap();
        let (disk, target) = (format!("file://{}", world.path("disk").display()), server.address("shop"));
        let restore = ["restore", &disk, "shop/backup_2026-11-26T00-00-00_shop.dump.zst", "--target", &target];
        for more in [&[][..], &["--dry-run"]] {
            let (code, said, peak) = run_measured(world.command(&[&restore[..], more].concat()), &world);
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains("table of contents takes more than"), "{said}");
            assert!(peak > 0 && peak < MAX_MEMORY, "{more:?}: {} MiB", peak >> 20);
            println!("{count} {more:?}: {} MiB", peak >> 20);
        }
    }
}
