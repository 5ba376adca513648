//! To whom a message says that boxes went.

use super::*;
use crate::domain::person::Person;

fn person(certificate_no: Option<&str>, insured_no: Option<&str>) -> Person {
    Person { certificate_no: certificate_no.map(str::to_owned), insured_no: insured_no.map(str::to_owned) }
}

#[test]
fn the_numbers_of_a_person_are_read_and_a_wrong_one_is_none() {
    let check = |more: &str, expected: Person| {
        let document = sales("3505", &format!(r#"{{"selinfoDetail": [{}]}}"#, row("1", more))).remove(0);
        assert_eq!(document.person, expected, "{more}");
        assert_eq!(document.lines.len(), 1, "the sale is read anyhow: {more}");
    };
    let drug = format!(r#", "drugtracinfo": [{{"drug_trac_codg": "{CODE}"}}]"#);
    let with = |more: &str| format!("{drug}{more}");
    check(&with(""), person(None, None));
    check(
        &with(r#", "certno": "33010119900307881X", "psn_no": "330100001""#),
        person(Some("33010119900307881X"), Some("330100001")),
    );
    check(&with(r#", "certno": "", "psn_no": null"#), person(None, None));
    check(&with(r#", "certno": {"a": 1}, "psn_no": "1""#), person(None, Some("1")));
    check(&with(&format!(r#", "certno": "{}""#, "7".repeat(65))), person(None, None));
    // A settlement says it beside its visit; a name goes nowhere.
    let settled = format!(
        r#"{{"data": {{"mdtrt_id": "MV1", "psn_no": "330100001", "psn_name": "某某"}}, "drug_trac_info": ["{CODE}"]}}"#
    );
    assert_eq!(sales("2207", &settled)[0].person, person(None, Some("330100001")));
    let last = row("1", &with(r#", "certno": "330101", "psn_name": "某某""#));
    let message = read("3505", &format!(r#"{{"selinfoDetail": [{last}]}}"#));
    let shown = format!("{message:?}");
    assert!(!shown.contains("330101") && !shown.contains("某某"), "{shown}");
}
