//! How far a move is: a small file beside the target. While it is there no gateway starts on the target.

use super::MoveError;
use crate::store::directory::{MIGRATION_FILE, write_durably};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The form of the file; an unknown one is refused.
const FORMAT: u32 = 1;

/// Where a move stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "stage")]
pub enum Stage {
    /// Everything before this place of the walk stands in the target.
    Walk {
        /// The place.
        at: u64,
    },
    /// The walk is behind; the rest is put from its beginning.
    Rest,
    /// Both sides were compared and are the same.
    Verified,
}

#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    format: u32,
    /// Names the store that is moved.
    source: String,
    #[serde(flatten)]
    stage: Stage,
}

/// The file of a move.
#[derive(Debug)]
pub struct Note {
    dir: PathBuf,
    source: String,
    stage: Stage,
    resumes: bool,
}

impl Note {
    /// Of a move that begins in a new directory, or of this very one that was interrupted there.
    pub fn open(dir: &Path, source: &str) -> Result<Self, MoveError> {
        let path = dir.join(MIGRATION_FILE);
        let wrong = |why: String| MoveError::Note { path: path.clone(), why };
        match fs::read_to_string(&path) {
            Ok(text) => {
                let saved: Saved = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
                if saved.format != FORMAT {
                    return Err(wrong(format!("form {} is not known; use the newer gateway", saved.format)));
                }
                if saved.source != source {
                    let what = format!("an unfinished migration of another store ({})", saved.source);
                    return Err(MoveError::Taken { dir: dir.to_owned(), what });
                }
                Ok(Self { dir: dir.to_owned(), source: saved.source, stage: saved.stage, resumes: true })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                refuse_used(dir)?;
                // As every data directory: for the owner alone.
                fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(dir)
                    .map_err(|error| wrong(error.to_string()))?;
                let stage = Stage::Walk { at: 0 };
                let mut note = Self { dir: dir.to_owned(), source: source.to_owned(), stage, resumes: false };
                note.save(stage)?;
                Ok(note)
            }
            Err(error) => Err(wrong(error.to_string())),
        }
    }

    /// Where the move stands.
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether the move was begun before.
    pub const fn resumes(&self) -> bool {
        self.resumes
    }

    /// Keeps where the move stands.
    pub fn save(&mut self, stage: Stage) -> Result<(), MoveError> {
        let wrong = |why: String| MoveError::Note { path: self.dir.join(MIGRATION_FILE), why };
        let saved = Saved { format: FORMAT, source: self.source.clone(), stage };
        let text = toml::to_string(&saved).map_err(|error| wrong(error.to_string()))?;
        write_durably(&self.dir, MIGRATION_FILE, &text).map_err(|error| wrong(error.to_string()))?;
        self.stage = stage;
        Ok(())
    }

    /// The move is complete: gateways may start.
    pub fn remove(self) -> Result<(), MoveError> {
        let path = self.dir.join(MIGRATION_FILE);
        fs::remove_file(&path).map_err(|error| MoveError::Note { path, why: error.to_string() })
    }
}

/// A directory in which anything stands is no new one.
fn refuse_used(dir: &Path) -> Result<(), MoveError> {
    let taken = |what: &str| MoveError::Taken { dir: dir.to_owned(), what: what.to_owned() };
    match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(MoveError::Note { path: dir.to_owned(), why: error.to_string() }),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) if dir.join("tracegate.toml").exists() => Err(taken("the data of a gateway")),
            Some(_) => Err(taken("files")),
        },
    }
}
