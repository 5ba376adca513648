//! The packed form of a dossier: its fields one after the other, values by number. Numbers are for ever; another field
//! makes another form.

use super::{
    Actor, ActorKind, Attempt, Case, CaseClass, CaseState, Conclusion, Details, Dossier, Ending,
    FileReference, Involved, Proposal, ProposalKind, Side, Step, StepKind,
};
use crate::domain::claim::{ConflictKind, Fate, Part, SaleEvent, SaleName, SaleStatus};
use crate::domain::event::{Payment, Scene};
use crate::domain::stored::packed::{Packed, packed_by_number, packed_in_order};
use crate::domain::verdict::{DuplicateClass, Role, Verdict};

packed_in_order! {
    Dossier { version, attempts, further_attempts, cases }
    Attempt { sale, details }
    SaleEvent { institution, document, visit, occurred_at, received_at, part, status, first_findings }
    SaleName { institution, document, visit, line }
    Involved { name, is_attempt, side, class, occurred_at, received_at, fate, details }
    Actor { kind, of, name }
    FileReference { name, sha256, size_bytes }
    Step { kind, state, at, actor, note, files, amount, policy_version }
    Proposal { kind, history_version, is_rejected }
    Conclusion { ending, recovered, recovered_from }
    Case {
        number, class, state, opened_at, changed_at, policy_version, catalog_code, involved, further, by_word, due_on,
        proposal, refunded, conclusion, steps,
    }
}

packed_by_number! {
    CaseClass {
        SameInstitution = 1, OtherInstitutionClose = 2, OtherInstitutionLongGap = 3, SplitOverdraw = 4,
        WholeAndSplit = 5, PackOverlap = 6, SplitElsewhere = 7,
    }
    DuplicateClass {
        SameInstitution = 1, OtherInstitutionClose = 2, OtherInstitutionLongGap = 3, SplitOverdraw = 4,
        WholeAndSplit = 5, PackOverlap = 6,
    }
    CaseState {
        Detected = 1, Pushed = 2, Explained = 3, Appealed = 4, FirstReview = 5, SecondReview = 6, Closed = 7,
    }
    StepKind {
        Detected = 1, Joined = 2, Reclassed = 3, Pushed = 4, Explained = 5, Appealed = 6, FirstReview = 7,
        SecondReview = 8, RefundMarked = 9, EventAnnulled = 10, Proposed = 11, ProposalAccepted = 12,
        ProposalRejected = 13, Closed = 14,
    }
    Ending { Violation = 1, Lawful = 2, MakersError = 3, DataError = 4 }
    Fate { Stands = 1, Returned = 2, Voided = 3, Annulled = 4, NeverSold = 5 }
    ActorKind { System = 1, Institution = 2, Bureau = 3 }
    ProposalKind { Close = 1, Flip = 2 }
    Side { First = 1, Duplicate = 2, Cleared = 3 }
    Role { Later = 1, Earlier = 2 }
    Verdict { Allow = 1, Remind = 2, Pending = 3, Block = 4 }
    Scene { Outpatient = 1, Inpatient = 2, Pharmacy = 3 }
    Payment { Insured = 1, SelfPaid = 2 }
}

/// Nothing where nothing is known, as of the first sale of most cases.
impl Packed for Details {
    #[inline]
    fn put(&self, to: &mut Vec<u8>) {
        let Self {
            request_id,
            line,
            document_no,
            operator,
            scene,
            payment,
            quantity,
            amount,
            settlement_id,
            policy_version,
            verdict,
        } = self;
        let is_known = !self.is_empty();
        is_known.put(to);
        if is_known {
            request_id.put(to);
            line.put(to);
            document_no.put(to);
            operator.put(to);
            scene.put(to);
            payment.put(to);
            quantity.put(to);
            amount.put(to);
            settlement_id.put(to);
            policy_version.put(to);
            verdict.put(to);
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        if !bool::take(from)? {
            return Some(Self::default());
        }
        Some(Self {
            request_id: Packed::take(from)?,
            line: Packed::take(from)?,
            document_no: Packed::take(from)?,
            operator: Packed::take(from)?,
            scene: Packed::take(from)?,
            payment: Packed::take(from)?,
            quantity: Packed::take(from)?,
            amount: Packed::take(from)?,
            settlement_id: Packed::take(from)?,
            policy_version: Packed::take(from)?,
            verdict: Packed::take(from)?,
        })
    }
}

const WHOLE: u8 = 1;
const DRAW: u8 = 2;

impl Packed for Part {
    #[inline]
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Self::Whole => WHOLE.put(to),
            Self::Draw { line, line_quantity, units } => {
                DRAW.put(to);
                line.put(to);
                line_quantity.put(to);
                units.put(to);
            }
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            WHOLE => Some(Self::Whole),
            DRAW => Some(Self::Draw {
                line: Packed::take(from)?,
                line_quantity: Packed::take(from)?,
                units: Packed::take(from)?,
            }),
            _ => None,
        }
    }
}

const SOLD: u8 = 1;
const HELD: u8 = 2;
const VOIDED: u8 = 3;

impl Packed for SaleStatus {
    #[inline]
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Self::Sold => SOLD.put(to),
            Self::Held { expires_at } => {
                HELD.put(to);
                expires_at.put(to);
            }
            Self::Voided => VOIDED.put(to),
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            SOLD => Some(Self::Sold),
            HELD => Packed::take(from).map(|expires_at| Self::Held { expires_at }),
            VOIDED => Some(Self::Voided),
            _ => None,
        }
    }
}

const DUPLICATE: u8 = 1;
const SPLIT_ELSEWHERE: u8 = 2;

impl Packed for ConflictKind {
    #[inline]
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Self::Duplicate(class) => {
                DUPLICATE.put(to);
                class.put(to);
            }
            Self::SplitElsewhere => SPLIT_ELSEWHERE.put(to),
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            DUPLICATE => Packed::take(from).map(Self::Duplicate),
            SPLIT_ELSEWHERE => Some(Self::SplitElsewhere),
            _ => None,
        }
    }
}
