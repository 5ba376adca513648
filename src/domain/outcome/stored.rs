//! The form in which an outcome is kept: its fields in their order, with a reminder behind them only where there is
//! one, of which the state tells. An outcome without a reminder is written as it was before there were reminders.

use super::{Answer, Correction, Outcome, OutcomeState, RequestBody};
use crate::domain::tally::Reminder;
use rust_decimal::Decimal;
use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A state, and whether a reminder follows; in the order in which they were added.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Front {
    Decided,
    Undecided,
    Voided,
    Never,
    DecidedReminded,
    VoidedReminded,
}

impl Front {
    /// A request that is undecided or that never arrived reminded nobody.
    const fn of(state: OutcomeState, reminded: bool) -> Self {
        match (state, reminded) {
            (OutcomeState::Decided, false) => Self::Decided,
            (OutcomeState::Decided, true) => Self::DecidedReminded,
            (OutcomeState::Undecided, _) => Self::Undecided,
            (OutcomeState::Voided, false) => Self::Voided,
            (OutcomeState::Voided, true) => Self::VoidedReminded,
            (OutcomeState::Never, _) => Self::Never,
        }
    }

    const fn state(self) -> OutcomeState {
        match self {
            Self::Decided | Self::DecidedReminded => OutcomeState::Decided,
            Self::Undecided => OutcomeState::Undecided,
            Self::Voided | Self::VoidedReminded => OutcomeState::Voided,
            Self::Never => OutcomeState::Never,
        }
    }

    const fn has_reminder(self) -> bool {
        matches!(self, Self::DecidedReminded | Self::VoidedReminded)
    }
}

/// Fields with a reminder; without one there is one less.
const FIELDS: usize = 9;

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { version, state, body, answer, corrections, sold, freed, settlement_id, reminder } = self;
        let front = Front::of(*state, reminder.is_some());
        let mut tuple = serializer.serialize_tuple(if front.has_reminder() { FIELDS } else { FIELDS - 1 })?;
        tuple.serialize_element(version)?;
        tuple.serialize_element(&front)?;
        tuple.serialize_element(body)?;
        tuple.serialize_element(answer)?;
        tuple.serialize_element(corrections)?;
        tuple.serialize_element(sold)?;
        tuple.serialize_element(freed)?;
        tuple.serialize_element(settlement_id)?;
        if let (true, Some(reminder)) = (front.has_reminder(), reminder) {
            tuple.serialize_element(reminder)?;
        }
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple(FIELDS, Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Outcome;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an outcome")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<Outcome, A::Error> {
        fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(fields: &mut A) -> Result<T, A::Error> {
            fields.next_element()?.ok_or_else(|| A::Error::custom("an outcome ends too early"))
        }
        let version: u32 = next(&mut fields)?;
        let front: Front = next(&mut fields)?;
        let body: Option<RequestBody> = next(&mut fields)?;
        let answer: Option<Answer> = next(&mut fields)?;
        let corrections: Vec<Correction> = next(&mut fields)?;
        let sold: Vec<(String, Decimal)> = next(&mut fields)?;
        let freed: Vec<String> = next(&mut fields)?;
        let settlement_id: Option<String> = next(&mut fields)?;
        let reminder: Option<Reminder> = if front.has_reminder() { Some(next(&mut fields)?) } else { None };
        let state = front.state();
        Ok(Outcome { version, state, body, answer, corrections, sold, freed, settlement_id, reminder })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tally::Counted;

    #[test]
    fn an_outcome_reads_back_with_and_without_a_reminder_also_between_others() {
        let plain = Outcome { freed: vec!["a".to_owned()], ..Outcome::closed(OutcomeState::Voided) };
        let counts = vec![(None, Counted { reminders: 1, persons: 1, amount_fen: 5 })];
        let reminded = Outcome {
            reminder: Some(Reminder { counts, reason: Some("stock".to_owned()), went_on: true }),
            ..Outcome::closed(OutcomeState::Decided)
        };
        for outcome in [&plain, &reminded] {
            let bytes = postcard::to_stdvec(outcome).unwrap();
            assert_eq!(&postcard::from_bytes::<Outcome>(&bytes).unwrap(), outcome);
        }
        let all = vec![reminded.clone(), plain.clone(), reminded, plain];
        let bytes = postcard::to_stdvec(&all).unwrap();
        assert_eq!(postcard::from_bytes::<Vec<Outcome>>(&bytes).unwrap(), all);
    }

    #[test]
    fn an_outcome_of_before_there_were_reminders_is_read() {
        // Version 1, decided, and nothing else: as the fields of a struct were written one after the other.
        let before = [1, 0, 0, 0, 0, 0, 0, 0];
        let outcome = postcard::from_bytes::<Outcome>(&before).unwrap();
        assert_eq!(outcome, Outcome::closed(OutcomeState::Decided));
        assert_eq!(postcard::to_stdvec(&outcome).unwrap(), before);
    }

    #[test]
    fn a_cut_outcome_is_an_error() {
        assert!(postcard::from_bytes::<Outcome>(&[1, 4, 0, 0, 0, 0, 0, 0]).is_err());
    }
}
