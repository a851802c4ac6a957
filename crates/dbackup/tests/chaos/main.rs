//! Chaos: the real servers, whose machines, disks, networks, databases and clocks fail at random, and a model of what must hold
//! all the same. One seed determines all actions: `CHAOS_SEED=<seed> CHAOS_STEPS=<steps>` repeats them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![expect(clippy::disallowed_methods, reason = "the tests run programs and change their world from outside")]

#[path = "../common/browser.rs"]
mod browser;
mod calm;
mod checks;
mod content;
mod estate;
mod faults;
mod model;
mod node;
mod processes;
#[path = "../common/serving.rs"]
#[expect(dead_code, reason = "shared with the stories")]
mod serving;
mod stored;
mod story;
mod work;
#[path = "../common/world.rs"]
#[expect(dead_code, reason = "shared with the stories")]
mod world;

use std::time::{Duration, Instant};

use estate::Layout;
use story::Story;
use test_support::Random;

/// Enough for every fault that the short form may choose to come once.
const STEPS: u64 = 22;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn play(layout: Layout, seed: u64, is_long: bool) {
    let (seed, steps) = (number("CHAOS_SEED").unwrap_or(seed), number("CHAOS_STEPS").unwrap_or(STEPS));
    println!("CHAOS_SEED={seed} CHAOS_STEPS={steps} repeats this ({layout:?})");
    let Some(mut story) = Story::begin(layout, seed, is_long) else { return };
    for _ in 0..steps {
        story.step();
    }
    story.end();
}

#[test]
fn two_servers_on_one_postgresql_lose_nothing_double_nothing_and_leave_nothing() {
    play(Layout::Shared, 1, false);
}

#[test]
fn a_server_with_its_database_on_a_small_disk_loses_nothing_doubles_nothing_and_leaves_nothing() {
    play(Layout::Single, 2, false);
}

/// `make soak`: stories one after another, each from a seed of its own, for `SOAK_SECONDS`.
#[test]
#[ignore = "runs for minutes, with random seeds: make soak"]
fn soak() {
    let end = Instant::now() + Duration::from_secs(number("SOAK_SECONDS").unwrap_or(300));
    let mut seeds = Random::new(number("CHAOS_SEED").unwrap_or_else(|| getrandom::u64().unwrap()));
    loop {
        let seed = seeds.number();
        let layout = if seed % 3 == 0 { Layout::Single } else { Layout::Shared };
        play(layout, seed, true);
        if Instant::now() >= end || number("CHAOS_SEED").is_some() {
            return;
        }
    }
}
