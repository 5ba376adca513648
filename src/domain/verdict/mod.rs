//! What the gateway answers: verdict, findings, and the sentences for people.

mod reason;

pub(crate) use reason::named;
pub use reason::{DuplicateClass, Enforcement, Reason, Role, Verdict};
