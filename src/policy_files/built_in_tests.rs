//! The baked-in files, row by row against the table of reasons and the calendar of the notices.

use super::{BUILT_IN, built_in, load};
use crate::domain::drug::DrugClass;
use crate::domain::event::{Payment, Scene};
use crate::domain::party::{Division, InstitutionKind, Ownership};
use crate::domain::policy::{DrugTraits, InstitutionTraits, Policy, Settings, Situation};
use crate::domain::verdict::Enforcement::{self, Block, Observe, Off, Remind};
use crate::domain::verdict::{DuplicateClass, Reason};
use jiff::civil::{Date, date};

const DAY: Date = date(2026, 3, 2);

fn at(kind: InstitutionKind, ownership: Ownership, division: u32, day: Date) -> Situation<'static> {
    Situation {
        institution: InstitutionTraits {
            kind,
            division: Division(division),
            ownership: Some(ownership),
            agreement_signed_on: Some(date(2019, 5, 1)),
            transition_ends_on: None,
        },
        scene: Scene::Outpatient,
        payment: Payment::Insured,
        drug: None,
        split: false,
        day,
    }
}

fn pharmacy(division: u32, day: Date) -> Situation<'static> {
    at(InstitutionKind::Pharmacy, Ownership::Private, division, day)
}

fn hospital(division: u32, day: Date) -> Situation<'static> {
    at(InstitutionKind::Hospital, Ownership::Private, division, day)
}

