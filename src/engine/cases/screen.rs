//! Looking at codes again with what is known now, without a request that caused it: a white list, an audit.

use super::super::{ATTEMPTS_MAX, Engine, EngineError};
use crate::domain::code::CodeKey;
use crate::store::Change;

impl Engine {
    /// Closes open cases of codes that a maker printed more than once.
    pub(in crate::engine) async fn close_listed(&self) -> Result<(), EngineError> {
        let knowledge = self.knowledge.get();
        let listed = |key: &CodeKey| knowledge.registry.makers_error(key).is_some();
        for key in self.case_index.open_codes().into_iter().filter(listed) {
            self.screen_again(&key).await?;
        }
        Ok(())
    }

    /// Looks at one code again; gives whether anything changed.
    pub(in crate::engine) async fn screen_again(&self, key: &CodeKey) -> Result<bool, EngineError> {
        for _ in 0..ATTEMPTS_MAX {
            let knowledge = self.knowledge.get();
            let history = self.history_of(key).await?.unwrap_or_default();
            let dossiers = self.screened(&knowledge, self.clock.now(), vec![(key, &history)]).await?;
            if dossiers.is_empty() {
                return Ok(false);
            }
            if self.committed(&Change { dossiers, ..Change::default() }).await? {
                return Ok(true);
            }
        }
        Err(EngineError::Contended)
    }
}
