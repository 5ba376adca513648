//! Who sees which case, and how much of it; pages that stay where they are.

use super::opened::priced;
use super::{BUREAU, advance, bureau, cases, deed, minutes, refused, the_case};
use crate::doors::as_caller;
use crate::support::world::{HOSPITAL, OTHER_PHARMACY, PHARMACY, World, code, dispense};
use tonic::Code;
use tracegate::grpc::pb;

#[tokio::test]
async fn an_institution_sees_its_own_side_only() {
    let mut world = World::start().await;
    world.dispense(priced(PHARMACY, "first", &[code(1)], "30")).await;
    minutes(&world, 10);
    world.dispense(priced(HOSPITAL, "second", &[code(1)], "31")).await;
    let case = the_case(&world).await;
    advance(&world, BUREAU, deed(&case, pb::CaseAction::Push)).await.unwrap();
    let hospital = format!("institution {HOSPITAL}");
    let words = pb::AdvanceCaseRequest {
        person: "Dr. Wang".into(),
        note: "we bought it on 2 March".into(),
        ..deed(&case, pb::CaseAction::Explain)
    };
    advance(&world, &hospital, words).await.unwrap();

    let shown = cases(&world, &format!("institution {PHARMACY}")).await.remove(0);
    let text = format!("{shown:?}");
    for secret in [HOSPITAL, "D-second", "31", "Dr. Wang", "2 March", "120101"] {
        assert!(!text.contains(&format!("\"{secret}\"")), "{secret} in {shown:#?}");
    }
    let [own, other] = shown.sales.as_slice() else { panic!("{shown:#?}") };
    assert!(own.own && own.institution_code == PHARMACY && own.details.as_ref().unwrap().amount == "30");
    assert!(!other.own && other.institution_code.is_empty() && other.side() == pb::CaseSide::Duplicate);
    assert_eq!(other.occurred_at, case.sales[1].occurred_at, "when it happened may be known");
    // The hospital reads its own words; the bureau reads everything.
    let shown = cases(&world, &hospital).await.remove(0);
    assert_eq!(shown.steps.last().unwrap().note, "we bought it on 2 March");
    assert_eq!(cases(&world, BUREAU).await.remove(0).sales[1].institution_code, HOSPITAL);
    world.stop().await;
}

#[tokio::test]
async fn others_see_nothing_and_change_nothing() {
    let mut world = World::start().await;
    world.dispense(dispense(PHARMACY, "first", &[code(1)])).await;
    world.dispense(dispense(HOSPITAL, "second", &[code(1)])).await;
    let case = the_case(&world).await;
    for stranger in [format!("institution {OTHER_PHARMACY}"), "bureau 13".into(), "chain C".into()] {
        assert_eq!(cases(&world, &stranger).await, [], "{stranger}");
        let get = as_caller(pb::GetCaseRequest { case_id: case.case_id.clone() }, &stranger);
        refused(bureau(&world).get_case(get).await, Code::NotFound, "no case");
        let done = advance(&world, &stranger, deed(&case, pb::CaseAction::Push)).await;
        refused(done, Code::NotFound, "no case");
    }
    let own = format!("institution {HOSPITAL}");
    refused(
        advance(&world, &own, deed(&case, pb::CaseAction::Push)).await,
        Code::FailedPrecondition,
        "not possible for INSTITUTION",
    );
    world.stop().await;
}

