//! A story: actions drawn from one seed, and a look at everything between them.

use std::time::{Duration, Instant};

use dropbox_emulator::Weather;
use serde_json::Value;
use test_support::Random;

use crate::estate::{Estate, Layout};
use crate::faults::Fault;
use crate::model::Model;
use crate::source_hangs::Hang;

/// Dropbox on a good day. Slow enough for something to happen in the middle of a backup.
pub(crate) const FAIR: Weather = Weather {
    latency: Duration::from_millis(20),
    connection: None,
    total: Some(4 << 20),
    append: Duration::ZERO,
    commit: Duration::ZERO,
};

/// How often everything is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Faults at once.
const MAX_ACTIVE: usize = 3;

pub(crate) struct Story {
    pub(crate) estate: Estate,
    pub(crate) model: Model,
    pub(crate) random: Random,
    pub(crate) is_long: bool,
    /// Faults that last, the oldest first.
    pub(crate) active: Vec<Fault>,
    /// Faults that come before one comes again.
    deck: Vec<Fault>,
    pub(crate) is_first_deck: bool,
    pub(crate) hang: Option<Hang>,
    /// How many names of targets were drawn.
    pub(crate) targets: u32,
    begun: Instant,
}

impl Story {
    /// Returns `None` where this user cannot do what a story needs.
    pub(crate) fn begin(layout: Layout, seed: u64, is_long: bool) -> Option<Self> {
        let begun = Instant::now();
        let estate = Estate::new(layout)?;
        estate.world.dropbox().set_weather(FAIR);
        let (model, random) = (Model::default(), Random::new(seed));
        let (active, deck) = (Vec::new(), if is_long { Vec::new() } else { Fault::always(layout) });
        let (is_first_deck, hang, targets) = (true, None, 0);
        let story = Self { estate, model, random, is_long, active, deck, is_first_deck, hang, targets, begun };
        story.say(&format!("begins in {}", story.estate.world.folder.path().display()));
        Some(story)
    }

    pub(crate) fn say(&self, words: &str) {
        println!("{:7.2} s  {words}", self.begun.elapsed().as_secs_f64());
    }

    /// Does one thing, and looks at what happens.
    pub(crate) fn step(&mut self) {
        let roll = self.random.below(100);
        if roll < 45 {
            self.work();
        } else if let Some(fault) = self.in_the_way().filter(|_| roll >= 60 || self.is_first_deck) {
            self.mend(fault);
        } else if self.active.len() < MAX_ACTIVE && (roll < 80 || self.active.is_empty()) {
            let fault = self.deal();
            self.break_something(fault);
        } else {
            let chosen = self.random.below(self.active.len() as u64);
            self.mend(self.active[chosen as usize]);
        }
        let pause = 100 + self.random.below(900);
        self.look_on(Duration::from_millis(pause));
    }

    fn deal(&mut self) -> Fault {
        if self.deck.is_empty() {
            self.deck = Fault::all(self.estate.layout, self.is_long);
            self.is_first_deck = false;
        }
        let chosen = self.random.below(self.deck.len() as u64);
        self.deck.swap_remove(chosen as usize)
    }

    /// Looks at everything for a while.
    pub(crate) fn look_on(&mut self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            self.look();
            if Instant::now() >= end {
                return;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Looks at everything until something holds. Returns whether it came to that in time.
    pub(crate) fn look_until(
        &mut self,
        time: Duration,
        mut is_so: impl FnMut(&Self, Option<&[Value]>) -> bool,
    ) -> bool {
        let end = Instant::now() + time;
        loop {
            let runs = self.look();
            if is_so(self, runs.as_deref()) {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Returns the runs, if a server can list them.
    fn look(&mut self) -> Option<Vec<Value>> {
        self.estate.nodes.iter_mut().for_each(crate::node::Node::assert_alive);
        if self.catalog_fault().is_some() {
            return None;
        }
        let runs = self.estate.list("/api/runs")?;
        self.model.note(&self.estate, &runs);
        Some(runs)
    }

    /// Returns what keeps the servers from asking their metadata database.
    fn catalog_fault(&self) -> Option<Fault> {
        self.active.iter().copied().find(|fault| matches!(fault, Fault::CatalogAway | Fault::CatalogHangs))
    }

    /// Returns what keeps everything from working: the story must not spend its time there.
    fn in_the_way(&self) -> Option<Fault> {
        let is_up = self.estate.nodes.iter().any(|node| node.serving().is_some());
        let is_down = |fault: &Fault| matches!(fault, Fault::Killed(_) | Fault::Stopped(_) | Fault::Paused(_));
        let down = || self.active.iter().copied().find(|fault| !is_up && is_down(fault));
        self.catalog_fault().or_else(down)
    }

    /// Returns whether the metadata database is well, and a server is there to use it.
    pub(crate) fn is_usable(&self) -> bool {
        self.in_the_way().is_none() && !self.active.contains(&Fault::DataFull)
    }

    /// Fails unless the faults have come that every story of the short form has.
    pub(crate) fn assert_came(&self) {
        assert!(!self.is_first_deck || self.deck.is_empty(), "the seed deals too few faults: choose another one");
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let folder = &mut self.estate.world.folder;
            folder.disable_cleanup(true);
            println!("failed; the seed is above, the servers' logs are in {}", folder.path().display());
        }
    }
}
