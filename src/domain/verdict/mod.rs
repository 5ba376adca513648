//! What the gateway answers: verdict, findings, and the sentences for people.

mod change;
mod finding;
mod reason;
mod sentence;

pub use change::{FindingPair, Seen, pairs};
pub use finding::{Evidence, Finding, OtherSale, sort, strictest};
pub(crate) use reason::named;
pub use reason::{DuplicateClass, Enforcement, Reason, Role, Verdict};
pub use sentence::Sentence;
