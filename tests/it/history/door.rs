//! `ImportSales`: what it records is a sale at the counter, what it answers comes in order, what it refuses is one
//! row.

use super::{back, batch, counts, import, import_as, sold};
use crate::support::world::{DRUG, HOSPITAL, OTHER_PHARMACY, PHARMACY, World, at, code, dispense, document};
use tonic::Request;
use tonic::metadata::MetadataValue;
use tracegate::grpc::pb;

#[tokio::test]
async fn an_imported_sale_is_a_duplicate_at_the_counter_with_its_class_and_times() {
    let mut world = World::start().await;
    let rows = vec![
        sold(PHARMACY, "D1", "2026-03-08T09:00:00+08:00", 1),
        sold(PHARMACY, "D2", "2025-11-08T09:00:00+08:00", 2),
        sold(PHARMACY, "D3", "2026-03-09T09:00:00+08:00", 3),
    ];
    let (answers, end) = import(&world.channel, vec![batch(7, rows.clone())]).await;
    assert!(end.is_none(), "{end:?}");
    assert_eq!((answers[0].batch_no, counts(&answers)), (7, [3, 0, 0, 0, 0]));
    let expected = [
        (OTHER_PHARMACY, 1, pb::DuplicateClass::OtherInstitutionClose),
        (HOSPITAL, 2, pb::DuplicateClass::OtherInstitutionLongGap),
        (PHARMACY, 3, pb::DuplicateClass::SameInstitution),
    ];
    for (institution, n, class) in expected {
        let told = world.dispense(dispense(institution, &format!("r{n}"), &[code(n)])).await;
        let found: Vec<_> = told.findings.iter().filter(|f| f.reason() == pb::Reason::Duplicate).collect();
        assert_eq!((found.len(), found[0].class(), found[0].role()), (1, class, pb::Role::Later), "{n}");
        let other = found[0].other_sale.as_ref().expect("the other sale");
        let then = rows[usize::try_from(n).expect("small") - 1].occurred_at;
        assert_eq!((other.occurred_at, other.received_at), (then, then), "{n}: heard of when it happened");
        assert!(!other.proposed);
    }
    let again = world.dispense(pb::DispenseRequest {
        request_id: "same".into(),
        document: Some(document(PHARMACY, "D1", &[code(1)])),
        ..Default::default()
    });
    assert_eq!(again.await.verdict(), pb::Verdict::Allow, "its own sale, reported by the counter again");
    let (answers, _) = import(&world.channel, vec![batch(1, rows)]).await;
    assert_eq!(counts(&answers), [0, 3, 0, 0, 0], "a second import adds nothing");
    world.stop().await;
}

#[tokio::test]
async fn findings_are_exactly_the_planted_duplicates() {
    let world = World::start().await;
    let day = |day: u32| format!("2026-02-{day:02}T09:00:00+08:00");
    let draw = |document_no: &str, on: u32, units: &str, n: u64| pb::PastSale {
        split: true,
        quantity: units.into(),
        ..sold(HOSPITAL, document_no, &day(on), n)
    };
    let rows = vec![
        // Sale, return, sale; one sale over two channels; a split within the pack.
        sold(PHARMACY, "D1", &day(1), 1),
        back(PHARMACY, "D1", &day(2), 1),
        sold(OTHER_PHARMACY, "D2", &day(3), 1),
        sold(PHARMACY, "D3", &day(1), 2),
        sold(PHARMACY, "D3", &day(4), 2),
        draw("D4", 1, "0.5", 3),
        draw("D5", 2, "0.5", 3),
        // Planted.
        sold(PHARMACY, "D6", &day(1), 4),
        sold(OTHER_PHARMACY, "D7", &day(3), 4),
        draw("D8", 3, "0.1", 3),
    ];
    let (answers, end) = import(&world.channel, vec![batch(1, rows)]).await;
    assert!(end.is_none(), "{end:?}");
    assert_eq!(counts(&answers), [9, 1, 0, 0, 2]);
    let found: Vec<_> = answers[0].rows.iter().map(|r| (r.index, r.findings[0].clone())).collect();
    let shown: Vec<_> = found.iter().map(|(index, f)| (*index, f.reason(), f.class(), f.role())).collect();
    use pb::DuplicateClass::{OtherInstitutionClose, SplitOverdraw};
    let expected = [
        (8, pb::Reason::Duplicate, OtherInstitutionClose, pb::Role::Later),
        (9, pb::Reason::Duplicate, SplitOverdraw, pb::Role::Later),
    ];
    assert_eq!(shown, expected);
    let other = found[0].1.other_sale.as_ref().expect("the other sale");
    assert_eq!((other.institution_code.as_str(), other.same_institution), (PHARMACY, false));
    world.stop().await;
}

