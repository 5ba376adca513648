//! Reads the command line, runs it, sets the exit code.

use clap::Parser;
use std::process::ExitCode;
use tracegate::cli::show::is_closed_pipe;
use tracegate::cli::{Cli, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tracegate: {error:#}");
            ExitCode::FAILURE
        }
    }
}
