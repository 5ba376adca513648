//! What can be wrong with policy files: always file, line and what to do.

use super::FILE_BYTES_MAX;
use crate::domain::policy::Contradiction;
use std::io;

/// One mistake in a policy file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct PolicyError {
    /// The file's name, as given to the reader.
    pub file: String,
    /// Line number from 1.
    pub line: usize,
    /// What is wrong, and what to write instead.
    pub reason: String,
}

impl PolicyError {
    pub(super) fn new(file: &str, line: usize, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, reason: reason.into() }
    }
}

impl From<Contradiction<'_>> for PolicyError {
    fn from(Contradiction { first, second }: Contradiction<'_>) -> Self {
        let class = second.class.map_or(String::new(), |class| format!(" {class}"));
        let reason = format!(
            "contradicts {}: both decide {}{class}, are equally specific, start on the same day and can match \
             the same sale, but there it is {:?} and here {:?}; remove one, give one a later valid_from, or \
             make one more specific",
            first.source,
            second.reason,
            first.enforcement.name(),
            second.enforcement.name(),
        );
        Self::new(&second.source.file, second.source.line, reason)
    }
}

/// Why a set of policy files could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file could not be read at all.
    #[error("{path}: cannot be read ({source}); check the path and its permissions")]
    Unreadable {
        /// The path, as given.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file was read and says something wrong.
    #[error(transparent)]
    Invalid(#[from] PolicyError),
}

pub(super) fn too_long() -> String {
    format!("longer than {FILE_BYTES_MAX} bytes; split it into several files")
}
