//! Processor time of a process, all its threads, user and system, from what the system keeps of it.

use std::io;
use std::time::Duration;

/// Of the fields behind the program's name: time in user code, then in system calls.
const USER_FIELD: usize = 11;
const SYSTEM_FIELD: usize = 12;
/// What a tick is to programs (USER_HZ), whatever the kernel counts in: the same on every architecture in use.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time of a process so far, to a hundredth of a second.
pub fn cpu_of(pid: u32) -> io::Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = ticks_of(&text).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "a process's stat file that cannot be read")
    })?;
    Ok(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
}

/// The program's name stands in brackets and may hold anything, so the fields are counted behind the last bracket.
fn ticks_of(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let field = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(field(USER_FIELD)? + field(SYSTEM_FIELD)?)
}

/// Reads the processor time of a server and of this process.
#[derive(Debug, Clone, Copy)]
pub struct CpuMeter {
    /// The server's process.
    pub server_pid: u32,
}

/// Processor time so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CpuReading {
    pub server: Duration,
    pub driver: Duration,
}

impl CpuMeter {
    pub(super) fn read(self) -> io::Result<CpuReading> {
        Ok(CpuReading { server: cpu_of(self.server_pid)?, driver: cpu_of(std::process::id())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_behind_the_name() {
        let check = |text: &str, ticks: Option<u64>| assert_eq!(ticks_of(text), ticks, "{text}");
        check("7 (x) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 1", Some(300));
        check("7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 4 0 1", Some(3));
        check("7 (x) S 1 7", None);
        check("", None);
    }

    #[test]
    fn work_of_this_process_is_seen() {
        let before = cpu_of(std::process::id()).unwrap();
        let watch = tracegate::clock::Stopwatch::start();
        let mut sum = 0_u64;
        while cpu_of(std::process::id()).unwrap() <= before {
            sum = sum.wrapping_add((0..100_000_u64).sum::<u64>());
            assert!(
                watch.elapsed() < Duration::from_secs(20),
                "no processor time in 20 seconds of work ({sum})"
            );
        }
    }
}
