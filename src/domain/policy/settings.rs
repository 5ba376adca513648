//! Limits and lists of the policy that are not rules; every unit stands in the name.

use crate::domain::case::{Calendar, CaseState};
use jiff::civil::{Date, date};

/// How long each step of a case may take, in working days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseRules {
    /// To push a detected case to the institution.
    pub push_working_days: u32,
    /// For the institution to explain or appeal.
    pub answer_working_days: u32,
    /// To take up an answer and finish the first review.
    pub review_working_days: u32,
    /// To finish the second review.
    pub second_review_working_days: u32,
    /// Which days are worked.
    pub calendar: Calendar,
}

impl Default for CaseRules {
    fn default() -> Self {
        Self {
            push_working_days: 1,
            answer_working_days: 5,
            review_working_days: 10,
            second_review_working_days: 10,
            calendar: Calendar::default(),
        }
    }
}

impl CaseRules {
    /// How long the step may take that is due in a state; `None` = nothing is.
    pub const fn working_days(&self, state: CaseState) -> Option<u32> {
        match state {
            CaseState::Detected => Some(self.push_working_days),
            CaseState::Pushed => Some(self.answer_working_days),
            CaseState::Explained | CaseState::Appealed | CaseState::FirstReview => {
                Some(self.review_working_days)
            }
            CaseState::SecondReview => Some(self.second_review_working_days),
            CaseState::Closed => None,
        }
    }
}

/// Limits and lists of the policy. The default is the national one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// A message later than this many minutes after its event is an after-the-fact report.
    pub lateness_minutes: u32,
    /// A report later than this many days after its event only proposes to flip or close a case.
    pub proposal_days: u32,
    /// A hold expires by itself after this many minutes.
    pub hold_minutes: u32,
    /// Two sales at two institutions are "close in time" up to this many days, inclusive.
    pub close_window_days: u32,
    /// An event this many seconds in the future is still taken (set to now); beyond, it is refused.
    pub future_skew_seconds: u32,
    /// A purchase feed may lag behind the goods by this many hours.
    pub purchase_feed_lag_hours: u32,
    /// The coaching period lasts this many months from the signing of the agreement.
    pub coaching_months: u32,
    /// An agreement signed on or after this day is a new one.
    pub new_agreement_from: Date,
    /// Last day, inclusive, on which national entries of the no-code list count; a region's own
    /// entries count until their own date.
    pub no_code_list_until: Date,
    /// Smallest priced units that may be drawn in all from a split pack of unknown size before
    /// the operator is reminded.
    pub split_unknown_units_cap: u32,
    /// Hosts, in lower case, whose look-up pages may be scanned for the code they carry.
    pub url_hosts: Vec<String>,
    /// Regular expressions for scans that stand for "no code"; anchored where they have to be.
    pub placeholder_patterns: Vec<String>,
    /// Deadlines of cases.
    pub cases: CaseRules,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lateness_minutes: 30,
            proposal_days: 3,
            hold_minutes: 30,
            close_window_days: 7,
            future_skew_seconds: 300,
            purchase_feed_lag_hours: 48,
            coaching_months: 6,
            new_agreement_from: date(2025, 5, 28),
            no_code_list_until: date(2025, 12, 31),
            split_unknown_units_cap: 100,
            url_hosts: vec!["www.mashangfangxin.com".into(), "mashangfangxin.com".into()],
            placeholder_patterns: default_placeholder_patterns(),
            cases: CaseRules::default(),
        }
    }
}

fn default_placeholder_patterns() -> Vec<String> {
    let repeated = (1..=9).map(|digit| format!("^{digit}{{20}}$"));
    let others = ["^80{19}$", "^12345678901234567890$", "(?i-u)^TEST"].map(String::from);
    std::iter::once("^0+$".to_owned()).chain(repeated).chain(others).collect()
}
