//! The scenario about cases, small and from the command line: what it reports adds up.

use crate::past::{number, report};

#[test]
fn pages_summaries_and_exports_of_cases_are_measured() {
    let args = ["cases", "--small", "600", "--large", "3000", "--events-per-case", "3", "--repeats", "3"];
    let (json, table) = report(&[&args[..], &["--duplicates", "200", "--rounds", "1"]].concat());
    for (at, cases) in [(0, 600.0), (1, 3000.0)] {
        let figure = |name: &str| number(&json, &format!("/result/growth/{at}/{name}"));
        assert_eq!((figure("cases"), figure("events")), (cases, 3.0 * cases));
        // Two sales a case, in each of two forms.
        assert_eq!(figure("export_rows"), 4.0 * cases);
        assert_eq!((figure("pages/0/cases"), figure("pages/5/cases")), (cases, 0.0));
        for page in 0..11 {
            let found = figure(&format!("pages/{page}/cases"));
            assert!(found <= cases && figure(&format!("pages/{page}/median_ms")) > 0.0, "{json:#}");
        }
        for time in ["summary_ms", "compliance_ms", "history_ms", "complete_seconds", "fill_seconds"] {
            assert!(figure(time) > 0.0, "{time} in {json:#}");
        }
    }
    assert!(number(&json, "/result/duplicate/with_us/median") > 0.0);
    assert_eq!(json["goals"].as_array().map(Vec::len), Some(6));
    assert!(table.contains("class, drug, division, amount"), "{table}");
}
