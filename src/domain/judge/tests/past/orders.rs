//! Lawful lives of a box, imported in any order: nobody is accused, and nothing is recorded twice.

use super::list::{FIND, NOW, sold};
use super::*;
use jiff::SignedDuration;
use proptest::prelude::*;

/// A lawful life of a box: every sale but the last came back before the next.
fn life() -> impl Strategy<Value = Vec<PastEvent>> {
    prop::collection::vec((1_u32..=3, 0_i64..3, 0_i64..3), 1..7).prop_map(|steps| {
        let mut at = moment("2026-02-01 09:00");
        let mut later = |minutes: i64| {
            at = at.checked_add(SignedDuration::from_mins(minutes)).unwrap();
            at
        };
        let mut events = Vec::new();
        let last = steps.len() - 1;
        for (n, (who, until_back, until_next)) in steps.into_iter().enumerate() {
            let mut sale = sold(&format!("P{who}"), &format!("D{n}"), "2026-02-01 09:00", BOX);
            // A resale in the very moment of the return is told by the order of the rows alone.
            sale.occurred_at = later(until_next + 1);
            events.push(sale.clone());
            if n != last {
                events.push(PastEvent { came_back: true, occurred_at: later(until_back), ..sale });
            }
        }
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Returns first, sales in any order, in batches of any size, then everything again in another order.
    #[test]
    fn a_lawful_life_accuses_nobody_in_any_order(
        events in life(), order in prop::collection::vec(any::<u16>(), 16), size in 1_usize..5,
    ) {
        let mut world = World::new("a lawful life");
        let (mut returns, mut sales): (Vec<_>, Vec<_>) = events.into_iter().partition(|e| e.came_back);
        let shuffled = |list: &mut Vec<PastEvent>, by: usize| {
            let mut keyed: Vec<_> = list.drain(..).enumerate().map(|(n, e)| (order[(n + by) % 16], e)).collect();
            keyed.sort_by_key(|(key, _)| *key);
            list.extend(keyed.into_iter().map(|(_, e)| e));
        };
        shuffled(&mut returns, 0);
        shuffled(&mut sales, 3);
        for batch in returns.chunks(size).chain(sales.chunks(size)) {
            for told in world.imports(FIND, batch) {
                prop_assert_eq!(told, "added");
            }
        }
        prop_assert_eq!(world.conflicts(BOX, NOW), vec![]);
        prop_assert_eq!(world.open_sales(BOX, NOW), 1);
        shuffled(&mut sales, 7);
        for batch in sales.chunks(size).chain(returns.chunks(size)) {
            for told in world.imports(FIND, batch) {
                prop_assert_eq!(told, "known");
            }
        }
    }
}
