//! Working days over weekends, holidays and weekends that are worked.

use super::super::Calendar;
use crate::policy_files::built_in;

#[test]
fn working_days_skip_weekends_and_holidays() {
    let national = built_in().settings().cases.calendar.clone();
    let check = |from: &str, days: u32, expected: &str| {
        let found = national.after(from.parse().unwrap(), days);
        assert_eq!(found.to_string(), expected, "{days} working days after {from}");
    };
    check("2026-06-01", 0, "2026-06-01");
    check("2026-06-01", 1, "2026-06-02");
    check("2026-06-05", 1, "2026-06-08");
    // Dragon Boat Festival, Friday to Sunday.
    check("2026-06-18", 1, "2026-06-22");
    // National Day; the Saturday after it is worked.
    check("2026-09-30", 1, "2026-10-08");
    check("2026-09-30", 3, "2026-10-10");
    check("2026-02-13", 1, "2026-02-14");
    check("2026-02-14", 1, "2026-02-24");
}

#[test]
fn days_are_read_one_by_one_or_as_runs() {
    let check = |text: &str, expected: Option<usize>| {
        assert_eq!(Calendar::days(text).ok().map(|days| days.len()), expected, "{text}");
    };
    check("2026-10-01", Some(1));
    check("2026-10-01..2026-10-07", Some(7));
    check("2026-10-07..2026-10-01", None);
    check("2026-10-01..2027-10-01", None);
    check("2026-13-01", None);
    check("", None);
}
