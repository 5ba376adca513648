//! Door 3: the command line.

pub mod files;
pub mod nhsa;
