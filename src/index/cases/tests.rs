//! The index of cases against a list that is searched from its beginning to its end.

use super::*;
use crate::domain::case::{CaseClass, CaseState, GroupBy};
use crate::domain::party::{Division, InstitutionCode};
use proptest::prelude::*;
use table::Table;

fn code(number: u64) -> CodeKey {
    CodeKey::parse(&format!("8300385{number:013}")).unwrap()
}

fn institution(number: u64) -> InstitutionCode {
    InstitutionCode::parse(&format!("P{:011}", 13_010_200_000 + number * 100_000)).unwrap()
}

fn row(seed: (u64, i64, i64, u8, u8, u64)) -> CaseRow {
    let (number, opened, amount, class, state, party) = seed;
    let parties = vec![institution(party), institution(party + 1)];
    CaseRow {
        name: CaseName { key: code(number), number: 1 },
        opened_at: opened,
        occurred_at: opened - 1_000_000,
        amount_fen: (amount >= 0).then_some(amount),
        refunded_fen: 0,
        class: CaseClass::ALL[usize::from(class) % CaseClass::ALL.len()],
        state: CaseState::ALL[usize::from(state) % CaseState::ALL.len()],
        ended: None,
        catalog_code: Some(format!("D{}", number % 5)),
        accused: vec![parties[1]].into(),
        parties: parties.into(),
        place_of_care: Some(Division(130_102)),
        due_on: None,
        has_proposal: number % 7 == 0,
    }
}

fn rows() -> impl Strategy<Value = Vec<CaseRow>> {
    let seed =
        (0_u64..40, -100_000_000_000_000_i64..100_000_000_000_000, -1_i64..5000, 0_u8..7, 0_u8..7, 0_u64..4);
    prop::collection::vec(seed, 0..60).prop_map(|seeds| {
        let mut rows: Vec<CaseRow> = Vec::new();
        for seed in seeds {
            if rows.iter().all(|known| known.name.key != code(seed.0)) {
                rows.push(row(seed));
            }
        }
        rows
    })
}

fn filters() -> impl Strategy<Value = CaseFilter> {
    let range = || {
        (
            prop::option::of(-100_000_000_000_000_i64..100_000_000_000_000),
            prop::option::of(0_i64..100_000_000_000_000),
        )
    };
    let amount = (prop::option::of(0_i64..5000), prop::option::of(0_i64..5000));
    let classes = prop::collection::vec(0_usize..7, 0..3);
    let states = prop::collection::vec(0_usize..7, 0..3);
    (
        0_u8..4,
        prop::option::of(0_u64..5),
        classes,
        states,
        range(),
        amount,
        prop::option::of(0_u64..6),
        any::<bool>(),
    )
        .prop_map(|(sight, party, classes, states, opened, amount, drug, proposal)| CaseFilter {
            sight: match sight {
                0 => Sight::Division("130103".to_owned()),
                1 => Sight::Institutions(vec![institution(0), institution(2)]),
                _ => Sight::All,
            },
            division_prefix: (sight == 3).then(|| "1301".to_owned()),
            institution: party.map(institution),
            classes: classes.into_iter().map(|at| CaseClass::ALL[at]).collect(),
            states: states.into_iter().map(|at| CaseState::ALL[at]).collect(),
            catalog_code: drug.map(|drug| format!("D{drug}")),
            opened: Range { from: opened.0, to: opened.1 },
            amount_fen: Range { from: amount.0, to: amount.1 },
            with_proposal: proposal,
            ..CaseFilter::default()
        })
}

/// The same question, asked of every row.
fn passes(filter: &CaseFilter, row: &CaseRow) -> bool {
    let within = |prefix: &str| row.parties.iter().any(|party| party.division().is_within(prefix));
    let sight = match &filter.sight {
        Sight::All => true,
        Sight::Division(prefix) => within(prefix),
        Sight::Institutions(codes) => codes.iter().any(|code| row.parties.contains(code)),
    };
    sight
        && filter.division_prefix.as_deref().is_none_or(within)
        && filter.institution.is_none_or(|code| row.parties.contains(&code))
        && (filter.classes.is_empty() || filter.classes.contains(&row.class))
        && (filter.states.is_empty() || filter.states.contains(&row.state))
        && filter.catalog_code.as_ref().is_none_or(|code| row.catalog_code.as_ref() == Some(code))
        && filter.opened.holds(row.opened_at)
        && (filter.amount_fen.is_open() || row.amount_fen.is_some_and(|fen| filter.amount_fen.holds(fen)))
        && (!filter.with_proposal || row.has_proposal)
}

