//! Whether the version that a change expects still stands. Whoever brings a change compares it with everything, the
//! tables too, before it goes to the writer thread. There only what was logged since then can differ, and that is in
//! memory as a rule: the one thread that everybody waits for need not look into tables.

use crate::sync::Arc;

/// A layer in memory.
pub trait Reaching {
    /// The position in the log from which on it holds everything.
    fn from(&self) -> u64;
}

/// The layers in memory between two groups, when nobody adds to them.
pub struct Recent<L> {
    layers: Vec<Arc<L>>,
    /// From here on they hold everything.
    from: u64,
}

/// What is known of the version that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// It is this one.
    At(u32),
    /// What stood when it was looked at: nothing was logged of it since.
    AsChecked,
    /// Only everything together can tell.
    Unknown,
}

impl<L: Reaching> Recent<L> {
    /// Layers, the newest first.
    pub fn of(layers: Vec<Arc<L>>) -> Self {
        let from = layers.iter().map(|layer| layer.from()).min().unwrap_or(u64::MAX);
        Self { layers, from }
    }

    /// What stands now. `checked` = where the log ended for everybody before it was looked at; `None` = something else
    /// stood then.
    pub fn stands(&self, checked: Option<u64>, version: impl Fn(&L) -> Option<u32>) -> Stands {
        match self.layers.iter().find_map(|layer| version(layer)) {
            Some(version) => Stands::At(version),
            None if checked.is_some_and(|checked| self.from <= checked) => Stands::AsChecked,
            None => Stands::Unknown,
        }
    }
}
