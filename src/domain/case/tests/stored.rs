//! What is stored is read back, in the form that is written now and in the one before.

use super::*;
use crate::domain::claim::ConflictKind;
use crate::domain::event::Scene;
use crate::domain::stored::packed::Packed;
use crate::domain::verdict::{DuplicateClass, Role, Verdict};
use jiff::civil::date;

/// The form in which dossiers were written before.
fn in_postcard(dossier: &Dossier) -> Vec<u8> {
    let form = if dossier.open_case().is_some() { 2 } else { 1 };
    [vec![form], postcard::to_allocvec(dossier).unwrap()].concat()
}

#[track_caller]
pub(super) fn is_read_back(dossier: &Dossier) {
    for bytes in [dossier.stored(), in_postcard(dossier)] {
        assert_eq!(&Dossier::from_stored(&bytes).unwrap(), dossier);
        assert_eq!(Dossier::version_of_stored(&bytes), Some(dossier.version));
        assert_eq!(Dossier::is_open_in_stored(&bytes), Some(dossier.open_case().is_some()));
    }
}

/// A dossier in which everything is said.
fn full() -> Dossier {
    let name = SaleName {
        institution: pharmacy(2),
        document: Some(PaperKey(u64::MAX)),
        visit: Some(PaperKey(7)),
        line: Some(70_000),
    };
    let details = Details {
        request_id: Some("请求-1".to_owned()),
        line: Some(255),
        document_no: Some("D".repeat(300)),
        operator: Some(String::new()),
        scene: Some(Scene::Inpatient),
        payment: Some(Payment::SelfPaid),
        quantity: Some("-1.50".parse().unwrap()),
        amount: Some("79228162514264337593543950335".parse().unwrap()),
        settlement_id: Some("S".to_owned()),
        policy_version: Some("p".into()),
        verdict: Some(Verdict::Block),
    };
    let part = Part::Draw { line: 254, line_quantity: Some(Decimal::new(105, 1)), units: Some(Decimal::ONE) };
    let sale = SaleEvent {
        visit: Some(PaperKey(3)),
        part,
        status: SaleStatus::Held { expires_at: moment(9) },
        first_findings: vec![
            (ConflictKind::Duplicate(DuplicateClass::PackOverlap), Role::Earlier),
            (ConflictKind::SplitElsewhere, Role::Later),
        ],
        ..sale(1, 2, 3, 4)
    };
    let involved = Involved {
        name: name.clone(),
        is_attempt: true,
        side: Side::Duplicate,
        class: Some(CaseClass::SplitElsewhere),
        occurred_at: moment(1),
        received_at: moment(2),
        fate: Fate::NeverSold,
        details: details.clone(),
    };
    let step = Step {
        kind: StepKind::FirstReview,
        state: CaseState::FirstReview,
        at: moment(5),
        actor: Actor { kind: ActorKind::Bureau, of: "1301".to_owned(), name: "李".to_owned() },
        note: "复核".to_owned(),
        files: vec![FileReference { name: "a".to_owned(), sha256: "0".repeat(64), size_bytes: u64::MAX }],
        amount: Some(Decimal::new(1750, 2)),
        policy_version: "p".into(),
    };
    let case = Case {
        number: 1,
        class: CaseClass::SplitElsewhere,
        state: CaseState::Closed,
        opened_at: moment(1),
        changed_at: moment(5),
        policy_version: "p".into(),
        catalog_code: Some("XA01".to_owned()),
        involved: vec![involved.clone(), Involved { details: Details::default(), ..involved }],
        further: 3,
        by_word: true,
        due_on: Some(date(2026, 12, 31)),
        proposal: Some(Proposal { kind: ProposalKind::Flip, history_version: 9, is_rejected: true }),
        refunded: Decimal::new(1, 28),
        conclusion: Some(Conclusion {
            ending: Ending::Violation,
            recovered: Decimal::new(1750, 2),
            recovered_from: vec![name],
        }),
        steps: vec![step],
    };
    let attempt = Attempt { sale, details };
    Dossier { version: 300, attempts: vec![attempt], further_attempts: u32::MAX, cases: vec![case] }
}

#[test]
fn everything_that_a_dossier_says_is_read_back() {
    is_read_back(&Dossier::default());
    is_read_back(&full());
    let mut open = full();
    open.cases[0].state = CaseState::Appealed;
    is_read_back(&open);
}

