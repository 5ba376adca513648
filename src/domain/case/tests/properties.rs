//! Random events and deeds in random order: no illegal state, nothing recovered twice, and the same conclusion whatever
//! order the events arrived in.

use super::*;
use proptest::prelude::*;

/// A sale with, perhaps, its return; all within the limit up to which event times are believed.
#[derive(Debug, Clone)]
struct Told {
    who: u64,
    at: i64,
    delay: i64,
    back_after: Option<(i64, i64)>,
}

fn told() -> impl Strategy<Value = Vec<Told>> {
    let back = prop::option::of((1_i64..40, 0_i64..3000));
    let one = (1_u64..4, 1_i64..2000, 0_i64..4000, back);
    prop::collection::vec(one, 1..5).prop_map(|rows| {
        let mut at = 0;
        let sale = |(who, gap, delay, back_after): (u64, i64, i64, Option<(i64, i64)>)| {
            at += gap;
            Told { who, at: at * 50, delay, back_after }
        };
        rows.into_iter().map(sale).collect()
    })
}

#[derive(Debug, Clone, Copy)]
enum What {
    Sale(usize),
    Back(usize),
}

/// What happened, in the order in which it is heard of.
fn heard(sales: &[Told]) -> Vec<(i64, What)> {
    let mut heard = Vec::new();
    for (at, told) in sales.iter().enumerate() {
        heard.push((told.at + told.delay, What::Sale(at)));
        if let Some((after, delay)) = told.back_after {
            heard.push((told.at + after + delay, What::Back(at)));
        }
    }
    heard.sort_by_key(|(when, what)| (*when, matches!(what, What::Back(_))));
    heard
}

fn play(sales: &[Told], order: &[(i64, What)], screen_each: bool) -> Box1 {
    let mut one = Box1::default();
    let end = order.iter().map(|(at, _)| *at).max().unwrap_or(0);
    for (_, what) in order {
        let (What::Sale(at) | What::Back(at)) = *what;
        let told = &sales[at];
        let document = 100 + at as u64;
        let before = one.dossier.clone();
        match what {
            What::Sale(_) => one.sold(told.who, document, told.at, told.at + told.delay),
            What::Back(_) => {
                let (after, delay) = told.back_after.unwrap();
                one.returned(told.who, document, told.at + after, told.at + after + delay)
            }
        };
        if !screen_each {
            one.dossier = before;
        }
    }
    one.screen(end);
    one
}

/// Pairs of documents that an open case names: what the bureau is asked to look at.
fn accused(one: &Box1) -> Vec<(u64, bool)> {
    let mut accused: Vec<_> = one
        .dossier
        .open_case()
        .iter()
        .flat_map(|case| &case.involved)
        .filter(|involved| involved.side != Side::Cleared)
        .map(|involved| (involved.name.document.unwrap().0, involved.side == Side::Duplicate))
        .collect();
    accused.sort_unstable();
    accused
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Nobody acts meanwhile: the open case says the same whether events were screened one by one as they arrived or
    /// all at once. What closed by itself meanwhile, and opened again, does not count.
    #[test]
    fn the_conclusion_is_that_of_the_event_order(sales in told()) {
        let order = heard(&sales);
        let step_by_step = play(&sales, &order, true);
        let at_once = play(&sales, &order, false);
        let reopened = step_by_step.dossier.cases.len() > 1;
        if !reopened {
            prop_assert_eq!(accused(&step_by_step), accused(&at_once));
        }
        // Whoever is accused at the end of one is accused in the other, but for what a case has settled.
        for (document, _) in accused(&step_by_step) {
            prop_assert!(accused(&at_once).iter().any(|(other, _)| *other == document));
        }
    }

    #[test]
    fn nothing_is_recovered_twice_whatever_is_done(
        sales in told(),
        deeds in prop::collection::vec((0_usize..10, 0_usize..3, 0_usize..12), 0..40),
    ) {
        let order = heard(&sales);
        let mut one = Box1::default();
        let mut deeds = deeds.into_iter();
        for (now, what) in order {
            let (What::Sale(at) | What::Back(at)) = what;
            let told = &sales[at];
            let document = 100 + at as u64;
            match what {
                What::Sale(_) => one.sold(told.who, document, told.at, told.at + told.delay),
                What::Back(_) => one.returned(told.who, document, told.at + told.back_after.unwrap().0, now),
            };
            for (action, by, name) in deeds.by_ref().take(8) {
                do_something(&mut one, action, by, name, now);
            }
            one.screen(now);
            check(&one)?;
        }
    }
}

fn do_something(one: &mut Box1, action: usize, by: usize, name: usize, now: i64) {
    let Some(number) = one.dossier.cases.last().map(|case| case.number) else { return };
    let action = match ActionKind::ALL[action] {
        ActionKind::Push => Action::Push,
        ActionKind::Explain => Action::Explain,
        ActionKind::Appeal => Action::Appeal,
        ActionKind::BeginReview => Action::BeginReview,
        ActionKind::BeginSecondReview => Action::BeginSecondReview,
        ActionKind::Close => Action::Close { ending: Ending::ALL[name % 4], amount: None },
        ActionKind::MarkRefund => Action::MarkRefund { amount: Decimal::from(40) },
        ActionKind::AnnulEvent => Action::AnnulEvent { number: 1 },
        ActionKind::AcceptProposal => Action::AcceptProposal,
        ActionKind::RejectProposal => Action::RejectProposal,
    };
    let person = ["Li", "Wang", "Zhao"][name % 3];
    // Refusals are what the table says; here only what was done counts.
    if let Ok(next) =
        one.dossier.advanced(number, &deed(ActorKind::ALL[by], person, action, now), &CaseRules::default())
    {
        one.dossier = next;
    }
}

fn check(one: &Box1) -> Result<(), TestCaseError> {
    let cases = &one.dossier.cases;
    prop_assert!(cases.iter().filter(|case| !case.is_closed()).count() <= 1);
    let mut recovered: Vec<SaleName> = Vec::new();
    for case in cases {
        prop_assert_eq!(case.is_closed(), case.conclusion.is_some());
        prop_assert_eq!(case.is_closed(), case.due_on.is_none());
        prop_assert_eq!(case.steps.last().map(|step| step.state), Some(case.state));
        for name in case.conclusion.iter().flat_map(|conclusion| &conclusion.recovered_from) {
            prop_assert!(recovered.iter().all(|other| !other.is_same(name)), "{:?} twice", name);
            recovered.push(name.clone());
        }
    }
    Ok(())
}
