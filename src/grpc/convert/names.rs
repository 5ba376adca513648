//! Enums of the wire and of the domain, value by value.

use crate::domain::case::{
    ActionKind, ActorKind, CaseClass, CaseState, Ending, ProposalKind, Side, StepKind,
};
use crate::domain::claim::{Fate, MovementKind};
use crate::domain::event::{Payment, Scene};
use crate::domain::purchase::PurchaseSource;
use crate::domain::verdict::{DuplicateClass, Enforcement, Reason, Role, Verdict};
use crate::grpc::pb;

/// Maps a domain enum to its wire twin by their common name, checked by a test over all values.
macro_rules! by_name {
    ($function:ident, $domain:ty, $wire:ty, $prefix:literal) => {
        pub(super) fn $function(value: $domain) -> $wire {
            let name = format!(concat!($prefix, "_{}"), value.name().to_ascii_uppercase());
            <$wire>::from_str_name(&name).unwrap_or_default()
        }
    };
}

by_name!(class, DuplicateClass, pb::DuplicateClass, "DUPLICATE_CLASS");
by_name!(role, Role, pb::Role, "ROLE");
by_name!(enforcement, Enforcement, pb::Enforcement, "ENFORCEMENT");
by_name!(verdict, Verdict, pb::Verdict, "VERDICT");
by_name!(reason, Reason, pb::Reason, "REASON");

by_name!(case_class, CaseClass, pb::CaseClass, "CASE_CLASS");
by_name!(case_state, CaseState, pb::CaseState, "CASE_STATE");
by_name!(case_ending, Ending, pb::CaseEnding, "CASE_ENDING");
by_name!(case_action, ActionKind, pb::CaseAction, "CASE_ACTION");
by_name!(case_side, Side, pb::CaseSide, "CASE_SIDE");
by_name!(case_step_kind, StepKind, pb::CaseStepKind, "CASE_STEP_KIND");
by_name!(case_proposal, ProposalKind, pb::CaseProposal, "CASE_PROPOSAL");
by_name!(actor_kind, ActorKind, pb::ActorKind, "ACTOR_KIND");
by_name!(sale_fate, Fate, pb::SaleFate, "SALE_FATE");
by_name!(scene_message, Scene, pb::Scene, "SCENE");
by_name!(payment_message, Payment, pb::Payment, "PAYMENT");

/// The class that is asked about.
pub(super) fn asked_case_class(value: pb::CaseClass) -> Option<CaseClass> {
    CaseClass::from_name(value.as_str_name().strip_prefix("CASE_CLASS_")?)
}

/// The state that is asked about.
pub(super) fn asked_case_state(value: pb::CaseState) -> Option<CaseState> {
    CaseState::from_name(value.as_str_name().strip_prefix("CASE_STATE_")?)
}

/// The ending that is asked for.
pub(super) fn asked_case_ending(value: pb::CaseEnding) -> Option<Ending> {
    Ending::from_name(value.as_str_name().strip_prefix("CASE_ENDING_")?)
}

/// The action that is asked for.
pub(super) fn asked_case_action(value: pb::CaseAction) -> Option<ActionKind> {
    ActionKind::from_name(value.as_str_name().strip_prefix("CASE_ACTION_")?)
}

/// The reason that is asked about; `None` = every one.
pub(super) fn asked_reason(value: pb::Reason) -> Option<Reason> {
    Reason::from_name(value.as_str_name().strip_prefix("REASON_")?)
}

/// The class that is asked about; `None` = every one.
pub(super) fn asked_class(value: pb::DuplicateClass) -> Option<DuplicateClass> {
    DuplicateClass::from_name(value.as_str_name().strip_prefix("DUPLICATE_CLASS_")?)
}

pub(super) fn scene(value: pb::Scene) -> Option<Scene> {
    match value {
        pb::Scene::Unspecified => None,
        pb::Scene::Outpatient => Some(Scene::Outpatient),
        pb::Scene::Inpatient => Some(Scene::Inpatient),
        pb::Scene::Pharmacy => Some(Scene::Pharmacy),
    }
}

pub(super) fn payment(value: pb::Payment) -> Option<Payment> {
    match value {
        pb::Payment::Unspecified => None,
        pb::Payment::Insured => Some(Payment::Insured),
        pb::Payment::SelfPaid => Some(Payment::SelfPaid),
    }
}

pub(super) fn source(value: pb::PurchaseSource) -> Option<PurchaseSource> {
    match value {
        pb::PurchaseSource::Unspecified => None,
        pb::PurchaseSource::Platform => Some(PurchaseSource::Platform),
        pb::PurchaseSource::Filed => Some(PurchaseSource::Filed),
        pb::PurchaseSource::OpeningStock => Some(PurchaseSource::OpeningStock),
    }
}

pub(super) fn movement_kind(value: pb::MovementKind) -> Option<MovementKind> {
    match value {
        pb::MovementKind::Unspecified => None,
        pb::MovementKind::StockCount => Some(MovementKind::StockCount),
        pb::MovementKind::StockMove => Some(MovementKind::StockMove),
        pb::MovementKind::StockIn => Some(MovementKind::StockIn),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_twin_on_the_wire() {
        for value in Reason::ALL {
            assert_ne!(reason(*value), pb::Reason::Unspecified, "{value}");
            assert_eq!(reason(*value) as usize, *value as usize + 1, "{value}: order of precedence");
            assert_eq!(asked_reason(reason(*value)), Some(*value), "{value}: there and back");
        }
        for value in DuplicateClass::ALL {
            assert_ne!(class(*value), pb::DuplicateClass::Unspecified, "{value}");
            assert_eq!(asked_class(class(*value)), Some(*value), "{value}: there and back");
        }
        for value in Role::ALL {
            assert_ne!(role(*value), pb::Role::Unspecified, "{value}");
        }
        for value in Verdict::ALL {
            assert_ne!(verdict(*value), pb::Verdict::Unspecified, "{value}");
        }
        for value in CaseClass::ALL {
            assert_eq!(asked_case_class(case_class(*value)), Some(*value), "{value}: there and back");
        }
        for value in CaseState::ALL {
            assert_eq!(asked_case_state(case_state(*value)), Some(*value), "{value}: there and back");
        }
        for value in Ending::ALL {
            assert_eq!(asked_case_ending(case_ending(*value)), Some(*value), "{value}: there and back");
        }
        for value in ActionKind::ALL {
            assert_eq!(asked_case_action(case_action(*value)), Some(*value), "{value}: there and back");
        }
        let told = |number: i32, value: &dyn std::fmt::Display| assert_ne!(number, 0, "{value}");
        Side::ALL.iter().for_each(|value| told(case_side(*value).into(), value));
        StepKind::ALL.iter().for_each(|value| told(case_step_kind(*value).into(), value));
        ProposalKind::ALL.iter().for_each(|value| told(case_proposal(*value).into(), value));
        ActorKind::ALL.iter().for_each(|value| told(actor_kind(*value).into(), value));
        Fate::ALL.iter().for_each(|value| told(sale_fate(*value).into(), value));
        Scene::ALL.iter().for_each(|value| told(scene_message(*value).into(), value));
        Payment::ALL.iter().for_each(|value| told(payment_message(*value).into(), value));
        for value in Enforcement::ALL {
            assert_ne!(enforcement(*value), pb::Enforcement::Unspecified, "{value}");
        }
    }
}
