//! The layers in memory over the tables: one that takes what is logged now, at most one that is being written to the
//! tables. It knows their order, not what is in them.

use crate::sync::{Arc, PoisonError, RwLock};

/// Two layers at most. What leaves them is in the tables before: whoever asks them from the newest down and then the
/// tables misses nothing.
pub struct Layers<L>(RwLock<Stack<L>>);

struct Stack<L> {
    active: Arc<L>,
    frozen: Option<Arc<L>>,
}

impl<L> Layers<L> {
    /// One active layer.
    pub fn new(first: L) -> Self {
        Self(RwLock::new(Stack { active: Arc::new(first), frozen: None }))
    }

    /// The layer that takes what is logged now.
    pub fn active(&self) -> Arc<L> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).active)
    }

    /// Puts `next` on top and gives the one below it, to be written to the tables; `None` while another is.
    pub fn freeze(&self, next: L) -> Option<Arc<L>> {
        let mut stack = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if stack.frozen.is_some() {
            return None;
        }
        let full = std::mem::replace(&mut stack.active, Arc::new(next));
        stack.frozen = Some(Arc::clone(&full));
        Some(full)
    }

    /// Lets the frozen layer go: all of it is in the tables.
    pub fn thaw(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).frozen = None;
    }

    /// Asks from the newest down; ask the tables after it, where nothing is found.
    pub fn ask<T>(&self, ask: impl Fn(&L) -> Option<T>) -> Option<T> {
        let stack = self.0.read().unwrap_or_else(PoisonError::into_inner);
        ask(&stack.active).or_else(|| stack.frozen.as_deref().and_then(ask))
    }

    /// The layers as they are, the newest first; take them before reading the tables, never after.
    pub fn all(&self) -> Vec<Arc<L>> {
        let stack = self.0.read().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(&stack.active).chain(&stack.frozen).map(Arc::clone).collect()
    }
}
