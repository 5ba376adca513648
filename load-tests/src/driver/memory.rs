//! Memory of a process, from what the system keeps of it.

use std::io;

/// Before the number, in a process's status file.
const RESIDENT: &str = "VmRSS:";
/// The file counts in these.
const KIB: u64 = 1024;

/// Bytes that a process holds in memory now.
pub fn resident_of(pid: u32) -> io::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(RESIDENT));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let garbled = || io::Error::new(io::ErrorKind::InvalidData, "a process's status that cannot be read");
    kib.map(|kib| kib * KIB).ok_or_else(garbled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_holds_something() {
        let before = resident_of(std::process::id()).unwrap();
        let held = vec![7_u8; 64 << 20];
        let after = resident_of(std::process::id()).unwrap();
        assert!(held.iter().all(|byte| *byte == 7) && after > before, "{before} {after}");
    }
}
