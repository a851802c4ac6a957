//! The standard metrics of a process, as Prometheus's own clients have them
//! (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>). Their names have no prefix of ours.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use rustix::process::{Resource, getrlimit};

/// What Linux says of this process. What cannot be read is absent.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Process {
    /// User and system time.
    cpu_seconds: f64,
    /// Since 1970.
    start_seconds: f64,
    virtual_bytes: i64,
    resident_bytes: i64,
}

/// Returns the metrics of this process.
pub(super) fn registry() -> Registry {
    let mut registry = Registry::default();
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let process = read("/proc/self/stat").zip(read("/proc/stat")).and_then(|(own, system)| {
        Process::parse(&own, &system, rustix::param::clock_ticks_per_second(), rustix::param::page_size())
    });
    if let Some(process) = process {
        let cpu = Counter::<f64, AtomicU64>::default();
        cpu.inc_by(process.cpu_seconds);
        registry.register_with_unit("process_cpu", "User and system CPU time spent", Unit::Seconds, cpu);
        let start = Gauge::<f64, AtomicU64>::default();
        start.set(process.start_seconds);
        let help = "Start time of the process since 1970";
        registry.register_with_unit("process_start_time", help, Unit::Seconds, start);
        let resident = Gauge::<i64>::default();
        resident.set(process.resident_bytes);
        registry.register_with_unit("process_resident_memory", "Resident memory size", Unit::Bytes, resident);
        let virtual_memory = Gauge::<i64>::default();
        virtual_memory.set(process.virtual_bytes);
        registry.register_with_unit("process_virtual_memory", "Virtual memory size", Unit::Bytes, virtual_memory);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // Reading the folder takes one itself.
        let count = i64::try_from(open.count().saturating_sub(1)).unwrap_or(i64::MAX);
        let gauge = Gauge::<i64>::default();
        gauge.set(count);
        registry.register("process_open_fds", "Number of open file descriptors", gauge);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(most).unwrap_or(i64::MAX));
        registry.register("process_max_fds", "Maximum number of open file descriptors", gauge);
    }
    registry
}

impl Process {
    /// Parses `/proc/<pid>/stat` and the time of boot in `/proc/stat` (proc(5)). Returns `None` if they are not as described there.
    fn parse(own: &str, system: &str, ticks_per_second: u64, page_len: usize) -> Option<Self> {
        // The name of the program, in parentheses, may hold anything. Numbers of fields are those of the manual less 3.
        let fields: Vec<&str> = own.get(own.rfind(')')? + 1..)?.split_whitespace().collect();
        let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
        let boot: u64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        let ticks = ticks_per_second as f64;
        Some(Self {
            cpu_seconds: (number(11)? + number(12)?) as f64 / ticks,
            start_seconds: boot as f64 + number(19)? as f64 / ticks,
            virtual_bytes: i64::try_from(number(20)?).ok()?,
            resident_bytes: i64::try_from(number(21)?.checked_mul(page_len as u64)?).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_linux_are_understood_whatever_the_program_is_called() {
        let own =
            "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 5000 1048576 300 18446744073709551615";
        let system = "cpu 1 2 3\nbtime 1700000000\nprocesses 5\n";
        let process = Process::parse(own, system, 100, 4096).unwrap();
        let expected = Process {
            cpu_seconds: 3.0,
            start_seconds: 1_700_000_050.0,
            virtual_bytes: 1_048_576,
            resident_bytes: 300 * 4096,
        };
        assert_eq!(process, expected);
        assert_eq!(Process::parse("42 (x) S 1", system, 100, 4096), None);
        assert_eq!(Process::parse(own, "", 100, 4096), None);
    }
}
