//! Case 41: the ledger does not answer.

use super::world::moment;
use super::*;
use crate::domain::judge::{Judgement, corrections, may_be_given};
use crate::domain::policy::{Policy, Rule};
use crate::domain::purchase::PurchaseSource::Platform;
use crate::domain::verdict::{Enforcement, Reason, Verdict};

/// What the rule for `PROVISIONAL` does from now on.
fn lets(world: &mut World, enforcement: Enforcement) {
    let changed = |rule: &Rule| {
        let is_it = rule.reason == Reason::Provisional;
        Rule { enforcement: if is_it { enforcement } else { rule.enforcement }, ..rule.clone() }
    };
    let rules = world.policy.rules().iter().map(changed).collect();
    world.policy = Policy::new(rules, Vec::new(), world.policy.settings().clone());
}

fn reasons(judgement: &Judgement) -> (&'static str, Vec<&'static str>) {
    (judgement.verdict.name(), judgement.findings.iter().map(|finding| finding.reason.name()).collect())
}

const ROWS: &[Row] = &[
    ("case 41: by policy: refused, or let through with a mark; never without one", |w| {
        let rows = [
            (Enforcement::Off, "ALLOW", &[][..], false),
            (Enforcement::Observe, "ALLOW", &["PROVISIONAL"], true),
            (Enforcement::Remind, "REMIND", &["PROVISIONAL"], true),
            (Enforcement::Block, "BLOCK", &["PROVISIONAL"], false),
        ];
        for (enforcement, verdict, named, given) in rows {
            lets(w, enforcement);
            let told = w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").unasked().weighed();
            assert_eq!(reasons(&told), (verdict, named.to_vec()));
            assert_eq!(may_be_given(&told), given, "{enforcement}");
        }
    }),
    ("case 41: nobody is refused for what only the ledger knows, but for what needs no ledger", |w| {
        lets(w, Enforcement::Remind);
        w.sale("P2", "D0", line(&[BOX])).at("2026-03-10 08:00").allowed();
        let told = w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").unasked().weighed();
        assert_eq!(reasons(&told), ("BLOCK", vec!["DUPLICATE", "PROVISIONAL"]));
        assert!(!may_be_given(&told));
        let told = w.sale("P1", "D2", line(&["6901234567892"])).at("2026-03-10 09:00").unasked().weighed();
        assert_eq!(told.verdict, Verdict::Block);
        assert!(may_be_given(&told) && !told.recorded, "{told:?}");
        w.hold("P2", "D3", line(&[BOX_2])).at("2026-03-10 09:00").allowed();
        let told = w.sale("P1", "D4", line(&[BOX_2])).at("2026-03-10 09:01").unasked().weighed();
        assert_eq!(told.verdict, Verdict::Pending);
        assert!(!may_be_given(&told));
    }),
    ("case 41: purchases are not known yet, whatever the feed says", |w| {
        lets(w, Enforcement::Remind);
        w.nothing_bought();
        let told = w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").unasked().weighed();
        assert_eq!(reasons(&told), ("REMIND", vec!["PURCHASE_NOT_KNOWN_YET", "PROVISIONAL"]));
        assert!(may_be_given(&told) && told.recorded);
    }),
    ("case 41: a sale that comes late has time", |w| {
        lets(w, Enforcement::Remind);
        let late = w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").heard("2026-03-10 12:00");
        let told = late.unasked().weighed();
        assert!(told.after_the_fact && !may_be_given(&told));
    }),
    ("case 41: what was given is recorded, and what was not known becomes a correction of its line", |w| {
        lets(w, Enforcement::Remind);
        w.nothing_bought();
        let document = || vec![line(&[BOX]), line(&[BOX_2]).number(2)];
        let before = w.document("P1", "D1", document()).at("2026-03-10 09:00").unasked().weighed();
        for alias in ["P1", "P2"] {
            w.buys(alias, Platform, "A", 36);
        }
        w.sale("P2", "D2", line(&[BOX])).at("2026-03-10 08:59").allowed();
        let found = w.document("P1", "D1", document()).at("2026-03-10 09:00").given().weighed();
        assert!(found.recorded && found.claims.len() == 2 && !found.after_the_fact, "{found:?}");
        let told = corrections(&before.findings, &found.findings, &[1, 2], moment("2026-03-10 09:30"));
        let told: Vec<_> = told.iter().map(|c| (c.line, c.was, c.now)).collect();
        let expected = [
            (1, Reason::PurchaseNotKnownYet, None),
            (1, Reason::Provisional, Some(Reason::Duplicate)),
            (2, Reason::PurchaseNotKnownYet, Some(Reason::Oversold)),
            (2, Reason::Provisional, None),
        ];
        assert_eq!(told, expected);
    }),
];

#[test]
fn provisional() {
    check(ROWS);
}