#[tokio::test]
async fn pages_stay_where_they_are_while_cases_arrive() {
    let mut world = World::start().await;
    let duplicate = async |world: &mut World, n: u64| {
        minutes(world, i32::try_from(n).unwrap());
        world.dispense(dispense(PHARMACY, &format!("a{n}"), &[code(n)])).await;
        world.dispense(dispense(OTHER_PHARMACY, &format!("b{n}"), &[code(n)])).await;
    };
    for n in 0..10 {
        duplicate(&mut world, n).await;
    }
    let mut list = pb::ListCasesRequest { page_size: 3, ..pb::ListCasesRequest::default() };
    let mut seen = Vec::new();
    for round in 10.. {
        let page = bureau(&world).list_cases(list.clone()).await.unwrap().into_inner();
        seen.extend(page.cases.into_iter().map(|case| case.code));
        if page.next_page_token.is_empty() {
            break;
        }
        list.page_token = page.next_page_token;
        duplicate(&mut world, round).await;
    }
    assert_eq!(seen, (0..10).rev().map(code).collect::<Vec<_>>());
    list.page_token = "nonsense".into();
    refused(bureau(&world).list_cases(list).await, Code::InvalidArgument, "page_token");
    world.stop().await;
}

#[tokio::test]
async fn filters_and_counts() {
    let mut world = World::start().await;
    world.dispense(priced(PHARMACY, "a", &[code(1), code(2), code(3)], "30")).await;
    minutes(&world, 10);
    world.dispense(priced(OTHER_PHARMACY, "b", &[code(1)], "31")).await;
    minutes(&world, 20);
    world.dispense(priced(HOSPITAL, "c", &[code(2)], "99.5")).await;
    world.dispense(priced(PHARMACY, "d", &[code(3)], "12")).await;
    let find = async |filter: pb::CaseFilter| {
        let list = pb::ListCasesRequest { filter: Some(filter), ..pb::ListCasesRequest::default() };
        let found = bureau(&world).list_cases(list).await.expect("cases").into_inner().cases;
        let mut codes: Vec<_> = found.into_iter().map(|case| case.code).collect();
        codes.sort();
        codes
    };
    let filter = pb::CaseFilter::default;
    assert_eq!(find(filter()).await, [code(1), code(2), code(3)]);
    let hospital = pb::CaseFilter { institution_code: HOSPITAL.into(), ..filter() };
    assert_eq!(find(hospital).await, [code(2)]);
    let same = pb::CaseFilter { classes: vec![pb::CaseClass::SameInstitution.into()], ..filter() };
    assert_eq!(find(same).await, [code(3)]);
    let dear = pb::CaseFilter { amount_min: "99".into(), ..filter() };
    assert_eq!(find(dear).await, [code(2)]);
    let elsewhere = pb::CaseFilter { division_prefix: "13".into(), ..filter() };
    assert_eq!(find(elsewhere).await, Vec::<String>::new());
    let bad = pb::CaseFilter { division_prefix: "12x".into(), ..filter() };
    let list = pb::ListCasesRequest { filter: Some(bad), ..pb::ListCasesRequest::default() };
    refused(bureau(&world).list_cases(list).await, Code::InvalidArgument, "division_prefix");

    let count = async |caller: &str, by: pb::GroupBy| {
        let request = pb::SummarizeDuplicatesRequest { filter: None, by: by.into() };
        let answer = bureau(&world).summarize_duplicates(as_caller(request, caller)).await;
        let groups = answer.expect("groups").into_inner().groups;
        groups.into_iter().map(|g| (g.group, g.cases, g.amount)).collect::<Vec<_>>()
    };
    let row = |group: &str, cases: u64, amount: &str| (group.to_owned(), cases, amount.to_owned());
    assert_eq!(count(BUREAU, pb::GroupBy::Division).await, [row("120101", 3, "99.5")]);
    assert_eq!(count(BUREAU, pb::GroupBy::Month).await, [row("2026-03", 3, "99.5")]);
    let by_institution = count(BUREAU, pb::GroupBy::Institution).await;
    assert_eq!(
        by_institution,
        [row(HOSPITAL, 1, "99.5"), row(PHARMACY, 1, "0"), row(OTHER_PHARMACY, 1, "0")]
    );
    let own = count(&format!("institution {PHARMACY}"), pb::GroupBy::Institution).await;
    assert_eq!(own, [row(PHARMACY, 1, "0")]);
    world.stop().await;
}
