//! Requests, their ids, and what becomes of them: cases 1, 4, 7, 13, 15, 44 and 45.

use super::gateway::{BOX, BOX_2, Gateway, document, moment, words};
use tracegate::domain::party::Caller;
use tracegate::engine::{EngineError, Limits, OutcomeReply, Said};

#[tokio::test]
async fn case_1_the_same_request_again_gets_the_first_answer_and_is_counted_once() {
    let g = Gateway::new().await;
    g.sells("R1", document("P1", "D1", &[BOX])).await;
    let first = g.dispense("R2", document("H1", "D2", &[BOX])).await.unwrap();
    assert_eq!(words(&first), "REMIND DUPLICATE");
    g.at("2026-03-10 12:00");
    let again = g.dispense("R2", document("H1", "D2", &[BOX])).await.unwrap();
    assert_eq!((again.answer, again.replayed), (first.answer, true));
    let sold = g.engine.purchase(&Caller::Operator, super::gateway::code("H1"), "A").await.unwrap();
    assert_eq!(sold.position.sold, 36.into());
}

#[tokio::test]
async fn case_1_a_blocked_request_stays_blocked_when_the_code_is_free_again() {
    let g = Gateway::new().await;
    g.sells("R1", document("P1", "D1", &[BOX])).await;
    assert_eq!(g.sells("R2", document("P2", "D2", &[BOX])).await, "BLOCK DUPLICATE");
    g.takes_back("R3", document("P1", "D1", &[BOX])).await.unwrap();
    assert_eq!(g.sells("R2", document("P2", "D2", &[BOX])).await, "BLOCK DUPLICATE");
    assert_eq!(g.at("2026-03-10 09:01").sells("R4", document("P2", "D2", &[BOX])).await, "ALLOW");
}

#[tokio::test]
async fn case_1_another_body_under_the_same_id_is_an_error_that_names_the_difference() {
    let g = Gateway::new().await;
    g.sells("R1", document("P1", "D1", &[BOX])).await;
    let error = g.dispense("R1", document("P1", "D1", &[BOX_2])).await.unwrap_err();
    let EngineError::DifferentBody { difference, .. } = &error else {
        panic!("{error}");
    };
    assert!(difference.contains("scanned") && difference.contains(BOX_2), "{difference}");
    assert_eq!(g.sells("R1", document("P2", "D1", &[BOX_2])).await, "ALLOW", "ids are an institution's own");
}

#[tokio::test]
async fn case_4_the_outcome_of_an_answered_request_is_its_answer() {
    let g = Gateway::new().await;
    let first = g.dispense("R1", document("P1", "D1", &[BOX])).await.unwrap();
    let OutcomeReply::Decided(known) = g.outcome("P1", "R1").await else {
        panic!("not decided");
    };
    assert_eq!(known.answer, first.answer);
}

#[tokio::test]
async fn case_4_after_never_a_late_arrival_is_refused() {
    let g = Gateway::new().await;
    assert_eq!(g.outcome("P1", "R1").await, OutcomeReply::Never);
    let late = g.dispense("R1", document("P1", "D1", &[BOX])).await.unwrap_err();
    assert!(matches!(late, EngineError::Closed { state: "NEVER", .. }), "{late}");
    assert_eq!(g.outcome("P1", "R1").await, OutcomeReply::Never);
    assert_eq!(g.sells("R2", document("P2", "D1", &[BOX])).await, "ALLOW", "nothing was claimed");
}

#[tokio::test]
async fn case_4_a_voided_id_answers_voided_and_only_a_new_one_sells_again() {
    let g = Gateway::new().await;
    g.sells("R1", document("P1", "D1", &[BOX])).await;
    assert_eq!(g.void("P1", "V1", "R1").await, [BOX]);
    assert!(matches!(g.outcome("P1", "R1").await, OutcomeReply::Voided(Some(_))));
    let again = g.dispense("R1", document("P1", "D1", &[BOX])).await.unwrap_err();
    assert!(matches!(again, EngineError::Closed { state: "VOIDED", .. }), "{again}");
    assert_eq!(g.sells("R2", document("P1", "D1", &[BOX])).await, "ALLOW");
}

#[tokio::test]
async fn case_4_a_void_that_overtakes_its_request_closes_the_id() {
    let g = Gateway::new().await;
    assert!(g.void("P1", "V1", "R1").await.is_empty());
    let late = g.dispense("R1", document("P1", "D1", &[BOX])).await.unwrap_err();
    assert!(matches!(late, EngineError::Closed { state: "VOIDED", .. }), "{late}");
    assert_eq!(g.outcome("P1", "R1").await, OutcomeReply::Voided(None));
}

#[tokio::test]
async fn case_7_a_bad_event_of_a_report_spoils_none_of_its_neighbours() {
    let g = Gateway::new().await;
    let mut empty = document("P1", "D2", &[BOX]);
    empty.lines.clear();
    let events = [
        ("R1", document("P1", "D1", &[BOX])),
        ("R2", empty),
        ("R3", document("P1", "D3", &["8300385"])),
        ("R4", document("P1", "D4", &[BOX_2])),
    ];
    let mut told = Vec::new();
    for (request_id, event) in events {
        let reply = g.engine.report_sale(&Caller::Operator, request_id, event, Said::default()).await;
        told.push(reply.map_or_else(|error| error.to_string(), |reply| words(&reply)));
    }
    assert_eq!(told[0], "ALLOW");
    assert!(told[1].starts_with("document.lines: is empty"), "{}", told[1]);
    assert_eq!(told[2], "BLOCK CODE_MALFORMED");
    assert_eq!(told[3], "ALLOW");
}