#[tokio::test]
async fn a_bad_row_is_one_row_and_names_what_is_wrong() {
    let world = World::start().await;
    let good = |n: u64| sold(PHARMACY, "D1", "2026-02-01T09:00:00+08:00", n);
    let rows = vec![
        good(1),
        pb::PastSale { institution_code: "X1".into(), ..good(2) },
        pb::PastSale { occurred_at: None, ..good(3) },
        pb::PastSale { code: "6901234567892".into(), ..good(4) },
        pb::PastSale { document_no: "D".repeat(129), ..good(5) },
        pb::PastSale { quantity: "a box".into(), ..good(6) },
        pb::PastSale { document_no: " ".into(), ..good(7) },
        sold(PHARMACY, "D1", "2026-03-10T10:00:00+08:00", 8),
        good(9),
    ];
    let (answers, _) = import(&world.channel, vec![batch(1, rows)]).await;
    assert_eq!(counts(&answers), [2, 0, 0, 7, 0]);
    let words = [
        "institution_code",
        "occurred_at",
        "PRODUCT_BARCODE",
        "129 bytes",
        "exact decimal",
        "document_no",
        "FUTURE",
    ];
    for (row, (index, word)) in answers[0].rows.iter().zip((1..).zip(words)) {
        assert_eq!(row.index, index);
        assert!(row.refusal.contains(word), "{word}: {}", row.refusal);
    }
    assert_eq!(answers[0].rows[2].refusal_reason(), pb::Reason::ProductBarcode);
    world.stop().await;
}

#[tokio::test]
async fn batches_that_overlap_are_answered_in_order_and_recorded_once() {
    let world = World::start().await;
    // Every batch names the boxes of the others, under its own documents: the first of each box is lawful.
    let rows =
        |n: u64| (0..50).map(|m| sold(PHARMACY, &format!("D{n}"), "2026-02-01T09:00:00+08:00", m)).collect();
    let (answers, end) = import(&world.channel, (1..=30).map(|n| batch(n, rows(n))).collect()).await;
    assert!(end.is_none(), "{end:?}");
    assert_eq!(answers.iter().map(|a| a.batch_no).collect::<Vec<_>>(), (1..=30).collect::<Vec<_>>());
    assert_eq!(counts(&answers), [1_500, 0, 0, 0, 29 * 50]);
    let (again, _) = import(&world.channel, (1..=30).map(|n| batch(n, rows(n))).collect()).await;
    assert_eq!(counts(&again), [0, 1_500, 0, 0, 29 * 50], "found then, told again");
    world.stop().await;
}

#[tokio::test]
async fn a_batch_over_the_limit_ends_the_stream_and_says_so() {
    let world = World::start_with(|config| config.limits.rows_per_import_batch_max = 2).await;
    let rows = |n: u64| {
        (0..n).map(|m| sold(PHARMACY, "D1", "2026-02-01T09:00:00+08:00", 100 * n + m)).collect::<Vec<_>>()
    };
    let (answers, end) =
        import(&world.channel, vec![batch(1, rows(2)), batch(2, rows(3)), batch(3, rows(1))]).await;
    assert_eq!(counts(&answers), [2, 0, 0, 0, 0], "what came before stands");
    let end = end.expect("an error");
    assert_eq!(end.code(), tonic::Code::InvalidArgument);
    assert!(end.message().contains("rows_per_import_batch_max"), "{end}");
    world.stop().await;
}

