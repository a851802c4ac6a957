//! Chaos: the real servers, whose machines, disks, networks, databases and clocks fail at random, and a model of what must hold
//! all the same. One seed determines all actions: `CHAOS_SEED=<seed> CHAOS_STEPS=<steps>` repeats them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![expect(clippy::disallowed_methods, reason = "the tests run programs and change their world from outside")]

#[path = "../common/browser.rs"]
mod browser;
mod calm;
mod checks;
mod content;
mod dropbox_fails;
mod estate;
mod faults;
mod model;
mod node;
mod processes;
#[path = "../common/serving.rs"]
#[expect(dead_code, reason = "shared with the stories")]
mod serving;
mod source_hangs;
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

/// The steps of the short form, and of each story of the long one.
const STEPS: u64 = 22;
const LONG_STEPS: u64 = 50;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn play(layout: Layout, seed: u64, is_long: bool) {
    let seed = number("CHAOS_SEED").unwrap_or(seed);
    let steps = number("CHAOS_STEPS").unwrap_or(if is_long { LONG_STEPS } else { STEPS });
    println!("CHAOS_SEED={seed} CHAOS_STEPS={steps} repeats this ({layout:?})");
    let Some(mut story) = Story::begin(layout, seed, is_long) else { return };
    for _ in 0..steps {
        story.step();
    }
    story.assert_came();
    story.end();
}

// S-04, S-13
#[test]
fn two_servers_on_one_postgresql_lose_nothing_double_nothing_and_leave_nothing() {
    play(Layout::Shared, 1, false);
}

// S-04
#[test]
fn a_server_with_its_database_on_a_small_disk_loses_nothing_doubles_nothing_and_leaves_nothing() {
    play(Layout::Single, 2, false);
}

/// `make soak`: stories one after another, each from a seed of its own, for `SOAK_SECONDS`.
#[test]
#[ignore = "runs for minutes, with random seeds: make soak"]
fn soak() {
    let layout = |seed: u64| if seed.is_multiple_of(3) { Layout::Single } else { Layout::Shared };
    if let Some(seed) = number("CHAOS_SEED") {
        return play(layout(seed), seed, true);
    }
    let end = Instant::now() + Duration::from_secs(number("SOAK_SECONDS").unwrap_or(300));
    let mut seeds = Random::new(getrandom::u64().unwrap());
    while {
        let seed = seeds.number();
        play(layout(seed), seed, true);
        Instant::now() < end
    } {}
}
