//! Cases: opened, joined and closed with the events that cause it (`keep`), looked at again without one (`screen`);
//! judged again day by day (`audit`, `nightly`); what a bureau and institutions ask and do (`desk`, `history`), and who
//! may see what (`sight`).

mod audit;
mod desk;
mod history;
mod keep;
mod nightly;
mod screen;
mod sight;

pub use audit::Audited;
pub use desk::{Advance, CasesPage, WatchedCase};
pub use history::{CodeHistory, HistoryAttempt, HistoryEvent, Look};
pub use sight::{CaseView, InvolvedView, Money};

pub(super) use keep::Asked;