#[tokio::test]
async fn only_operator_and_bureau_import_and_a_bureau_its_own_divisions() {
    let world = World::start().await;
    let rows = vec![
        sold(PHARMACY, "D1", "2026-02-01T09:00:00+08:00", 1),
        sold("P13010200001", "D1", "2026-02-01T09:00:00+08:00", 2),
    ];
    let as_caller = async |caller: &str| {
        let mut request = Request::new(tokio_stream::iter(vec![batch(1, rows.clone())]));
        request.metadata_mut().insert("tracegate-caller", MetadataValue::try_from(caller).expect("ASCII"));
        import_as(&world.channel, request).await
    };
    for caller in [format!("institution {PHARMACY}"), "chain CHAIN-A".to_owned()] {
        let (answers, end) = as_caller(&caller).await;
        assert_eq!(
            (answers.len(), end.expect("refused").code()),
            (0, tonic::Code::PermissionDenied),
            "{caller}"
        );
    }
    let (answers, _) = as_caller("bureau 12").await;
    // The other division is not this bureau's: its row is refused, the rest stands.
    assert_eq!(counts(&answers), [1, 0, 0, 1, 0]);
    assert!(answers[0].rows[0].refusal.contains("bureau 12"), "{:?}", answers[0].rows[0]);
    let (answers, _) = as_caller("operator").await;
    assert_eq!(counts(&answers)[..2], [1, 1]);
    world.stop().await;
}

#[tokio::test]
async fn sold_units_count_only_where_asked_for_and_only_once() {
    let mut world = World::start().await;
    let rows: Vec<_> = (0..5).map(|n| sold(PHARMACY, "D1", "2026-02-01T09:00:00+08:00", n)).collect();
    let more: Vec<_> = (5..8).map(|n| sold(PHARMACY, "D1", "2026-02-01T09:00:00+08:00", n)).collect();
    let counting =
        |rows: &[pb::PastSale]| pb::ImportSalesRequest { count_sold: true, ..batch(1, rows.to_vec()) };
    let steps = [
        (batch(1, rows.clone()), "0"),
        (counting(&rows), "0"),
        (counting(&more), "3"),
        (counting(&more), "3"),
    ];
    for (step, sold_quantity) in steps {
        let (_, end) = import(&world.channel, vec![step]).await;
        assert!(end.is_none(), "{end:?}");
        let asked = pb::GetPurchaseRequest { institution_code: PHARMACY.into(), catalog_code: DRUG.into() };
        let found = world.purchases.get_purchase(asked).await.expect("an answer").into_inner();
        assert_eq!(found.sold_quantity, sold_quantity);
    }
    let returned = vec![back(PHARMACY, "D1", "2026-02-02T09:00:00+08:00", 6)];
    import(&world.channel, vec![counting(&returned), counting(&returned)]).await;
    // Sales of the first step were not counted: what comes back of them takes the balance to zero, not below.
    let uncounted: Vec<_> = (0..5).map(|n| back(PHARMACY, "D1", "2026-02-02T09:00:00+08:00", n)).collect();
    import(&world.channel, vec![counting(&uncounted)]).await;
    let asked = pb::GetPurchaseRequest { institution_code: PHARMACY.into(), catalog_code: DRUG.into() };
    let found = world.purchases.get_purchase(asked).await.expect("an answer").into_inner();
    assert_eq!(found.sold_quantity, "0");
    world.stop().await;
}

#[tokio::test]
async fn an_import_survives_a_restart_and_names_its_ledger() {
    let world = World::start().await;
    let rows: Vec<_> = (0..100).map(|n| sold(PHARMACY, "D1", "2026-02-01T09:00:00+08:00", n)).collect();
    let (first, _) = import(&world.channel, vec![batch(1, rows.clone())]).await;
    let dir = world.stop().await;
    let world = World::open(dir, |_| {}).await;
    world.clock.set(at(10, 0));
    let (again, _) = import(&world.channel, vec![batch(1, rows)]).await;
    assert_eq!(counts(&again), [0, 100, 0, 0, 0]);
    assert_eq!((first[0].ledger_name.len(), &first[0].ledger_name), (16, &again[0].ledger_name));
    let other = World::start().await;
    let (elsewhere, _) = import(&other.channel, vec![batch(1, Vec::new())]).await;
    assert_ne!(elsewhere[0].ledger_name, again[0].ledger_name);
    other.stop().await;
    world.stop().await;
}
