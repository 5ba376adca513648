//! Ports that stay a test's own while its server is down. Knows nothing of Redis.
//!
//! They lie below the range that the system gives to outgoing connections: of that range, a port that nobody listens
//! on may become the near end of any connection, even of the one that tries to reach it.

use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 14_000;
const COUNT: u16 = 16_000;

/// A port on 127.0.0.1, held against the other tests by a lock that ends with this value or with the process.
pub struct Port {
    pub number: u16,
    _held: File,
}

impl Port {
    /// One that nobody listens on and no other test holds.
    pub fn free() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Processes begin far from each other, so that they seldom try the same port.
        let begin = std::process::id().wrapping_mul(7_919);
        for _ in 0..COUNT {
            let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            let offset = begin.wrapping_add(step) % u32::from(COUNT);
            let number = FIRST + u16::try_from(offset).expect("less than COUNT");
            if let Some(port) = Self::hold(number) {
                return port;
            }
        }
        panic!("no port from {FIRST} on is free on 127.0.0.1");
    }

    /// Free ports in a row.
    pub fn row(count: u16) -> Vec<Self> {
        for _ in 0..COUNT {
            let first = Self::free();
            let rest: Option<Vec<_>> = (1..count).map(|n| Self::hold(first.number + n)).collect();
            if let Some(rest) = rest {
                return std::iter::once(first).chain(rest).collect();
            }
        }
        panic!("no {count} ports in a row are free from {FIRST} on");
    }

    fn hold(number: u16) -> Option<Self> {
        let dir = std::env::temp_dir().join("tracegate-test-ports");
        std::fs::create_dir_all(&dir).expect("the directory of the locks can be made");
        // A lock file of another user cannot be opened: that port is theirs.
        let held = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join(number.to_string()))
            .ok()?;
        held.try_lock().ok()?;
        TcpListener::bind(("127.0.0.1", number)).ok()?;
        Some(Self { number, _held: held })
    }
}
