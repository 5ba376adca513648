//! The gateway under load: the real program, in a process of its own, over a fresh data directory, with the
//! province loaded as an operator would load it.

use crate::process::Server;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program's name.
const PROGRAM: &str = "tracegate";
/// Its files, in the order in which they are loaded.
const FILES: [&str; 3] = ["institutions", "drugs", "purchases"];

/// The gateway's program: the one that was named, or the one beside this program.
pub fn program(named: Option<&Path>) -> Result<PathBuf> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name(PROGRAM),
    };
    if path.is_file() {
        return Ok(path);
    }
    bail!(
        "there is no {}; build it with `cargo build --release --workspace`, or say where it is with --gateway",
        path.display()
    );
}

/// Starts a gateway with default settings on a free port, its data in `folder`.
pub async fn start(program: &Path, folder: &Path) -> Result<Server> {
    let mut command = plain(program);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--http", "off", "--data-dir"])
        .arg(folder.join("data"));
    command.env("TRACEGATE_LOG_LEVEL", "warn");
    Server::start("gateway", command, folder).await
}

/// Loads the files in `folder` into it.
pub async fn import(program: &Path, gateway: &Server, folder: &Path) -> Result<()> {
    for kind in FILES {
        let mut command = plain(program);
        command.args(["import", kind]).arg(folder.join(format!("{kind}.csv")));
        command.args(["--to", &gateway.address().socket().to_string()]);
        let output = tokio::task::spawn_blocking(move || command.output()).await?;
        let output = output.with_context(|| format!("{} cannot be run", program.display()))?;
        if !output.status.success() {
            bail!("{kind}.csv was not loaded: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    Ok(())
}

/// The program with its default settings: what is set around this process is not what is measured.
fn plain(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TRACEGATE_"))
    {
        command.env_remove(name);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_says_how_to_build_it() {
        let folder = tempfile::tempdir().unwrap();
        let missing = program(Some(&folder.path().join("nothing"))).unwrap_err().to_string();
        assert!(missing.contains("cargo build --release --workspace"), "{missing}");
        assert!(missing.contains("--gateway"), "{missing}");
        let here = std::env::current_exe().unwrap();
        assert_eq!(program(Some(&here)).unwrap(), here);
    }
}