fn self_paid(situation: Situation<'static>) -> Situation<'static> {
    Situation { payment: Payment::SelfPaid, ..situation }
}

fn enforcement(policy: &Policy, reason: Reason, at: &Situation<'_>) -> Enforcement {
    policy.ruling(reason, None, at).enforcement
}

#[test]
fn the_table_of_reasons_row_by_row() {
    let policy = built_in();
    // Reason, pharmacy, hospital: insured, in Hebei, every transition ended.
    #[rustfmt::skip]
    let rows = [
        (Reason::InstitutionUnknown, Block, Block),
        (Reason::InstitutionSuspended, Block, Block),
        (Reason::ProductBarcode, Block, Block),
        (Reason::CatalogCode, Block, Block),
        (Reason::NationalDrugCode, Block, Block),
        (Reason::ConsumableCode, Block, Block),
        (Reason::ForeignUrl, Block, Block),
        (Reason::CodeMalformed, Block, Block),
        (Reason::CodeCorrupted, Block, Block),
        (Reason::PlaceholderCode, Block, Block),
        (Reason::CodeRepeated, Block, Block),
        (Reason::QuantityNotWhole, Block, Block),
        (Reason::NoCode, Block, Remind),
        (Reason::CodeCountMismatch, Block, Remind),
        (Reason::NoCodeExempt, Observe, Observe),
        (Reason::NoCodeListed, Observe, Observe),
        (Reason::NotSmallestPack, Block, Block),
        (Reason::DrugMismatch, Block, Block),
        (Reason::PrefixUnmapped, Remind, Remind),
        (Reason::Duplicate, Block, Remind),
        (Reason::SplitElsewhere, Block, Remind),
        (Reason::NotPurchased, Block, Block),
        (Reason::PurchaseNotKnownYet, Remind, Remind),
        (Reason::Oversold, Remind, Remind),
        (Reason::PriceAboveListed, Off, Remind),
        (Reason::SplitUnitsUnknown, Remind, Remind),
        (Reason::SerialMissing, Remind, Remind),
        (Reason::EventTimeInFuture, Block, Block),
        (Reason::EventTimeClamped, Observe, Observe),
        (Reason::ReturnUnpaired, Observe, Observe),
        (Reason::AlreadyReturned, Block, Block),
        (Reason::Provisional, Block, Block),
        (Reason::InDoubt, Off, Off),
    ];
    let reasons: Vec<_> = rows.iter().map(|(reason, ..)| *reason).collect();
    assert_eq!(reasons, Reason::ALL, "every reason once, in order of precedence");
    let fund_matters = [
        Reason::NoCode,
        Reason::NotPurchased,
        Reason::PurchaseNotKnownYet,
        Reason::Oversold,
        Reason::PriceAboveListed,
    ];
    for (reason, in_pharmacy, in_hospital) in rows {
        for (situation, expected) in
            [(pharmacy(130_102, DAY), in_pharmacy), (hospital(130_102, DAY), in_hospital)]
        {
            assert_eq!(enforcement(&policy, reason, &situation), expected, "{reason}, insured");
            let expected = if fund_matters.contains(&reason) { Off } else { expected };
            assert_eq!(enforcement(&policy, reason, &self_paid(situation)), expected, "{reason}, self-paid");
        }
    }
}

#[test]
fn every_class_of_duplicate_always() {
    let policy = built_in();
    for class in DuplicateClass::ALL.iter().copied() {
        for day in [date(2020, 1, 1), DAY] {
            let ruling = |at| policy.ruling(Reason::Duplicate, Some(class), &at).enforcement;
            assert_eq!(ruling(pharmacy(440_106, day)), Block, "{class}");
            assert_eq!(ruling(hospital(440_106, day)), Remind, "{class}");
        }
    }
}

#[test]
fn rules_start_on_the_day_of_their_notice() {
    let policy = built_in();
    let public = |division, day| at(InstitutionKind::Hospital, Ownership::Public, division, day);
    let (no_code, bought, price) = (Reason::NoCode, Reason::NotPurchased, Reason::PriceAboveListed);
    #[rustfmt::skip]
    let rows = [
        ("no code, pharmacy, before", no_code, pharmacy(440_106, date(2025, 6, 30)), Off),
        ("no code, pharmacy, from", no_code, pharmacy(440_106, date(2025, 7, 1)), Block),
        ("no code, pharmacy, 2026", no_code, pharmacy(440_106, date(2026, 1, 1)), Block),
        ("no code, hospital, before", no_code, hospital(440_106, date(2025, 6, 30)), Off),
        ("no code, hospital, from", no_code, hospital(440_106, date(2025, 7, 1)), Remind),
        ("no code, hospital, 2026", no_code, hospital(440_106, date(2026, 1, 1)), Remind),
        ("national purchase, pharmacy", bought, pharmacy(440_106, DAY), Off),
        ("national purchase, public, before", bought, public(440_106, date(2025, 5, 27)), Off),
        ("national purchase, public, from", bought, public(440_106, date(2025, 5, 28)), Block),
        ("national purchase, private, from", bought, hospital(440_106, date(2025, 5, 28)), Block),
        ("Hebei purchase, pharmacy, before", bought, pharmacy(130_102, date(2025, 9, 4)), Off),
        ("Hebei purchase, pharmacy, from", bought, pharmacy(130_102, date(2025, 9, 5)), Block),
        ("Hebei purchase, public, before", bought, public(130_102, date(2025, 9, 4)), Block),
        ("Hebei purchase, public, from", bought, public(130_102, date(2025, 9, 5)), Block),
        ("price, private, before", price, hospital(440_106, date(2025, 5, 27)), Off),
        ("price, private, from", price, hospital(440_106, date(2025, 5, 28)), Remind),
        ("price, public", price, public(440_106, DAY), Off),
    ];
    for (name, reason, situation, expected) in rows {
        assert_eq!(enforcement(&policy, reason, &situation), expected, "{name}");
    }
}

#[test]
fn purchases_wait_for_the_transition() {
    let policy = built_in();
    let end = Some(date(2026, 3, 2));
    let waiting = |mut situation: Situation<'static>| {
        situation.institution.transition_ends_on = end;
        situation
    };
    let signed = |mut situation: Situation<'static>, day: Date| {
        situation.institution.agreement_signed_on = Some(day);
        situation
    };
    let unregistered = |mut situation: Situation<'static>| {
        situation.institution.ownership = None;
        situation
    };
    let eve = date(2026, 3, 1);
    let public = |division, day| at(InstitutionKind::Hospital, Ownership::Public, division, day);
    #[rustfmt::skip]
    let rows = [
        ("public does not wait", waiting(public(440_106, eve)), Block),
        ("public in Hebei does not wait", waiting(public(130_102, eve)), Block),
        ("private, the day before", waiting(hospital(440_106, eve)), Off),
        ("private, the day itself", waiting(hospital(440_106, DAY)), Block),
        ("private in Hebei, the day before", waiting(hospital(130_102, eve)), Off),
        ("private in Hebei, the day itself", waiting(hospital(130_102, DAY)), Block),
        ("pharmacy in Hebei, the day before", waiting(pharmacy(130_102, eve)), Off),
        ("pharmacy in Hebei, the day itself", waiting(pharmacy(130_102, DAY)), Block),
        ("new agreement, before signing", signed(hospital(440_106, eve), DAY), Off),
        ("new agreement, the day of signing", signed(hospital(440_106, DAY), DAY), Block),
        ("not registered", unregistered(hospital(130_102, DAY)), Off),
    ];
    for (name, situation, expected) in rows {
        assert_eq!(enforcement(&policy, Reason::NotPurchased, &situation), expected, "{name}");
    }
}

