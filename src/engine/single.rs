//! One code at a time: what stands of it, and a change that may have to be made anew.

use super::{Engine, EngineError};
use crate::domain::case::Dossier;
use crate::domain::claim::History;
use crate::domain::code::CodeKey;
use crate::store::{Change, CommitError};

impl Engine {
    /// The history of a code; `None` = nothing is on record.
    pub(super) async fn history_of(&self, key: &CodeKey) -> Result<Option<History>, EngineError> {
        Ok(self.store.histories(std::slice::from_ref(key)).await?.into_iter().next().flatten())
    }

    /// The dossier of a code; `None` = it has none.
    pub(super) async fn dossier_of(&self, key: &CodeKey) -> Result<Option<Dossier>, EngineError> {
        Ok(self.store.dossiers(std::slice::from_ref(key)).await?.into_iter().next().flatten())
    }

    /// Commits a change; `false` = somebody was faster, and it must be made anew from what stands now.
    pub(super) async fn committed(&self, change: &Change) -> Result<bool, EngineError> {
        match self.store.commit(change).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict | CommitError::Undecided) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
