//! Rules about codes that are due, and about who asks: cases 33, 38, 39 and 46.

use super::*;
use crate::domain::verdict::Evidence;
use jiff::civil::date;

const ROWS: &[Row] = &[
    ("case 33: code due but missing → a pharmacy is blocked, a hospital reminded", |w| {
        w.sale("P1", "D1", line(&[])).at("2026-03-10 09:00").gives("BLOCK", &["NO_CODE"]).recorded(false);
        w.sale("H1", "D1", line(&[])).at("2026-03-10 09:00").gives("REMIND", &["NO_CODE"]).recorded(true);
    }),
    ("case 33: exempt class → ALLOW with the exemption named", |w| {
        for (drug, exemption) in [("T", "TCM pieces"), ("I", "loose injections")] {
            let told = w
                .sale("H1", drug, line(&[]).of(drug, 1))
                .at("2026-03-10 09:00")
                .gives("ALLOW", &["NO_CODE_EXEMPT"]);
            let Evidence::Exemption { sentence_en, .. } = told.evidence("NO_CODE_EXEMPT") else {
                panic!("{drug}: the exemption is not named");
            };
            assert!(sentence_en.contains(exemption), "{drug}: {sentence_en}");
        }
        w.sale("P1", "D1", line(&[]).of("I", 1)).at("2026-03-10 09:00").gives("BLOCK", &["NO_CODE"]);
    }),
    ("case 33: self-paid → no fund matter, still indexed", |w| {
        w.sale("P1", "D1", line(&[]).self_paid()).at("2026-03-10 09:00").allowed();
        w.sale("P1", "D2", line(&[BOX]).self_paid()).at("2026-03-10 09:00").allowed().claims(1);
    }),
    ("case 33: stock on the no-code list, while the date allows", |w| {
        w.no_code_list("A", "", None);
        w.no_code_list("B", "1301", Some(date(2026, 3, 10)));
        w.sale("P1", "D1", line(&[])).at("2025-12-31 23:59").gives("ALLOW", &["NO_CODE_LISTED"]);
        w.sale("P1", "D2", line(&[])).at("2026-01-01 00:00").gives("BLOCK", &["NO_CODE"]);
        w.sale("P1", "D3", line(&[]).of("B", 12)).at("2026-03-10 23:59").gives("ALLOW", &["NO_CODE_LISTED"]);
        w.sale("P1", "D4", line(&[]).of("B", 12)).at("2026-03-11 00:00").gives("BLOCK", &["NO_CODE"]);
    }),
    ("case 38: the day on which the transition ends belongs to the new regime", |w| {
        w.nothing_bought();
        w.institution("P4", |i| i.transition_ends_on = Some(date(2026, 3, 10)));
        w.sale("P4", "D1", line(&[BOX])).at("2026-03-09 23:59").allowed();
        w.sale("P4", "D2", line(&[BOX_2])).at("2026-03-10 00:00").gives("BLOCK", &["NOT_PURCHASED"]);
    }),
    ("case 38: the day on which coaching ends belongs to the new regime", |w| {
        w.rules(
            "[[rule]]\nreason = 'NO_CODE'\ndivision_prefix = '13'\nkind = 'pharmacy'\ncoaching = 'running'\n\
             payment = 'insured'\nenforcement = 'remind'\n",
        );
        w.institution("P4", |i| i.agreement_signed_on = Some(date(2025, 9, 10)));
        w.sale("P4", "D1", line(&[])).at("2026-03-09 23:59").gives("REMIND", &["NO_CODE"]);
        w.sale("P4", "D2", line(&[])).at("2026-03-10 00:00").gives("BLOCK", &["NO_CODE"]);
    }),
    ("case 38: the first day of a rule belongs to the rule, in Asia/Shanghai", |w| {
        w.nothing_bought();
        w.sale("P1", "D1", line(&[BOX])).at("2025-09-04 23:59").allowed();
        w.sale("P1", "D2", line(&[BOX_2])).at("2025-09-05 00:00").gives("BLOCK", &["NOT_PURCHASED"]);
    }),
    ("case 38: a rule is chosen by the day of the event, not of the message", |w| {
        w.nothing_bought();
        w.report("P1", "D1", vec![line(&[BOX])]).at("2025-09-04 23:59").heard("2025-09-06 09:00").allowed();
    }),
    ("case 39: a suspended or unknown institution is refused before anything is claimed", |w| {
        for (alias, reason) in [("P5", "INSTITUTION_SUSPENDED"), ("P9", "INSTITUTION_UNKNOWN")] {
            w.sale(alias, "D1", line(&[BOX]))
                .at("2026-03-10 09:00")
                .gives("BLOCK", &[reason])
                .recorded(false);
            w.sale(alias, "D2", line(&[BOX]).self_paid()).at("2026-03-10 09:00").gives("BLOCK", &[reason]);
            w.hold(alias, "D3", line(&[BOX])).at("2026-03-10 09:00").gives("BLOCK", &[reason]);
        }
        w.sale("P1", "D4", line(&[BOX])).at("2026-03-10 10:00").allowed();
    }),
    ("case 39: a report of what already happened is recorded with that finding", |w| {
        for (alias, reason, code) in
            [("P5", "INSTITUTION_SUSPENDED", BOX), ("P9", "INSTITUTION_UNKNOWN", BOX_2)]
        {
            w.report(alias, "D1", vec![line(&[code])])
                .at("2026-03-10 09:00")
                .gives("BLOCK", &[reason])
                .recorded(true)
                .claims(1);
        }
        w.sale("P1", "D4", line(&[BOX]))
            .at("2026-03-10 10:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
    }),
    ("case 46: hospital, split line, must-split drug, no code → ALLOW, exemption named", |w| {
        let told = w
            .sale("H1", "D1", split(5, &[]).of("M", 5))
            .at("2026-03-10 09:00")
            .gives("ALLOW", &["NO_CODE_EXEMPT"])
            .recorded(true);
        let Evidence::Exemption { sentence_en, .. } = told.evidence("NO_CODE_EXEMPT") else {
            panic!("the exemption is not named");
        };
        assert!(sentence_en.contains("must be split"), "{sentence_en}");
    }),
    ("case 46: … not in a pharmacy, not for a whole pack", |w| {
        w.sale("P1", "D1", split(5, &[]).of("M", 5)).at("2026-03-10 09:00").gives("BLOCK", &["NO_CODE"]);
        w.sale("H1", "D1", line(&[]).of("M", 100)).at("2026-03-10 09:00").gives("REMIND", &["NO_CODE"]);
    }),
];

#[test]
fn policy() {
    check(ROWS);
}
