//! What must hold for any input, one file for each kind of it. The fuzz targets try inputs on these; so do the tests,
//! with every input that is kept (`tests/it/kept_inputs.rs`). A broken promise is a panic.

pub mod code;
pub mod csv;
pub mod door;
pub mod event;
pub mod index;
pub mod log;
pub mod message;
pub mod policy;
pub mod stored;
mod unsynced;
mod world;
