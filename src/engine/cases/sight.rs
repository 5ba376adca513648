//! Who may see what of a case. A bureau sees everything of cases in which its divisions take part; an institution sees
//! its own sales in full, and of the others when they happened and what became of them, but not whose they are.

use super::super::Knowledge;
use crate::domain::case::{
    ActionKind, Actor, ActorKind, Case, CaseClass, CaseName, Details, Dossier, Involved, ProposalKind, Side,
    Step, next_state,
};
use crate::domain::claim::Fate;
use crate::domain::party::{Caller, Division, InstitutionCode};
use crate::domain::time::day_of;
use crate::index::cases::Sight;
use jiff::Timestamp;
use rust_decimal::Decimal;

/// A sale or attempt of a case, as a caller may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvolvedView {
    /// Whose; `None` where the caller may not know.
    pub institution: Option<InstitutionCode>,
    /// Its name, where the registry knows it.
    pub institution_name: String,
    /// It is the caller's own.
    pub is_own: bool,
    /// It was blocked.
    pub is_attempt: bool,
    /// Which side it is on.
    pub side: Side,
    /// How it collides, for a duplicate.
    pub class: Option<CaseClass>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When the gateway heard of it.
    pub received_at: Timestamp,
    /// What became of it.
    pub fate: Fate,
    /// Its money was recovered by a case.
    pub is_recovered: bool,
    /// The rest; nothing where the caller may not know.
    pub details: Details,
    /// To whom, as a number among the sales of the case; 0 = not known, or not the caller's business.
    pub person: u32,
}

/// Yuan that went back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    /// Voluntarily.
    pub refunded: Decimal,
    /// To be recovered, once the case is closed.
    pub recovered: Option<Decimal>,
}

/// A case, as a caller may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseView {
    /// Its name.
    pub name: CaseName,
    /// The version of its dossier: whoever acts may name it.
    pub version: u32,
    /// The case; whom it involves stands in `involved`, and who did what in `steps`.
    pub case: Case,
    /// The product's name, where the registry knows it.
    pub drug_name: String,
    /// Where it is handled.
    pub place_of_care: Option<Division>,
    /// Its sales and attempts.
    pub involved: Vec<InvolvedView>,
    /// Everything that happened.
    pub steps: Vec<Step>,
    /// Yuan at stake; `None` = not known, or not the caller's business.
    pub at_stake: Option<Decimal>,
    /// Yuan that went back; `None` = not the caller's business.
    pub money: Option<Money>,
    /// The step that is due should have been done by now.
    pub is_overdue: bool,
    /// What a late event proposes.
    pub proposal: Option<ProposalKind>,
    /// What the caller may do now, as far as the state decides.
    pub possible: Vec<ActionKind>,
}

/// Whose cases a caller may see.
pub(super) fn sight_of(caller: &Caller, knowledge: &Knowledge) -> Sight {
    match caller {
        Caller::Operator => Sight::All,
        Caller::Bureau(prefix) => Sight::Division(prefix.clone()),
        Caller::Institution(code) => Sight::Institutions(vec![*code]),
        Caller::Chain(group) => Sight::Institutions(knowledge.registry.members_of(group)),
        Caller::Auditor => Sight::Institutions(Vec::new()),
    }
}

/// Whether a caller may see a case.
pub(super) fn may_see(caller: &Caller, case: &Case, knowledge: &Knowledge) -> bool {
    let takes_part = |code: InstitutionCode| match caller {
        Caller::Operator => true,
        Caller::Bureau(prefix) => code.division().is_within(prefix),
        Caller::Institution(_) | Caller::Chain(_) | Caller::Auditor => {
            caller.may_know(code, knowledge.registry.institution(code))
        }
    };
    case.involved.iter().any(|involved| takes_part(involved.name.institution))
}

/// As whom a caller acts on cases.
pub(super) const fn acts_as(caller: &Caller) -> ActorKind {
    match caller {
        Caller::Operator | Caller::Bureau(_) => ActorKind::Bureau,
        Caller::Institution(_) | Caller::Chain(_) | Caller::Auditor => ActorKind::Institution,
    }
}

