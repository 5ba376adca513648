//! Clocks of callers: case 43.

use super::*;

const ROWS: &[Row] = &[
    ("case 43: the event lies beyond the allowed skew in the future → refused", |w| {
        w.sale("P1", "D1", line(&[BOX]))
            .at("2026-03-10 09:05:01")
            .heard("2026-03-10 09:00:00")
            .gives("BLOCK", &["EVENT_TIME_IN_FUTURE"])
            .recorded(false);
        w.report("P1", "D2", vec![line(&[BOX]).self_paid()])
            .at("2026-03-10 09:05:01")
            .heard("2026-03-10 09:00:00")
            .gives("BLOCK", &["EVENT_TIME_IN_FUTURE"])
            .recorded(false);
    }),
    ("case 43: between 0 and the skew → set to now, and noted", |w| {
        w.sale("P1", "D1", line(&[BOX]))
            .at("2026-03-10 09:05:00")
            .heard("2026-03-10 09:00:00")
            .gives("ALLOW", &["EVENT_TIME_CLAMPED"])
            .recorded(true);
        w.sale("P2", "D2", line(&[BOX]))
            .at("2026-03-10 09:01:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_CLOSE LATER"]);
    }),
    ("case 43: returns as well", |w| {
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 08:00").allowed();
        w.takes_back("P1", "D1", line(&[BOX]))
            .at("2026-03-10 09:05:01")
            .heard("2026-03-10 09:00:00")
            .gives("BLOCK", &["EVENT_TIME_IN_FUTURE"])
            .recorded(false);
        w.takes_back("P1", "D1", line(&[BOX]))
            .at("2026-03-10 09:05:00")
            .heard("2026-03-10 09:00:00")
            .gives("ALLOW", &["EVENT_TIME_CLAMPED"])
            .recorded(true);
    }),
];

#[test]
fn times() {
    check(ROWS);
}