#[test]
fn exemptions_by_kind_and_line() {
    let policy = built_in();
    let drug = |drug_class, dosage_form, must_split| Some(DrugTraits { drug_class, dosage_form, must_split });
    let tcm = drug(DrugClass::TcmPieces, "pieces", false);
    let granules = drug(DrugClass::TcmFormulaGranules, "granules", false);
    let in_house = drug(DrugClass::InHouse, "ointment", false);
    let must_split = drug(DrugClass::Western, "tablet", true);
    let loose = drug(DrugClass::Western, "loose_injection", false);
    let tablet = drug(DrugClass::Western, "tablet", false);
    #[rustfmt::skip]
    let rows = [
        ("TCM pieces", tcm, false, Some("tcm_pieces"), Some("tcm_pieces")),
        ("granules", granules, false, Some("tcm_formula_granules"), Some("tcm_formula_granules")),
        ("in-house", in_house, false, Some("in_house"), Some("in_house")),
        ("must split, split", must_split, true, None, Some("must_split")),
        ("must split, whole", must_split, false, None, None),
        ("another, split", tablet, true, None, None),
        ("loose injection", loose, false, None, Some("loose_injection")),
        ("unknown drug", None, true, None, None),
    ];
    for (name, drug, split, in_pharmacy, in_hospital) in rows {
        let exempt = |situation: Situation<'static>| {
            let situation = Situation { drug, split, ..situation };
            policy.exemption(&situation).map(|exemption| exemption.name.clone())
        };
        assert_eq!(exempt(pharmacy(440_106, DAY)).as_deref(), in_pharmacy, "{name}, pharmacy");
        assert_eq!(exempt(hospital(440_106, DAY)).as_deref(), in_hospital, "{name}, hospital");
        assert_eq!(exempt(hospital(440_106, date(2025, 6, 30))), None, "{name}, before it was in force");
    }
}

#[test]
fn the_national_file_spells_out_the_defaults() {
    let mut settings = built_in().settings().clone();
    // Which days are holidays is data and has no default.
    let calendar = std::mem::take(&mut settings.cases.calendar);
    assert_eq!(settings, Settings::default());
    assert!(!calendar.holidays.is_empty() && !calendar.working_weekends.is_empty());
    assert!(BUILT_IN[0].1.contains("[settings]"));
}

#[test]
fn every_rule_names_its_notice() {
    for rule in built_in().rules() {
        assert!(!rule.note.is_empty(), "{}", rule.source);
    }
}

#[test]
fn each_built_in_file_is_valid_alone() {
    for layer in BUILT_IN {
        assert!(load(&[layer]).is_ok(), "{}", layer.0);
    }
}

#[test]
fn placeholders_are_recognised_and_codes_are_not() {
    let policy = built_in();
    let patterns: Vec<_> =
        policy.settings().placeholder_patterns.iter().map(|text| regex::Regex::new(text).unwrap()).collect();
    let is_placeholder = |text: &str| patterns.iter().any(|pattern| pattern.is_match(text));
    for digit in '0'..='9' {
        assert!(is_placeholder(&digit.to_string().repeat(20)), "twenty times {digit}");
    }
    for text in ["0", "0000000", "80000000000000000000", "12345678901234567890", "TEST", "test001", "Test-1"]
    {
        assert!(is_placeholder(text), "{text}");
    }
    for text in ["83003850000000131888", "88888888888888888880", "0123", "LATEST1", "", "9999999999999999999"]
    {
        assert!(!is_placeholder(text), "{text}");
    }
}
