//! Reads the command line, runs it, sets the exit code.

use clap::Parser;
use load_tests::cli::{Cli, run};
use std::process::ExitCode;

// The gateway's allocator: the empty server lives in this program and must not be slower for its own reasons.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load-tests: {error:#}");
            ExitCode::FAILURE
        }
    }
}
