//! To whom a box was handed, without naming them. What messages say of a person stays in memory while a request is
//! worked on; kept are marks: keyed hashes, made elsewhere, by which two sales of one person are seen to be that.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use unicode_normalization::UnicodeNormalization;

/// The longest number of a person, in bytes.
pub const PERSON_NUMBER_BYTES_MAX: usize = 64;
/// Bytes of a mark.
pub const MARK_BYTES: usize = 16;

/// Which number of a person a mark was made of. The two are never compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonNumber {
    /// The number of an identity document (certno).
    Certificate,
    /// The number under which the fund insures the person (psn_no).
    Insured,
}

/// Numbers of a person, as a caller sent them. Cannot be stored, and is not shown by anything that is logged.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// Of an identity document (certno).
    pub certificate_no: Option<String>,
    /// Under which the fund insures them (psn_no).
    pub insured_no: Option<String>,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(not shown)")
    }
}

impl Person {
    /// A number in one spelling: full width as half width, capital letters, nothing between the characters. `None` =
    /// nothing is left of it.
    pub fn spelled(number: &str) -> Option<String> {
        let plain = number.nfkc().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase);
        Some(plain.collect::<String>()).filter(|text| !text.is_empty())
    }
}

/// A keyed hash of a number, cut to 128 bits: by chance no two of a country's persons share one.
pub type Mark = [u8; MARK_BYTES];

/// Marks of a person under one join key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonMark {
    /// The version of the join key.
    pub key_version: u32,
    /// Of the number of an identity document.
    pub certificate: Option<Mark>,
    /// Of the number under which the fund insures them.
    pub insured: Option<Mark>,
}

impl PersonMark {
    /// Whether two marks are of one person; `None` = nobody can tell: other join keys, or no number in common.
    pub fn is_same(&self, other: &Self) -> Option<bool> {
        if self.key_version != other.key_version {
            return None;
        }
        let pairs = [(self.certificate, other.certificate), (self.insured, other.insured)];
        let told: Vec<bool> = pairs.iter().filter_map(|(a, b)| Some((*a)? == (*b)?)).collect();
        (!told.is_empty()).then(|| told.contains(&true))
    }
}

/// Numbers persons by their marks in the order given, from 1: the same number is the same person, another number another
/// one. 0 = not known, or not to be compared with those that have a number.
pub fn numbered(marks: &[Option<PersonMark>]) -> Vec<u32> {
    let mut persons: Vec<(PersonMark, u32)> = Vec::new();
    let mut number = |mark: &PersonMark| {
        let compared: Vec<_> = persons.iter().map(|(known, n)| (known.is_same(mark), *n)).collect();
        let same = compared.iter().find(|(same, _)| *same == Some(true)).map(|(_, n)| *n);
        let next = compared.iter().map(|(_, n)| *n).max().unwrap_or(0) + 1;
        let other = compared.iter().all(|(same, _)| *same == Some(false)).then_some(next);
        let number = same.or(other).unwrap_or(0);
        if number > 0 {
            persons.push((*mark, number));
        }
        number
    };
    marks.iter().map(|mark| mark.as_ref().map_or(0, &mut number)).collect()
}

/// A join key as it is kept: sealed by a wrapping key that stands in no store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinKey {
    /// From 1; the highest is in force.
    pub version: u32,
    /// The key, sealed; `None` = it was destroyed, and marks under it join nothing any more.
    pub sealed: Option<Sealed>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it was destroyed.
    pub destroyed_at: Option<Timestamp>,
}

impl JoinKey {
    /// The key in the place of what is known of it: the first one made stays, and a destroyed one stays destroyed.
    #[must_use]
    pub fn over(self, known: &Self) -> Self {
        let is_the_same = (self.created_at, &self.created_by) == (known.created_at, &known.created_by);
        if is_the_same && known.destroyed_at.is_none() { self } else { known.clone() }
    }
}

/// A sealed key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The wrapping key by its id.
    pub by: String,
    /// What was never used with it before.
    pub nonce: [u8; 12],
    /// The key with its proof.
    pub bytes: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(key_version: u32, certificate: Option<u8>, insured: Option<u8>) -> PersonMark {
        let of = |byte: Option<u8>| byte.map(|byte| [byte; MARK_BYTES]);
        PersonMark { key_version, certificate: of(certificate), insured: of(insured) }
    }

    #[test]
    fn a_number_has_one_spelling() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(Person::spelled(text).as_deref(), expected, "{text:?}");
        };
        check("33010119900307881X", Some("33010119900307881X"));
        check(" 330101-19900307 881x ", Some("33010119900307881X"));
        check("３３０１０１１９９００３０７８８１ｘ", Some("33010119900307881X"));
        check(" - ", None);
        check("", None);
    }

    #[test]
    fn marks_are_compared_where_they_can_be() {
        let check = |a: PersonMark, b: PersonMark, expected: Option<bool>| {
            assert_eq!((a.is_same(&b), b.is_same(&a)), (expected, expected), "{a:?} {b:?}");
        };
        let (cert, both) = (mark(1, Some(1), None), mark(1, Some(1), Some(9)));
        check(cert, cert, Some(true));
        check(cert, both, Some(true));
        check(cert, mark(1, Some(2), None), Some(false));
        check(cert, mark(1, None, Some(9)), None);
        check(cert, mark(2, Some(1), None), None);
        // One of the numbers was typed wrong: the other one tells.
        check(both, mark(1, Some(7), Some(9)), Some(true));
        check(both, mark(1, None, None), None);
    }

    #[test]
    fn persons_are_numbered_where_they_are_known() {
        let one = Some(mark(1, Some(1), None));
        let two = Some(mark(1, Some(2), None));
        let insured = Some(mark(1, None, Some(3)));
        let older = Some(mark(9, Some(1), None));
        let check = |marks: &[Option<PersonMark>], expected: &[u32]| assert_eq!(numbered(marks), expected);
        check(&[], &[]);
        check(&[None, one, two, one], &[0, 1, 2, 1]);
        // Nobody can tell whether these are somebody who has a number already.
        check(&[one, insured, two, older], &[1, 0, 2, 0]);
        // A third sale that shows both numbers joins what could not be joined before it.
        check(&[one, Some(mark(1, Some(1), Some(3))), insured], &[1, 1, 1]);
    }

    #[test]
    fn a_join_key_is_made_once_and_destroyed_for_good() {
        let sealed = |by: &str| Some(Sealed { by: by.into(), nonce: [0; 12], bytes: vec![1] });
        let at = |second| Timestamp::from_second(second).unwrap();
        let first = JoinKey {
            version: 1,
            sealed: sealed("a"),
            created_at: at(1),
            created_by: "gateway".into(),
            destroyed_at: None,
        };
        let second = JoinKey { created_at: at(2), ..first.clone() };
        assert_eq!(second.over(&first), first, "made by two at once");
        let rewrapped = JoinKey { sealed: sealed("b"), ..first.clone() };
        assert_eq!(rewrapped.clone().over(&first), rewrapped);
        let destroyed = JoinKey { sealed: None, destroyed_at: Some(at(3)), ..first.clone() };
        assert_eq!(rewrapped.over(&destroyed), destroyed);
        assert_eq!(destroyed.clone().over(&first), destroyed);
    }

    #[test]
    fn numbers_are_not_shown() {
        let person = Person { certificate_no: Some("33010119900307881X".into()), insured_no: None };
        assert_eq!(format!("{person:?}"), "Person(not shown)");
    }
}
