//! What the gateway answers: verdict, findings, and the sentences for people.

mod finding;
mod reason;
mod sentence;

pub use finding::{Evidence, Finding, OtherSale, sort, strictest};
pub(crate) use reason::named;
pub use reason::{DuplicateClass, Enforcement, Reason, Role, Verdict};
pub use sentence::Sentence;