proptest! {
    #[test]
    fn pages_hold_what_a_search_finds(rows in rows(), filter in filters(), limit in 1_usize..7) {
        let mut table = Table::default();
        rows.iter().for_each(|row| table.put(row.clone()));
        let mut expected: Vec<&CaseRow> = rows.iter().filter(|row| passes(&filter, row)).collect();
        expected.sort_by(|a, b| (b.opened_at, &b.name).cmp(&(a.opened_at, &a.name)));
        let expected: Vec<CaseName> = expected.into_iter().map(|row| row.name.clone()).collect();
        prop_assert_eq!(table.count(&filter), expected.len() as u64);
        for sorted_max in [u64::MAX, 0] {
            let (mut found, mut cursor) = (Vec::new(), None);
            loop {
                let page = table.page_sorted_up_to(sorted_max, &filter, cursor.as_ref(), limit);
                prop_assert!(page.cases.len() <= limit);
                found.extend(page.cases);
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            prop_assert_eq!(&found, &expected);
        }
        let summed: u64 = summary::summarize(&table, &filter, GroupBy::Class).iter().map(|group| group.cases).sum();
        prop_assert_eq!(summed, expected.len() as u64);
    }

    #[test]
    fn a_changed_row_leaves_nothing_behind(rows in rows(), others in rows(), filter in filters()) {
        let mut table = Table::default();
        rows.iter().chain(&others).for_each(|row| table.put(row.clone()));
        let mut last: Vec<&CaseRow> = others.iter().collect();
        last.extend(rows.iter().filter(|row| others.iter().all(|other| other.name != row.name)));
        let expected = last.iter().filter(|row| passes(&filter, row)).count() as u64;
        prop_assert_eq!(table.count(&filter), expected);
    }
}

#[test]
fn new_cases_do_not_shift_the_pages_behind_a_cursor() {
    let mut table = Table::default();
    (0..30_u64).for_each(|n| table.put(row((n, i64::try_from(n).unwrap() * 1000, 10, 0, 0, 0))));
    let all = CaseFilter::default();
    let first = table.page(&all, None, 10);
    (30..60_u64).for_each(|n| table.put(row((n, i64::try_from(n).unwrap() * 1000, 10, 0, 0, 0))));
    let second = table.page(&all, first.next.as_ref(), 10);
    let numbers: Vec<CaseName> = (10..20_u64).rev().map(|n| CaseName { key: code(n), number: 1 }).collect();
    assert_eq!(second.cases, numbers);
}

/// Tells of dossiers in stored form, each with its place and the number of its code.
fn tell(index: &CaseIndex, dossiers: &[(u64, u64, &[u8])]) {
    let known = dossiers.iter().map(|(place, n, bytes)| (*place, code(*n), Bytes::copy_from_slice(bytes)));
    let known: Vec<_> = known.collect();
    index.changed(known.iter().map(|(place, key, bytes)| (*place, key, bytes)));
}

#[test]
fn older_news_are_passed_over() {
    let index = CaseIndex::default();
    let dossier = |version| Dossier { version, ..Dossier::default() };
    let told = |place, number, bytes: Vec<u8>| tell(&index, &[(place, number, &bytes)]);
    told(7, 1, dossier(2).stored());
    told(5, 1, dossier(1).stored());
    told(6, 2, dossier(1).stored());
    assert_eq!(index.changed_behind(0, 10), [(6, code(2)), (7, code(1))]);
    assert_eq!(index.changed_behind(6, 10), [(7, code(1))]);
    assert_eq!(*index.last_place().borrow(), 7);
    told(8, 3, b"\x09garbled".to_vec());
    assert_eq!(index.garbled(), 1);
}

#[test]
fn what_may_have_a_dossier_or_an_open_case_is_known_once_all_were_told() {
    let index = CaseIndex::default();
    assert!(index.may_have_dossier(&code(1)) && index.may_have_open(&code(1)));
    let [open, closed, garbled] = [4, 3, 9];
    let mut last = index.last_place();
    tell(&index, &[(5, 1, &[open, 1]), (6, 2, &[closed, 1]), (4, 3, &[garbled])]);
    assert_eq!(*last.borrow_and_update(), 6);
    assert!(index.may_have_dossier(&code(4)) && index.may_have_open(&code(4)), "not all were told");
    index.complete();
    let check = |number, has_dossier, has_open| {
        let may = (index.may_have_dossier(&code(number)), index.may_have_open(&code(number)));
        assert_eq!(may, (has_dossier, has_open), "code {number}");
    };
    check(1, true, true);
    check(2, true, false);
    // One that cannot be read stands all the same.
    check(3, true, false);
    check(4, false, false);
    assert_eq!((index.open_count(), index.open_codes()), (1, vec![code(1)]));
    tell(&index, &[(7, 1, &[closed, 2]), (8, 2, &[open, 2])]);
    assert_eq!((index.open_count(), index.open_codes()), (1, vec![code(2)]));
    tell(&index, &[]);
    assert_eq!(*last.borrow_and_update(), 8);
}

#[test]
fn who_told_of_a_dossier_finds_it_though_others_take_it_in_meanwhile() {
    let index = CaseIndex::default();
    let stored = Dossier { version: 1, ..Dossier::default() }.stored();
    let index = &index;
    let work = &|teller: u64| {
        for turn in 0..2_000 {
            let place = turn * 4 + teller + 1;
            tell(index, &[(place, place, &stored)]);
            assert_eq!(index.changed_behind(place - 1, 1).first().map(|(found, _)| *found), Some(place));
        }
    };
    std::thread::scope(|threads| (0..4).for_each(|teller| drop(threads.spawn(move || work(teller)))));
}
