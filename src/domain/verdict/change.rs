//! In what two answers about the same request differ, finding by finding. Knows no policy: it sees only what was
//! found.

use super::{DuplicateClass, Enforcement, Finding, Reason, Role};
use std::collections::BTreeMap;

/// One finding as two answers have it. A finding that an answer does not have is `off` there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingPair {
    /// Why.
    pub reason: Reason,
    /// The line; `None` = the document as a whole.
    pub line: Option<u32>,
    /// The code in canonical form, or what was scanned.
    pub code: Option<String>,
    /// How the first answer has it.
    pub was: Seen,
    /// How the second answer has it.
    pub would_be: Seen,
}

/// How one answer has a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// What the rule does.
    pub enforcement: Enforcement,
    /// How the two sales stand, for a duplicate.
    pub class: Option<DuplicateClass>,
    /// Which side this event is, for a duplicate.
    pub role: Option<Role>,
}

/// Not among the findings.
const ABSENT: Seen = Seen { enforcement: Enforcement::Off, class: None, role: None };

impl From<&Finding> for Seen {
    fn from(finding: &Finding) -> Self {
        Self { enforcement: finding.enforcement, class: finding.class, role: finding.role }
    }
}

impl FindingPair {
    /// Whether the two answers differ in this finding. Evidence is not compared: it explains, it decides nothing.
    pub fn differs(&self) -> bool {
        self.was != self.would_be
    }
}

/// Every finding of two answers about the same request, in order of precedence. Findings of one reason, line and
/// code belong together: equal ones first, the others in order.
pub fn pairs(was: &[Finding], would_be: &[Finding]) -> Vec<FindingPair> {
    type Place<'a> = (Reason, Option<u32>, Option<&'a str>);
    let mut places: BTreeMap<Place<'_>, (Vec<Seen>, Vec<Seen>)> = BTreeMap::new();
    let place = |f: &'_ Finding| (f.reason, f.line);
    for finding in was {
        let (reason, line) = place(finding);
        places.entry((reason, line, finding.code.as_deref())).or_default().0.push(finding.into());
    }
    for finding in would_be {
        let (reason, line) = place(finding);
        places.entry((reason, line, finding.code.as_deref())).or_default().1.push(finding.into());
    }
    let pair = |((reason, line, code), (was, would_be)): (Place<'_>, _)| {
        let code = code.map(str::to_owned);
        let pair = move |(was, would_be)| FindingPair { reason, line, code: code.clone(), was, would_be };
        matched(was, would_be).into_iter().map(pair)
    };
    places.into_iter().flat_map(pair).collect()
}

/// Pairs equal ones, then what is left of both sides in order; the longer side meets nothing.
fn matched(mut was: Vec<Seen>, mut would_be: Vec<Seen>) -> Vec<(Seen, Seen)> {
    let mut found = Vec::with_capacity(was.len().max(would_be.len()));
    was.retain(|seen| match would_be.iter().position(|other| other == seen) {
        Some(at) => {
            would_be.remove(at);
            found.push((*seen, *seen));
            false
        }
        None => true,
    });
    for at in 0..was.len().max(would_be.len()) {
        let of = |side: &[Seen]| side.get(at).copied().unwrap_or(ABSENT);
        found.push((of(&was), of(&would_be)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Evidence;

    /// `REASON line enforcement [CLASS]`.
    fn finding(text: &str) -> Finding {
        let mut words = text.split(' ');
        let mut word = || words.next();
        Finding {
            reason: Reason::from_name(word().unwrap()).unwrap(),
            line: word().unwrap().parse().ok(),
            enforcement: Enforcement::from_name(word().unwrap()).unwrap(),
            class: word().map(|name| DuplicateClass::from_name(name).unwrap()),
            role: None,
            code: None,
            evidence: Evidence::None,
        }
    }

    #[test]
    fn findings_are_paired_by_reason_line_and_code() {
        let check = |was: &[&str], would_be: &[&str], expected: &[&str]| {
            let list = |texts: &[&str]| texts.iter().map(|t| finding(t)).collect::<Vec<_>>();
            let found: Vec<String> = pairs(&list(was), &list(would_be))
                .iter()
                .map(|p| {
                    let class = |seen: Seen| seen.class.map(|c| format!(" {c}")).unwrap_or_default();
                    let (was, would_be) = (p.was, p.would_be);
                    let sign = if p.differs() { "->" } else { "==" };
                    format!(
                        "{}{}{} {sign} {}{}",
                        p.reason,
                        p.line.map(|l| format!(" {l} ")).unwrap_or(" - ".into()),
                        was.enforcement.name().to_owned() + &class(was),
                        would_be.enforcement,
                        class(would_be)
                    )
                })
                .collect();
            assert_eq!(found, expected, "{was:?} and {would_be:?}");
        };
        check(&[], &[], &[]);
        check(&["NO_CODE 1 block"], &["NO_CODE 1 block"], &["NO_CODE 1 block == block"]);
        check(&["NO_CODE 1 block"], &["NO_CODE 1 remind"], &["NO_CODE 1 block -> remind"]);
        check(&["NO_CODE 1 block"], &[], &["NO_CODE 1 block -> off"]);
        check(&[], &["OVERSOLD 2 observe"], &["OVERSOLD 2 off -> observe"]);
        check(
            &["NO_CODE 1 block"],
            &["NO_CODE 2 block"],
            &["NO_CODE 1 block -> off", "NO_CODE 2 off -> block"],
        );
        // One reason twice at one place: what is equal is never told as a change.
        check(
            &["DUPLICATE 1 block SAME_INSTITUTION", "DUPLICATE 1 block OTHER_INSTITUTION_CLOSE"],
            &["DUPLICATE 1 block OTHER_INSTITUTION_LONG_GAP", "DUPLICATE 1 block SAME_INSTITUTION"],
            &[
                "DUPLICATE 1 block SAME_INSTITUTION == block SAME_INSTITUTION",
                "DUPLICATE 1 block OTHER_INSTITUTION_CLOSE -> block OTHER_INSTITUTION_LONG_GAP",
            ],
        );
        check(
            &["INSTITUTION_UNKNOWN - block"],
            &["INSTITUTION_UNKNOWN - remind", "NO_CODE 1 block"],
            &["INSTITUTION_UNKNOWN - block -> remind", "NO_CODE 1 off -> block"],
        );
    }
}