/// The name under which a caller acts.
pub(super) fn called(caller: &Caller) -> String {
    match caller {
        Caller::Operator => "operator".to_owned(),
        Caller::Bureau(prefix) => prefix.clone(),
        Caller::Institution(code) => code.to_string(),
        Caller::Chain(group) => group.clone(),
        Caller::Auditor => "auditor".to_owned(),
    }
}

/// A case as a caller may see it.
pub(super) fn view(
    caller: &Caller,
    knowledge: &Knowledge,
    name: CaseName,
    dossier: &Dossier,
    case: &Case,
    now: Timestamp,
) -> CaseView {
    let may_know = |code: InstitutionCode| caller.may_know(code, knowledge.registry.institution(code));
    let mine = acts_as(caller) == ActorKind::Institution;
    // Whoever's sales are all the duplicates knows their money; else it would be another one's.
    let answers_for_it = !mine || case.duplicates().all(|one| may_know(one.name.institution));
    let involved = case.involved.iter().map(|one| {
        let known = may_know(one.name.institution);
        InvolvedView { is_own: known && mine, ..involved(one, dossier, knowledge, known) }
    });
    let steps = case.steps.iter().map(|step| shown_step(step, caller, &may_know));
    let drug = case.catalog_code.as_deref().and_then(|code| knowledge.registry.product(code));
    let possible = ActionKind::ALL.iter().copied();
    CaseView {
        version: dossier.version,
        drug_name: drug.map(|drug| drug.name.clone()).unwrap_or_default(),
        place_of_care: case.place_of_care().filter(|_| acts_as(caller) == ActorKind::Bureau),
        involved: involved.collect(),
        steps: steps.collect(),
        at_stake: dossier.at_stake(case).filter(|_| answers_for_it),
        money: answers_for_it.then(|| Money {
            refunded: case.refunded,
            recovered: case.conclusion.as_ref().map(|conclusion| conclusion.recovered),
        }),
        is_overdue: case.due_on.is_some_and(|due| due < day_of(now)),
        proposal: case
            .proposal
            .as_ref()
            .filter(|proposal| !proposal.is_rejected)
            .map(|proposal| proposal.kind),
        possible: possible
            .filter(|action| next_state(case.state, *action, acts_as(caller)).is_some())
            .collect(),
        case: case.clone(),
        name,
    }
}

fn involved(one: &Involved, dossier: &Dossier, knowledge: &Knowledge, known: bool) -> InvolvedView {
    let code = one.name.institution;
    let registered = knowledge.registry.institution(code).filter(|_| known);
    InvolvedView {
        institution: known.then_some(code),
        institution_name: registered.map(|institution| institution.name.clone()).unwrap_or_default(),
        is_own: false,
        is_attempt: one.is_attempt,
        side: one.side,
        class: one.class,
        occurred_at: one.occurred_at,
        received_at: one.received_at,
        fate: one.fate,
        is_recovered: dossier.is_recovered(&one.name),
        details: if known { dossier.details_of(one).clone() } else { Details::default() },
        person: 0,
    }
}

/// A step of another institution says that it happened, not who did it and in which words.
fn shown_step(step: &Step, caller: &Caller, may_know: &impl Fn(InstitutionCode) -> bool) -> Step {
    let of_institution = step.actor.kind == ActorKind::Institution;
    let is_own = || match InstitutionCode::parse(&step.actor.of) {
        Ok(code) => may_know(code),
        Err(_) => step.actor.of == called(caller),
    };
    if !of_institution || acts_as(caller) == ActorKind::Bureau || is_own() {
        return step.clone();
    }
    Step {
        actor: Actor { kind: ActorKind::Institution, of: String::new(), name: String::new() },
        note: String::new(),
        files: Vec::new(),
        amount: None,
        ..step.clone()
    }
}
