//! The policy files of a gateway as the engine asks for them. Must not know requests.

use crate::engine::{LoadedPolicy, PolicyMistake, PolicySet, PolicySource, PolicyText};
use crate::policy_files::{self, BUILT_IN, LoadError, PolicyError};
use std::path::PathBuf;
use std::sync::Arc;

/// The files that the settings name, each set over the built-in rules.
#[derive(Debug)]
pub(super) struct PolicyFiles {
    /// Those in force.
    pub in_force: Vec<PathBuf>,
    /// Those judged beside them; empty = the settings start no shadow.
    pub shadow: Vec<PathBuf>,
}

impl PolicySource for PolicyFiles {
    fn load(&self) -> Result<PolicySet, Vec<PolicyMistake>> {
        let in_force = read_files(&self.in_force);
        let shadow = if self.shadow.is_empty() { Ok(None) } else { read_files(&self.shadow).map(Some) };
        match (in_force, shadow) {
            (Ok(in_force), Ok(shadow)) => Ok(PolicySet { in_force, shadow }),
            (in_force, shadow) => {
                let mistakes = in_force.err().into_iter().chain(shadow.err()).flatten();
                Err(mistakes.collect())
            }
        }
    }

    fn read(&self, texts: &[PolicyText]) -> Result<LoadedPolicy, Vec<PolicyMistake>> {
        let own = texts.iter().map(|text| (text.name.as_str(), text.text.as_str()));
        let layers: Vec<_> = BUILT_IN.into_iter().chain(own).collect();
        let policy = policy_files::load(&layers)
            .map_err(|wrong| wrong.into_iter().map(PolicyMistake::from).collect::<Vec<_>>())?;
        let own = texts.iter().map(|text| text.name.clone());
        Ok(LoadedPolicy { policy: Arc::new(policy), files: built_in_names().chain(own).collect() })
    }
}

fn read_files(paths: &[PathBuf]) -> Result<LoadedPolicy, Vec<PolicyMistake>> {
    let policy = policy_files::load_with_built_in(paths)
        .map_err(|wrong| wrong.into_iter().map(PolicyMistake::from).collect::<Vec<_>>())?;
    let own = paths.iter().map(|path| path.display().to_string());
    Ok(LoadedPolicy { policy: Arc::new(policy), files: built_in_names().chain(own).collect() })
}

fn built_in_names() -> impl Iterator<Item = String> {
    BUILT_IN.into_iter().map(|(name, _)| format!("{name} (built in)"))
}

impl From<LoadError> for PolicyMistake {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Unreadable { path, source } => Self {
                file: path,
                line: None,
                reason: format!("cannot be read ({source}); check the path and its permissions"),
            },
            LoadError::Invalid(error) => error.into(),
        }
    }
}

impl From<PolicyError> for PolicyMistake {
    fn from(PolicyError { file, line, reason }: PolicyError) -> Self {
        Self { file, line: Some(line), reason }
    }
}
