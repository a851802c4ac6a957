//! What breaks, and how it is mended.

use std::time::Duration;

use dropbox_emulator::Weather;
use serde_json::json;

use crate::estate::Layout;
use crate::story::{FAIR, Story};

/// A fault that lasts until it is mended. A number is a server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Killed(usize),
    Stopped(usize),
    Paused(usize),
    CatalogAway,
    /// It takes connections, or keeps them, and does not answer.
    CatalogHangs,
    DataFull,
    DiskFull,
    SourceHangs,
    SlowDropbox,
    DropboxFails,
    WrongClock(usize),
    GrantRevoked,
}

impl Fault {
    /// What every story of the short form has, whatever its seed.
    pub(crate) fn always(layout: Layout) -> Vec<Self> {
        let of_catalog = if layout == Layout::Shared { Self::CatalogAway } else { Self::DataFull };
        vec![Self::Killed(0), of_catalog, Self::DiskFull, Self::SourceHangs]
    }

    /// What the deck of a story has.
    pub(crate) fn all(layout: Layout, is_long: bool) -> Vec<Self> {
        use Fault::*;
        let of_both =
            [DiskFull, SourceHangs, SlowDropbox, DropboxFails, GrantRevoked, Killed(0), Stopped(0), Paused(0)];
        let others: &[Self] = match layout {
            Layout::Shared => &[CatalogAway, Killed(1), Stopped(1), Paused(1), WrongClock(1)],
            Layout::Single => &[DataFull, WrongClock(0)],
        };
        // Each request waits for its time limit.
        let slow: &[Self] = if is_long && layout == Layout::Shared { &[CatalogHangs] } else { &[] };
        [&of_both[..], others, slow].concat()
    }
}

const QUOTA: u64 = 2 << 30;
/// A backup of the first job takes some seconds, and no time limit is near.
const SLOW: Weather = Weather { latency: Duration::from_millis(50), total: Some(300 << 10), ..FAIR };
/// Progress is stored each second.
const BYTES_FLOW: Duration = Duration::from_secs(4);
/// Seconds that a clock is wrong by.
const WRONG_BY: [i64; 4] = [-3600, 61, 3600, 40 * 86_400];
/// Longer than a lease.
const LONG_PAUSE: Duration = Duration::from_secs(34);

impl Story {
    /// Lets a fault begin, if it is not there already.
    pub(crate) fn break_something(&mut self, fault: Fault) {
        let is_down = |index: usize| self.estate.nodes[index].serving().is_none();
        let is_moot = match fault {
            Fault::Killed(index) | Fault::Stopped(index) | Fault::Paused(index) => is_down(index),
            Fault::CatalogAway | Fault::CatalogHangs => {
                self.active.iter().any(|active| matches!(active, Fault::CatalogAway | Fault::CatalogHangs))
            }
            fault => self.active.contains(&fault),
        };
        // What is drawn does not depend on what happens.
        let chance = self.random.below(3);
        if is_moot {
            return self.say(&format!("{fault:?} comes to nothing"));
        }
        self.say(&format!("break: {fault:?}"));
        self.active.push(fault);
        match fault {
            Fault::Killed(index) => {
                self.in_the_middle();
                self.estate.nodes[index].kill();
            }
            Fault::Stopped(index) => {
                self.in_the_middle();
                self.estate.nodes[index].stop();
            }
            Fault::Paused(index) => {
                self.in_the_middle();
                self.estate.nodes[index].pause();
                if self.is_long && chance == 0 {
                    self.say("for longer than a lease");
                    self.look_on(LONG_PAUSE);
                }
            }
            Fault::CatalogAway => {
                self.in_the_middle();
                self.estate.catalog.as_mut().unwrap().crash();
            }
            Fault::CatalogHangs => {
                self.in_the_middle();
                self.estate.catalog.as_ref().unwrap().pause();
            }
            Fault::DataFull => self.estate.data.as_ref().unwrap().fill(),
            Fault::DiskFull => {
                self.estate.disk.fill();
                self.run_job(0);
            }
            Fault::SourceHangs => self.hang(),
            Fault::SlowDropbox => self.set_weather(),
            Fault::DropboxFails => self.let_dropbox_fail(),
            Fault::WrongClock(index) => {
                let seconds = self.random.pick(&WRONG_BY);
                self.say(&format!("by {seconds} s"));
                self.estate.nodes[index].set_clock(seconds);
            }
            Fault::GrantRevoked => {
                let standard = dropbox_emulator::Config::default().refresh_token;
                let tokens = self.estate.world.dropbox().refresh_tokens();
                tokens
                    .iter()
                    .filter(|token| **token != standard)
                    .for_each(|token| self.estate.world.dropbox().revoke(token));
            }
        }
    }

    /// Starts a backup and waits until bytes flow, if that works now.
    fn in_the_middle(&mut self) {
        self.estate.world.dropbox().set_weather(SLOW);
        self.run_job(0);
        let job = self.estate.jobs[0].id.clone();
        self.look_until(BYTES_FLOW, |_, runs| {
            runs.into_iter().flatten().any(|run| {
                run["jobId"] == json!(job) && run["state"] == "running" && run["dumpedBytes"].as_i64() > Some(0)
            })
        });
        self.set_weather();
    }

    fn set_weather(&self) {
        let weather = if self.active.contains(&Fault::SlowDropbox) { SLOW } else { FAIR };
        self.estate.world.dropbox().set_weather(weather);
    }

    /// Mends a fault, if that works now.
    pub(crate) fn mend(&mut self, fault: Fault) {
        if !self.try_to_mend(fault) {
            return self.say(&format!("{fault:?} cannot be mended yet"));
        }
        self.active.retain(|active| *active != fault);
        self.set_weather();
        self.say(&format!("mended: {fault:?}"));
    }

    fn try_to_mend(&mut self, fault: Fault) -> bool {
        let dropbox = self.estate.world.dropbox();
        match fault {
            Fault::Killed(index) | Fault::Stopped(index) => {
                if self.active.contains(&Fault::CatalogHangs) {
                    return false;
                }
                let needs_data = self.active.iter().any(|fault| matches!(fault, Fault::CatalogAway | Fault::DataFull));
                let is_up = self.estate.nodes[index].start(&self.estate.world);
                assert!(is_up || needs_data, "server {index} does not start");
                return is_up;
            }
            Fault::Paused(index) => self.estate.nodes[index].resume(),
            Fault::CatalogAway => {
                let server = self.estate.catalog.take().unwrap();
                self.estate.catalog = Some(server.start_again());
            }
            Fault::CatalogHangs => self.estate.catalog.as_ref().unwrap().resume(),
            Fault::DataFull => self.estate.data.as_ref().unwrap().free(),
            Fault::DiskFull => self.estate.disk.free(),
            Fault::SourceHangs => self.release(),
            Fault::SlowDropbox => {}
            Fault::DropboxFails => {
                dropbox.clear_faults();
                dropbox.set_quota(QUOTA);
            }
            Fault::WrongClock(index) => self.estate.nodes[index].set_clock(0),
            Fault::GrantRevoked => {
                if !self.is_usable() || self.active.contains(&Fault::DropboxFails) {
                    return false;
                }
                self.assert_usable();
                self.estate.authorize();
            }
        }
        true
    }
}
