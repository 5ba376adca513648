//! Open `Scan` streams and what they hold.

use super::names;
use metrics::{Gauge, gauge};

/// A `Scan` stream, counted as open until it is dropped.
#[derive(Debug)]
pub struct ScanStream {
    streams: Gauge,
    in_flight: Gauge,
    held: u32,
}

impl ScanStream {
    /// A stream was opened.
    pub fn open() -> Self {
        let (streams, in_flight) = (gauge!(names::SCAN_STREAMS), gauge!(names::SCANS_IN_FLIGHT));
        streams.increment(1.0);
        Self { streams, in_flight, held: 0 }
    }

    /// A message was read.
    pub fn read(&mut self) {
        self.held += 1;
        self.in_flight.increment(1.0);
    }

    /// A message has left: its answer is under way, or nobody is there to take it.
    pub fn left(&mut self) {
        self.held -= 1;
        self.in_flight.decrement(1.0);
    }

    /// Messages that were read and have not left.
    pub const fn held(&self) -> u32 {
        self.held
    }
}

impl Drop for ScanStream {
    fn drop(&mut self) {
        self.in_flight.decrement(self.held);
        self.streams.decrement(1.0);
    }
}
