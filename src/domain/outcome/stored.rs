//! The form in which an outcome is kept: its fields in their order, with a reminder and the mark of a person behind them
//! only where there are any, of which the state tells. An outcome without them is written as it was before there were any.

use super::{Answer, Correction, Outcome, OutcomeState, RequestBody};
use crate::domain::person::PersonMark;
use crate::domain::tally::Reminder;
use rust_decimal::Decimal;
use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A state, and what follows: nothing, a reminder, the mark of a person, or both; in the order in which they were added.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Front {
    Decided,
    Undecided,
    Voided,
    Never,
    DecidedReminded,
    VoidedReminded,
    DecidedMarked,
    VoidedMarked,
    DecidedRemindedMarked,
    VoidedRemindedMarked,
}

impl Front {
    /// A request that is undecided or that never arrived reminded nobody and was nobody's.
    const fn of(state: OutcomeState, reminded: bool, marked: bool) -> Self {
        match (state, reminded, marked) {
            (OutcomeState::Decided, false, false) => Self::Decided,
            (OutcomeState::Decided, true, false) => Self::DecidedReminded,
            (OutcomeState::Decided, false, true) => Self::DecidedMarked,
            (OutcomeState::Decided, true, true) => Self::DecidedRemindedMarked,
            (OutcomeState::Undecided, _, _) => Self::Undecided,
            (OutcomeState::Voided, false, false) => Self::Voided,
            (OutcomeState::Voided, true, false) => Self::VoidedReminded,
            (OutcomeState::Voided, false, true) => Self::VoidedMarked,
            (OutcomeState::Voided, true, true) => Self::VoidedRemindedMarked,
            (OutcomeState::Never, _, _) => Self::Never,
        }
    }

    const fn state(self) -> OutcomeState {
        match self {
            Self::Decided | Self::DecidedReminded | Self::DecidedMarked | Self::DecidedRemindedMarked => {
                OutcomeState::Decided
            }
            Self::Undecided => OutcomeState::Undecided,
            Self::Voided | Self::VoidedReminded | Self::VoidedMarked | Self::VoidedRemindedMarked => {
                OutcomeState::Voided
            }
            Self::Never => OutcomeState::Never,
        }
    }

    const fn has_reminder(self) -> bool {
        matches!(
            self,
            Self::DecidedReminded
                | Self::VoidedReminded
                | Self::DecidedRemindedMarked
                | Self::VoidedRemindedMarked
        )
    }

    const fn has_person(self) -> bool {
        matches!(
            self,
            Self::DecidedMarked
                | Self::VoidedMarked
                | Self::DecidedRemindedMarked
                | Self::VoidedRemindedMarked
        )
    }
}

/// Fields that every outcome has.
const FIELDS: usize = 8;
/// Fields that follow where there is something in them.
const FIELDS_MORE: usize = 2;

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { version, state, body, answer, corrections, sold, freed, settlement_id, reminder, person } =
            self;
        let front = Front::of(*state, reminder.is_some(), person.is_some());
        let more = usize::from(front.has_reminder()) + usize::from(front.has_person());
        let mut tuple = serializer.serialize_tuple(FIELDS + more)?;
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
        if let (true, Some(person)) = (front.has_person(), person) {
            tuple.serialize_element(person)?;
        }
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple(FIELDS + FIELDS_MORE, Fields)
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
        let person: Option<PersonMark> = if front.has_person() { Some(next(&mut fields)?) } else { None };
        let state = front.state();
        Ok(Outcome {
            version,
            state,
            body,
            answer,
            corrections,
            sold,
            freed,
            settlement_id,
            reminder,
            person,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tally::Counted;

    #[test]
    fn an_outcome_reads_back_with_and_without_what_may_follow_also_between_others() {
        let plain = Outcome { freed: vec!["a".to_owned()], ..Outcome::closed(OutcomeState::Voided) };
        let counts = vec![(None, Counted { reminders: 1, persons: 1, amount_fen: 5 })];
        let reminded = Outcome {
            reminder: Some(Reminder { counts, reason: Some("stock".to_owned()), went_on: true }),
            ..Outcome::closed(OutcomeState::Decided)
        };
        let person = Some(PersonMark { key_version: 3, certificate: Some([7; 16]), insured: None });
        let marked = Outcome { person, ..plain.clone() };
        let both = Outcome { person, ..reminded.clone() };
        let decided = Outcome { person, ..Outcome::closed(OutcomeState::Decided) };
        let voided = Outcome { person, state: OutcomeState::Voided, ..reminded.clone() };
        let all = vec![reminded.clone(), plain.clone(), marked, both, decided, voided, reminded, plain];
        for outcome in &all {
            let bytes = postcard::to_stdvec(outcome).unwrap();
            assert_eq!(&postcard::from_bytes::<Outcome>(&bytes).unwrap(), outcome);
        }
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
        for front in [4, 6, 8] {
            assert!(postcard::from_bytes::<Outcome>(&[1, front, 0, 0, 0, 0, 0, 0]).is_err());
        }
    }
}
