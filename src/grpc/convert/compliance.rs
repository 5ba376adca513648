//! Reminders and what became of them for the wire.

use super::cases::{asked_institution, day, division_prefix};
use super::names;
use crate::domain::tally::{Reminded, TallyBy};
use crate::engine::{EngineError, TallyFilter};
use crate::grpc::pb;
use rust_decimal::Decimal;

/// Digits of a compliance rate behind the point.
const RATE_DIGITS: u32 = 4;
/// Digits of a share of sales behind the point.
pub(super) const SHARE_DIGITS: u32 = 8;

/// Which reminders, counted how.
pub(crate) fn tally_filter(
    wire: pb::SummarizeComplianceRequest,
) -> Result<(TallyFilter, TallyBy), EngineError> {
    let by = tally_by(wire.by());
    let rule = wire.rule();
    let (first, last) = (day("first_day", &wire.first_day)?, day("last_day", &wire.last_day)?);
    if last < first {
        return Err(EngineError::invalid("last_day", "lies before the first"));
    }
    let filter = TallyFilter {
        first,
        last,
        division_prefix: division_prefix("division_prefix", wire.division_prefix)?,
        institution: asked_institution("institution_code", &wire.institution_code)?,
        rule: names::asked_reason(rule),
    };
    Ok((filter, by))
}

const fn tally_by(wire: pb::ComplianceBy) -> TallyBy {
    match wire {
        pb::ComplianceBy::Unspecified | pb::ComplianceBy::Division => TallyBy::Division,
        pb::ComplianceBy::Institution => TallyBy::Institution,
        pb::ComplianceBy::Rule => TallyBy::Rule,
        pb::ComplianceBy::Day => TallyBy::Day,
        pb::ComplianceBy::Month => TallyBy::Month,
    }
}

/// Reminders in numbers, of no group yet.
pub(crate) fn compliance(reminded: &Reminded) -> pb::ComplianceSummary {
    let (all, followed) = (reminded.all, reminded.followed());
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let yuan = |fen: i64| Decimal::new(fen, 2).normalize().to_string();
    let rate = |part: i64, of: i64| share(Decimal::from(part), Decimal::from(of), RATE_DIGITS);
    pb::ComplianceSummary {
        reminders: count(all.reminders),
        persons: count(all.persons),
        amount: yuan(all.amount_fen),
        followed_reminders: count(followed.reminders),
        followed_persons: count(followed.persons),
        followed_amount: yuan(followed.amount_fen),
        explained_persons: count(reminded.explained),
        rate: rate(followed.amount_fen, all.amount_fen),
        person_rate: rate(followed.persons, all.persons),
        ..pb::ComplianceSummary::default()
    }
}

/// A part of a whole as a decimal; empty where there is no whole.
pub(super) fn share(part: Decimal, whole: Decimal, digits: u32) -> String {
    if whole <= Decimal::ZERO {
        return String::new();
    }
    part.checked_div(whole).map(|share| share.round_dp(digits).normalize().to_string()).unwrap_or_default()
}