#[tokio::test]
async fn case_13_the_same_return_request_gets_its_first_answer() {
    let g = Gateway::new().await;
    g.sells("R1", document("P1", "D1", &[BOX])).await;
    g.at("2026-03-10 10:00");
    let first = g.takes_back("R2", document("P1", "D1", &[BOX])).await.unwrap();
    g.at("2026-03-10 11:00");
    let again = g.takes_back("R2", document("P1", "D1", &[BOX])).await.unwrap();
    assert_eq!((again.answer, again.replayed), (first.answer, true));
    let other = g.takes_back("R3", document("P1", "D1", &[BOX])).await.unwrap();
    assert_eq!(words(&other), "BLOCK ALREADY_RETURNED");
}

#[tokio::test]
async fn case_15_a_void_takes_back_what_was_sold() {
    let g = Gateway::new().await;
    let sold = async || {
        let p1 = super::gateway::code("P1");
        g.engine.purchase(&Caller::Operator, p1, "A").await.unwrap().position.sold
    };
    g.sells("R1", document("P1", "D1", &[BOX, BOX_2])).await;
    assert_eq!(sold().await, 72.into());
    g.void("P1", "V1", "R1").await;
    assert_eq!(sold().await, 0.into());
    assert_eq!(g.sells("R2", document("P1", "D1", &[BOX])).await, "ALLOW");
    assert_eq!(sold().await, 36.into());
}

#[tokio::test]
async fn case_44_messages_over_a_limit_get_an_error_that_names_the_limit() {
    let limits =
        Limits { lines_per_document_max: 2, codes_per_line_max: 3, text_bytes_max: 10, ..Limits::default() };
    let g = Gateway::new().await.with_limits(limits).await;
    let mut lines = document("P1", "D1", &[BOX]);
    lines.lines = (1..=3)
        .map(|number| {
            let mut line = lines.lines[0].clone();
            line.number = number;
            line
        })
        .collect();
    let rows = [
        (lines, "lines_per_document_max", "3 lines, at most 2"),
        (document("P1", "D1", &[BOX; 4]), "codes_per_line_max", "4 codes, at most 3"),
        (document("P1", "D1-D1-D1-D1", &[BOX]), "text_bytes_max", "11 bytes, at most 10"),
    ];
    for (document, limit, numbers) in rows {
        let error = g.dispense("R1", document).await.unwrap_err().to_string();
        assert!(error.contains(limit) && error.contains(numbers), "{limit}: {error}");
    }
    let long = g.dispense(&"R".repeat(129), document("P1", "D1", &[BOX])).await.unwrap_err();
    assert!(long.to_string().contains("129 bytes, at most 128"), "{long}");
    assert_eq!(
        g.sells("R1", document("P1", "D1", &[BOX])).await,
        "ALLOW",
        "a refusal does not use up the id"
    );
}

#[tokio::test]
async fn case_45_a_hold_frees_its_codes_when_it_expires() {
    let g = Gateway::new().await;
    assert_eq!(g.holds("R1", document("H1", "D1", &[BOX])).await, "ALLOW");
    g.at("2026-03-10 09:29");
    assert_eq!(g.sells("R2", document("P1", "D2", &[BOX])).await, "PENDING IN_DOUBT");
    g.at("2026-03-10 09:30");
    assert_eq!(g.sells("R2", document("P1", "D2", &[BOX])).await, "ALLOW", "PENDING is no answer to keep");
}

#[tokio::test]
async fn case_45_a_late_confirmation_sells_or_tells_both_sides() {
    let g = Gateway::new().await;
    g.holds("R1", document("H1", "D1", &[BOX])).await;
    g.holds("R2", document("H1", "D2", &[BOX_2])).await;
    g.at("2026-03-10 10:00").sells("R3", document("P1", "D3", &[BOX_2])).await;
    g.at("2026-03-10 11:00");
    assert_eq!(words(&g.confirm("H1", "C1", "R1").await.unwrap()), "ALLOW");
    let late = g.confirm("H1", "C2", "R2").await.unwrap();
    assert_eq!(words(&late), "REMIND DUPLICATE");
    let tracegate::domain::verdict::Evidence::OtherSale(other) = &late.answer.findings[0].evidence else {
        panic!("{late:?}");
    };
    assert_eq!(other.occurred_at, moment("2026-03-10 10:00"));
    assert_eq!(g.sells("R4", document("P2", "D4", &[BOX])).await, "BLOCK DUPLICATE");
}

#[tokio::test]
async fn case_45_only_a_standing_hold_can_be_confirmed() {
    let g = Gateway::new().await;
    g.holds("R1", document("H1", "D1", &[BOX])).await;
    g.void("H1", "V1", "R1").await;
    let voided = g.confirm("H1", "C1", "R1").await.unwrap_err().to_string();
    assert!(voided.contains("R1 was voided"), "{voided}");
    let unknown = g.confirm("H1", "C2", "R9").await.unwrap_err().to_string();
    assert!(unknown.contains("no Dispense with request id R9"), "{unknown}");
}
