//! Was it bought: cases 34 to 37 and 47.

use super::world::{dec, moment};
use super::*;
use crate::domain::document::Line;
use crate::domain::judge::Awaited;
use crate::domain::party::Division;
use crate::domain::purchase::PurchaseSource::{Filed, OpeningStock, Platform};
use crate::domain::verdict::{Evidence, Sentence};
use jiff::civil::date;

/// A box of A at a price per capsule; listed are 36 yuan for 36 capsules.
fn priced(scanned: &str, price: &str) -> Line {
    Line { unit_price: Some(dec(price)), ..line(&[scanned]) }
}

const ROWS: &[Row] = &[
    ("case 34: no platform order and no filed purchase → BLOCK in Hebei, naming both", |w| {
        w.nothing_bought();
        let told = w
            .sale("P1", "D1", line(&[BOX]))
            .at("2026-03-10 09:00")
            .gives("BLOCK", &["NOT_PURCHASED"])
            .recorded(false);
        let says = Sentence::of(&told.judgement.findings[0]).en;
        assert!(says.contains("platform") && says.contains("filed"), "{says}");
        w.sale("P1", "D2", line(&[BOX]).self_paid()).at("2026-03-10 09:00").allowed();
    }),
    ("case 34: by policy: a pharmacy of another province is not held to it", |w| {
        w.nothing_bought();
        w.institution("P4", |i| i.division = Division(320_102));
        w.sale("P4", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
    }),
    ("case 34: one of the two is enough, and opening stock too", |w| {
        w.nothing_bought();
        for (alias, source, code) in
            [("P1", Platform, BOX), ("P2", Filed, BOX_2), ("P3", OpeningStock, "83003850000000132008")]
        {
            w.buys(alias, source, "A", 36);
            w.sale(alias, "D1", line(&[code])).at("2026-03-10 09:00").allowed();
        }
    }),
    ("case 34: feed older than its lag → not known yet, not payable yet, with the age", |w| {
        w.nothing_bought();
        w.feed_ends("2026-03-08 08:00");
        let told = w
            .sale("P1", "D1", line(&[BOX]))
            .at("2026-03-10 09:00")
            .gives("REMIND", &["PURCHASE_NOT_KNOWN_YET"])
            .recorded(true)
            .claims(1);
        let age = Evidence::Feed { complete_up_to: Some(moment("2026-03-08 08:00")), age_seconds: 49 * 3600 };
        assert_eq!(*told.evidence("PURCHASE_NOT_KNOWN_YET"), age);
        let waiting = Awaited { line: 1, catalog_code: "A".to_owned() };
        assert_eq!(told.judgement.awaited, [waiting]);
    }),
    ("case 34: a lag that is allowed settles it against the institution", |w| {
        w.nothing_bought();
        w.feed_ends("2026-03-08 09:00");
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").gives("BLOCK", &["NOT_PURCHASED"]);
    }),
    ("case 34: a purchase that is found settles it, however old the feed", |w| {
        w.nothing_bought();
        w.feed_ends("2026-01-01 00:00");
        w.buys("P1", Platform, "A", 36);
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
    }),
    ("case 35: bought by the chain's head office → counts for its branches, for nobody else", |w| {
        w.nothing_bought();
        w.buys("P7", Platform, "A", 36);
        w.sale("P8", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.sale("P1", "D2", line(&[BOX_2])).at("2026-03-10 10:00").gives("BLOCK", &["NOT_PURCHASED"]);
    }),
    ("case 35: … and what branches sell is pooled too", |w| {
        w.nothing_bought();
        w.buys("P7", Platform, "A", 36);
        w.sale("P8", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.sale("P7", "D2", line(&[BOX_2])).at("2026-03-10 10:00").gives("REMIND", &["OVERSOLD"]);
    }),
    ("case 36: sold more than bought → REMIND with both quantities", |w| {
        w.nothing_bought();
        w.buys("P1", Platform, "A", 40);
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.sale("P1", "D2", line(&[BOX_2]))
            .at("2026-03-10 10:00")
            .gives("REMIND", &["OVERSOLD"])
            .numbers("OVERSOLD", 40, 72)
            .recorded(true);
    }),
    ("case 36: a return lowers what was sold", |w| {
        w.nothing_bought();
        w.buys("P1", Platform, "A", 36);
        w.sale("P1", "D1", line(&[BOX])).at("2026-03-10 09:00").allowed();
        w.takes_back("P1", "D1", line(&[BOX])).at("2026-03-10 10:00").allowed();
        w.sale("P1", "D2", line(&[BOX_2])).at("2026-03-10 11:00").allowed();
    }),
    ("case 37: price above the listed one at a self-purchasing private hospital → REMIND", |w| {
        w.nothing_bought();
        w.buys("H3", Filed, "A", 360);
        let told = w
            .sale("H3", "D1", priced(BOX, "1.01"))
            .at("2026-03-10 09:00")
            .gives("REMIND", &["PRICE_ABOVE_LISTED"]);
        let price = Evidence::Price { unit_price: dec("1.01"), listed: dec("1") };
        assert_eq!(*told.evidence("PRICE_ABOVE_LISTED"), price);
        w.sale("H3", "D2", priced(BOX_2, "1.00")).at("2026-03-10 10:00").allowed();
    }),
    ("case 37: … not where it bought over the platform, not at a public one, not self-paid", |w| {
        w.nothing_bought();
        for alias in ["H1", "H3"] {
            w.buys(alias, Filed, "A", 360);
        }
        w.sale("H1", "D1", priced(BOX, "1.01")).at("2026-03-10 09:00").allowed();
        w.sale("H3", "D1", priced(BOX_2, "1.01").self_paid()).at("2026-03-10 09:00").allowed();
        w.buys("H3", Platform, "A", 36);
        w.sale("H3", "D2", priced("83003850000000132008", "1.01")).at("2026-03-10 10:00").allowed();
    }),
    ("case 37: by policy", |w| {
        w.nothing_bought();
        w.rules(
            "[[rule]]\nreason = 'PRICE_ABOVE_LISTED'\ndivision_prefix = '13'\nkind = 'hospital'\n\
             ownership = 'private'\npayment = 'insured'\nenforcement = 'block'\n",
        );
        w.buys("H3", Filed, "A", 360);
        w.sale("H3", "D1", priced(BOX, "1.01"))
            .at("2026-03-10 09:00")
            .gives("BLOCK", &["PRICE_ABOVE_LISTED"]);
    }),
    ("case 47: before go-live purchase rules only observe, from that day on they hold", |w| {
        w.nothing_bought();
        w.institution("P6", |i| i.goes_live_on = Some(date(2026, 4, 1)));
        w.sale("P6", "D1", line(&[BOX]))
            .at("2026-03-31 23:59")
            .gives("ALLOW", &["PURCHASE_NOT_KNOWN_YET"])
            .recorded(true);
        w.sale("P6", "D2", line(&[BOX_2])).at("2026-04-01 00:00").gives("BLOCK", &["NOT_PURCHASED"]);
    }),
    ("case 47: before go-live what was oversold or too dear is observed too", |w| {
        w.nothing_bought();
        w.institution("P6", |i| i.goes_live_on = Some(date(2026, 4, 1)));
        w.buys("P6", OpeningStock, "A", 36);
        w.sale("P6", "D1", line(&[BOX])).at("2026-03-31 09:00").allowed();
        w.sale("P6", "D2", line(&[BOX_2])).at("2026-03-31 10:00").gives("ALLOW", &["OVERSOLD"]);
    }),
    ("case 47: sales of the time before are loaded as reports, and count", |w| {
        w.report("P1", "D1", vec![line(&[BOX])])
            .at("2025-10-01 09:00")
            .heard("2026-03-01 09:00")
            .allowed()
            .recorded(true);
        w.sale("P2", "D2", line(&[BOX]))
            .at("2026-03-10 09:00")
            .gives("BLOCK", &["DUPLICATE OTHER_INSTITUTION_LONG_GAP LATER"]);
    }),
];

#[test]
fn purchases() {
    check(ROWS);
}
