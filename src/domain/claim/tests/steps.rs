//! Random steps, and the truths that they make. A step is a handful of numbers; what it does depends on what
//! is there to be done, so that any list of steps makes a lawful truth and shrinks well.

use super::PROPOSAL_LIMIT_MINUTES;
use super::truth::{Back, Message, Sale, Truth};
use proptest::prelude::*;

/// Institutions in a truth.
pub(super) const INSTITUTIONS: u64 = 4;

/// One random step.
#[derive(Debug, Clone)]
pub(super) struct Step {
    act: Act,
    who: u64,
    pick: usize,
    units: i64,
    gap: i64,
    delays: [i64; 3],
    coins: [bool; 4],
}

#[derive(Debug, Clone, Copy)]
enum Act {
    SellWhole,
    SellPart,
    Hold,
    TakeBack,
    TakeBackPart,
    Void,
    Move,
    StrayReturn,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        5 => Just(Act::SellWhole),
        5 => Just(Act::SellPart),
        2 => Just(Act::Hold),
        5 => Just(Act::TakeBack),
        2 => Just(Act::TakeBackPart),
        1 => Just(Act::Void),
        1 => Just(Act::Move),
        1 => Just(Act::StrayReturn),
    ]
}

/// Up to `delay_max` minutes between an event and its arrival; often none.
fn step(delay_max: i64) -> impl Strategy<Value = Step> {
    let delay = || prop_oneof![1 => Just(0), 2 => 0..=delay_max];
    let gap = prop_oneof![4 => 3_i64..600, 1 => 600_i64..15_000];
    let numbers = (0..INSTITUTIONS, any::<usize>(), 1_i64..=40, gap);
    (act(), numbers, [delay(), delay(), delay()], any::<[bool; 4]>()).prop_map(
        |(act, (who, pick, units, gap), delays, coins)| Step { act, who, pick, units, gap, delays, coins },
    )
}

/// Truths whose messages all arrive within the limit up to which event times are believed.
pub(super) fn timely() -> impl Strategy<Value = Truth> {
    truths(PROPOSAL_LIMIT_MINUTES)
}

/// Truths whose messages may arrive a month late.
pub(super) fn late() -> impl Strategy<Value = Truth> {
    truths(10 * PROPOSAL_LIMIT_MINUTES)
}

fn truths(delay_max: i64) -> impl Strategy<Value = Truth> {
    prop::collection::vec(step(delay_max), 1..14).prop_map(|steps| {
        let mut truth = Truth::default();
        let mut minute = 0;
        for step in steps {
            minute += step.gap;
            take(&mut truth, &step, minute);
        }
        truth
    })
}

fn take(truth: &mut Truth, step: &Step, minute: i64) {
    let who = step.who;
    match step.act {
        Act::SellWhole => sell(truth, step, minute, None, false),
        Act::SellPart => sell(truth, step, minute, Some(step.units), false),
        Act::Hold => sell(truth, step, minute, Some(step.units).filter(|_| step.coins[0]), true),
        Act::TakeBack => take_back(truth, step, minute, None),
        Act::TakeBackPart => take_back(truth, step, minute, Some(step.units)),
        Act::Void => {
            if let Some(sale) = pick(truth, step, |sale| sale.backs.is_empty()) {
                sale.voided = true;
            }
        }
        Act::Move => {
            let to = (who + 1 + step.pick as u64 % (INSTITUTIONS - 1)) % INSTITUTIONS;
            truth.moves.push((who, to, minute, step.delays[0]));
        }
        Act::StrayReturn => {
            if !truth.sales.iter().any(|s| s.who == who && s.is_open_at(minute, true)) {
                let document = step.pick as u64 % (truth.sales.len() as u64 + 1);
                truth.strays.push((who, minute, step.delays[0], document));
            }
        }
    }
}

/// The sale that a step means, among those that fit.
fn pick<'t>(truth: &'t mut Truth, step: &Step, fits: impl Fn(&Sale) -> bool) -> Option<&'t mut Sale> {
    let fitting: Vec<usize> = (0..truth.sales.len()).filter(|&at| fits(&truth.sales[at])).collect();
    let at = *fitting.get(step.pick % fitting.len().max(1))?;
    truth.sales.get_mut(at)
}

/// A sale, told by one to three messages minutes apart. Either all name the document (and some the visit, which
/// may be that of the sale before), or all name the visit and some the document.
fn sell(truth: &mut Truth, step: &Step, minute: i64, draw: Option<i64>, hold: bool) {
    let document = truth.sales.len() as u64;
    let [by_document, shares_visit, more, most] = step.coins;
    let visit_before = truth.sales.last().filter(|s| s.who == step.who && s.has_documents()).map(|s| s.visit);
    let visit = visit_before.filter(|_| by_document && shares_visit).unwrap_or(1_000 + document);
    let count = 1 + i64::from(more) + i64::from(more && most);
    let messages = (0..count).zip(step.delays).map(|(n, delay)| {
        let both = (step.pick as i64 >> n) & 1 == 1;
        Message {
            at: minute + n,
            delay,
            names_document: by_document || both,
            names_visit: !by_document || both,
            hold: hold && n == 0,
            knows_units: draw.is_none() || by_document || both || (step.pick as i64 >> (n + 8)) & 1 == 1,
        }
    });
    truth.sales.push(Sale {
        who: step.who,
        document,
        visit,
        draw,
        voided: false,
        expired: step.units % 2 == 0,
        messages: messages.collect(),
        backs: Vec::new(),
    });
}

/// A return names the sale's paper; none where the institution has nothing else open.
fn take_back(truth: &mut Truth, step: &Step, minute: i64, units: Option<i64>) {
    let open_of = |who| truth.sales.iter().filter(|s| s.who == who && s.is_open_at(minute, true)).count();
    let open: Vec<usize> = (0..INSTITUTIONS).map(open_of).collect();
    let fits = |sale: &Sale| {
        let tells_units = sale.draw.is_some() && sale.messages.iter().any(|m| m.knows_units && !m.hold);
        sale.is_open_at(minute, false) && (units.is_none() || tells_units)
    };
    let Some(sale) = pick(truth, step, fits) else {
        return;
    };
    let alone = open[sale.who as usize] == 1;
    let (by_document, by_visit) = (sale.has_documents(), sale.has_visits());
    let names_paper = !alone || step.coins[0];
    sale.backs.push(Back {
        at: minute,
        delay: step.delays[0],
        units,
        names_document: names_paper && by_document,
        names_visit: names_paper && by_visit && (step.coins[1] || !by_document),
    });
}

impl Sale {
    /// Every message names the document.
    fn has_documents(&self) -> bool {
        self.messages.iter().all(|m| m.names_document)
    }

    fn has_visits(&self) -> bool {
        self.messages.iter().any(|m| m.names_visit && !m.hold)
    }
}
