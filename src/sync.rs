//! The locks and atomics of rooms whose concurrency is explored by a model checker: here the standard ones. The
//! checker's test crate compiles those rooms with its own in their place (`tests/interleavings`).

pub use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub use std::sync::{Arc, Mutex, PoisonError, RwLock};