#[test]
fn an_amount_keeps_its_scale() {
    let stored = Dossier::from_stored(&full().stored()).unwrap();
    assert_eq!(stored.cases[0].involved[0].details.quantity.unwrap().to_string(), "-1.50");
}

#[test]
fn a_form_that_is_cut_off_or_goes_on_or_is_not_known_is_refused() {
    let bytes = full().stored();
    for end in 0..bytes.len() {
        assert!(Dossier::from_stored(&bytes[..end]).is_err(), "the first {end} bytes are read as a dossier");
    }
    assert!(Dossier::from_stored(&[&bytes[..], &[0]].concat()).is_err());
    for form in [0, 5, u8::MAX] {
        let other = [&[form], &bytes[1..]].concat();
        assert!(Dossier::from_stored(&other).is_err(), "form {form}");
        assert_eq!((Dossier::version_of_stored(&other), Dossier::is_open_in_stored(&other)), (None, None));
    }
}

/// Numbers of stored values are for ever: this list only grows.
#[test]
fn numbers_mean_what_they_always_meant() {
    fn check<T: Packed + Copy + PartialEq + std::fmt::Debug>(all: &[T], numbers: &[u8]) {
        let put = |value: &T| {
            let mut bytes = Vec::new();
            value.put(&mut bytes);
            assert_eq!(T::take(&mut bytes.as_slice()), Some(*value));
            bytes[0]
        };
        assert_eq!(all.iter().map(put).collect::<Vec<_>>(), numbers, "{all:?}");
    }
    check(CaseClass::ALL, &[1, 2, 3, 4, 5, 6, 7]);
    check(DuplicateClass::ALL, &[1, 2, 3, 4, 5, 6]);
    check(CaseState::ALL, &[1, 2, 3, 4, 5, 6, 7]);
    check(StepKind::ALL, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    check(Ending::ALL, &[1, 2, 3, 4]);
    check(Fate::ALL, &[1, 2, 3, 4, 5]);
    check(ActorKind::ALL, &[1, 2, 3]);
    check(ProposalKind::ALL, &[1, 2]);
    check(Side::ALL, &[1, 2, 3]);
    check(Role::ALL, &[1, 2]);
    check(Verdict::ALL, &[1, 2, 3, 4]);
    check(Scene::ALL, &[1, 2, 3]);
    check(Payment::ALL, &[1, 2]);
}

/// A dossier that was written once: whoever changes the form gives it another number, or this is not read any more.
#[test]
fn what_was_written_once_is_still_read() {
    let mut one = Box1::default();
    one.sold(1, 10, 0, 1).attempted(2, 20, 60);
    let byte = |hex: &str, at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let bytes = |hex: &str| (0..hex.len()).step_by(2).map(|at| byte(hex, at)).collect::<Vec<u8>>();
    assert_eq!(one.dossier.stored(), bytes(PACKED));
    for written in [PACKED, POSTCARD] {
        assert_eq!(Dossier::from_stored(&bytes(written)).unwrap(), one.dossier);
    }
}

const PACKED: &str = "\
    040101c2e5770723000000011400000000000000000084bdb6265306000084bdb6265306000101000000010102010084bdb6\
    265306000084bdb62653060001700002c1e5770723000000010a00000000000000000000010000e029e0255306000067bde3\
    255306000101000000000001010001010000000064000000000000c2e5770723000000011400000000000000000001020102\
    0084bdb6265306000084bdb6265306000500000001ea07060200010000000000000000000101010084bdb626530600010000\
    0000000170";
const POSTCARD: &str = "\
    020101c2cbdfbbb0040114008090ecebd6c9a9068090ecebd6c9a9060000000000000000000000000000000101174f544845\
    525f494e535449545554494f4e5f434c4f53450844455445435445448090ecebd6c9a9068090ecebd6c9a90601700002c1cb\
    dfbbb004010a000000054649525354008080cf82bcc9a906809cebbbbcc9a906065354414e445300000000000107696e7375\
    726564000103313030000000c2cbdfbbb0040114000001094455504c494341544501174f544845525f494e53544954555449\
    4f4e5f434c4f53458090ecebd6c9a9068090ecebd6c9a9060a4e455645525f534f4c4400000000000000000000000000010a\
    323032362d30362d303200013000010844455445435445440844455445435445448090ecebd6c9a9060653595354454d0000\
    0000000170";
