//! Purchases that arrive later, policies that cannot be loaded, go-live: cases 34, 40 and 47.

use super::gateway::{BOX, BOX_2, Gateway, document, moment, record, words};
use tracegate::domain::access::Principal;
use tracegate::domain::outcome::Correction;
use tracegate::domain::party::Caller;
use tracegate::domain::purchase::PurchaseSource;
use tracegate::domain::verdict::Reason;
use tracegate::engine::{OutcomeReply, Said};
use tracegate::policy_files;

async fn corrections(g: &Gateway, request_id: &str) -> Vec<Correction> {
    match g.outcome("P1", request_id).await {
        OutcomeReply::Decided(reply) => reply.corrections,
        other => panic!("{other:?}"),
    }
}

fn correction(at: &str, was: Reason, now: Option<Reason>) -> Correction {
    Correction { corrected_at: moment(at), line: 1, was, now }
}

#[tokio::test]
async fn case_34_not_known_yet_is_judged_again_when_the_purchase_arrives() {
    let g = Gateway::without_purchases().await;
    g.feed_ends("2026-03-01 00:00").await;
    assert_eq!(g.sells("R1", document("P1", "D1", &[BOX])).await, "REMIND PURCHASE_NOT_KNOWN_YET");
    assert_eq!(corrections(&g, "R1").await, []);
    g.at("2026-03-11 09:00");
    let bought = record("P1", "O1", 36, PurchaseSource::Platform);
    g.engine.add_purchases(&Principal::OPERATOR, vec![bought]).await.unwrap();
    let settled = correction("2026-03-11 09:00", Reason::PurchaseNotKnownYet, None);
    assert_eq!(corrections(&g, "R1").await, std::slice::from_ref(&settled));
    let again = g.dispense("R1", document("P1", "D1", &[BOX])).await.unwrap();
    assert_eq!((words(&again).as_str(), again.corrections), ("REMIND PURCHASE_NOT_KNOWN_YET", vec![settled]));
}

#[tokio::test]
async fn case_34_data_that_is_complete_settles_it_against_and_a_later_purchase_for_the_institution() {
    let g = Gateway::without_purchases().await;
    g.feed_ends("2026-03-01 00:00").await;
    g.sells("R1", document("P1", "D1", &[BOX])).await;
    g.at("2026-03-11 09:00").feed_ends("2026-03-10 08:59").await;
    assert_eq!(corrections(&g, "R1").await, [], "complete up to a minute before the sale");
    g.feed_ends("2026-03-10 09:00").await;
    let against = correction("2026-03-11 09:00", Reason::PurchaseNotKnownYet, Some(Reason::NotPurchased));
    assert_eq!(corrections(&g, "R1").await, std::slice::from_ref(&against));
    g.at("2026-03-12 09:00");
    let mut dated_after = record("P1", "O1", 36, PurchaseSource::Filed);
    dated_after.purchased_at = moment("2026-03-11 12:00");
    g.engine.add_purchases(&Principal::OPERATOR, vec![dated_after]).await.unwrap();
    let settled = correction("2026-03-12 09:00", Reason::NotPurchased, None);
    assert_eq!(corrections(&g, "R1").await, [against, settled]);
}

#[tokio::test]
async fn case_40_a_bad_policy_is_refused_with_file_line_and_reason_and_the_old_one_stays() {
    let g = Gateway::new().await;
    let first = g.dispense("R1", document("P1", "D1", &[BOX])).await.unwrap();
    let rows = [
        ("[[rule]]\nreason = 'DUPLICATES'\nenforcement = 'block'\n", "own.toml:2", "DUPLICATES"),
        (
            "[[rule]]\nreason = 'NO_CODE'\ndivision_prefix = '1301'\nenforcement = 'block'\n\
             [[rule]]\nreason = 'NO_CODE'\ndivision_prefix = '1301'\nenforcement = 'off'\n",
            "own.toml:",
            "NO_CODE",
        ),
    ];
    for (text, place, says) in rows {
        let path = tempfile::tempdir().unwrap();
        let path = path.path().join("own.toml");
        std::fs::write(&path, text).unwrap();
        let errors = policy_files::load_with_built_in(&[&path]).unwrap_err();
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(errors.iter().any(|e| e.contains(place) && e.contains(says)), "{errors:?}");
    }
    let second = g.dispense("R2", document("P1", "D2", &[BOX_2])).await.unwrap();
    assert_eq!(second.answer.policy_version, first.answer.policy_version);
}

#[tokio::test]
async fn case_40_a_good_policy_is_in_force_from_the_next_request_on() {
    let g = Gateway::new().await;
    let first = g.dispense("R1", document("P1", "D1", &[BOX])).await.unwrap();
    let text = "[[rule]]\nreason = 'DUPLICATE'\ndivision_prefix = '1301'\nenforcement = 'remind'\n";
    let [national, hebei] = policy_files::BUILT_IN;
    let policy = policy_files::load(&[national, hebei, ("own.toml", text)]).unwrap();
    g.put_policy(policy).await;
    let second = g.dispense("R2", document("P2", "D2", &[BOX])).await.unwrap();
    assert_eq!(words(&second), "REMIND DUPLICATE");
    assert_ne!(second.answer.policy_version, first.answer.policy_version);
    let again = g.dispense("R1", document("P1", "D1", &[BOX])).await.unwrap();
    assert_eq!(again.answer.policy_version, first.answer.policy_version, "what was the rule that day");
}

#[tokio::test]
async fn case_47_history_and_opening_stock_are_loaded_and_count() {
    let g = Gateway::without_purchases().await;
    let opening = record("P1", "OPENING", 72, PurchaseSource::OpeningStock);
    g.engine.add_purchases(&Principal::OPERATOR, vec![opening.clone(), opening]).await.unwrap();
    let mut history = document("P1", "D0", &[BOX]);
    history.lines[0].occurred_at = Some(moment("2025-10-01 09:00"));
    let loaded = g.engine.report_sale(&Caller::Operator, "R0", history, Said::default()).await.unwrap();
    assert_eq!((words(&loaded).as_str(), loaded.answer.recorded), ("ALLOW", true));
    assert_eq!(g.sells("R1", document("P1", "D1", &[BOX_2])).await, "ALLOW");
    let third = "83003850000000132008";
    assert_eq!(
        g.sells("R2", document("P1", "D2", &[third])).await,
        "REMIND OVERSOLD",
        "loaded once, sold thrice"
    );
    assert_eq!(g.sells("R3", document("P1", "D3", &[BOX])).await, "BLOCK DUPLICATE OVERSOLD");
}
