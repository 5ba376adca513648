//! The driver: when requests are due, how they are sent, how long they took. Must not know any service,
//! scenario or report.
//!
//! Two kinds of phases. [`saturate`]: a fixed number in flight, a new request as soon as one is answered; it says
//! how much a server can do, and its times say nothing about waiting. [`open_loop`]: requests are due on a
//! schedule whatever the server does, and a latency counts from the moment a request was *due*; a server that
//! stands still for a second shows in every request that was due meanwhile.

mod arrivals;
mod cpu;
mod faults;
mod latency;
mod memory;
mod pacer;
mod phase;
mod schedule;
mod stream;
mod tally;
mod unary;

pub use arrivals::{Arrival, Arrivals};
pub use cpu::{CpuMeter, cpu_of};
pub use faults::{Fault, FaultsSeen};
pub use latency::{Latencies, Percentiles};
pub use memory::resident_of;
pub use pacer::TICK;
pub use phase::{OpenLoop, OpenLoopPlan, Saturation, SaturationPlan, open_loop, saturate};
pub use schedule::{ARRIVALS_MAX, BadSchedule, Schedule, Spacing};
pub use stream::{Answered, Conversation, StreamLane};
pub use tally::Tally;
pub use unary::{Unary, UnaryLane};

/// Everything that sends requests over one connection.
pub trait Lane: Send + 'static {
    /// Sends what arrives, at most `in_flight` at a time, until nothing more does, and awaits the answers.
    /// Dropping the future gives up what is in flight.
    fn drive(self, tally: std::sync::Arc<Tally>, in_flight: usize) -> impl Future<Output = ()> + Send;
}
