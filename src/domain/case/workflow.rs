//! Who may do what in which state: one table, and nothing else.

use crate::domain::verdict::named;

named! {
    /// Where a case stands.
    pub enum CaseState {
        /// Found by the gateway.
        Detected = "DETECTED",
        /// Sent to the institution, which is to answer.
        Pushed = "PUSHED",
        /// The institution has explained.
        Explained = "EXPLAINED",
        /// The institution has appealed (申诉).
        Appealed = "APPEALED",
        /// First review (初审).
        FirstReview = "FIRST_REVIEW",
        /// Second review (复审).
        SecondReview = "SECOND_REVIEW",
        /// Closed.
        Closed = "CLOSED",
    }
}

named! {
    /// What can be done to a case.
    pub enum ActionKind {
        /// Send it to the institution.
        Push = "PUSH",
        /// Explain it.
        Explain = "EXPLAIN",
        /// Appeal against it.
        Appeal = "APPEAL",
        /// Begin the first review.
        BeginReview = "BEGIN_REVIEW",
        /// Hand it to a second reviewer.
        BeginSecondReview = "BEGIN_SECOND_REVIEW",
        /// Close it.
        Close = "CLOSE",
        /// Mark money that was given back voluntarily.
        MarkRefund = "MARK_REFUND",
        /// Take a wrong event out.
        AnnulEvent = "ANNUL_EVENT",
        /// Accept what a late event proposes.
        AcceptProposal = "ACCEPT_PROPOSAL",
        /// Reject what a late event proposes.
        RejectProposal = "REJECT_PROPOSAL",
    }
}

named! {
    /// Who acts.
    pub enum ActorKind {
        /// The gateway itself.
        System = "SYSTEM",
        /// An institution that takes part.
        Institution = "INSTITUTION",
        /// The bureau that handles it.
        Bureau = "BUREAU",
    }
}

/// The state after an action; `None` = not by them, or not now. A case whose answer is overdue goes to review without
/// one; whether it is overdue the caller of this table looks up.
pub const fn next_state(state: CaseState, action: ActionKind, by: ActorKind) -> Option<CaseState> {
    use ActionKind as A;
    use ActorKind as By;
    use CaseState as S;
    let next = match (action, by, state) {
        (A::Push, By::System | By::Bureau, S::Detected) => S::Pushed,
        (A::Explain, By::Institution, S::Pushed | S::Explained) => S::Explained,
        // What is handed in later is heard all the same.
        (A::Explain, By::Institution, S::Appealed | S::FirstReview | S::SecondReview) => state,
        (A::Appeal, By::Institution, S::Pushed | S::Explained) => S::Appealed,
        (A::BeginReview, By::Bureau, S::Pushed | S::Explained | S::Appealed) => S::FirstReview,
        (A::BeginSecondReview, By::Bureau, S::FirstReview) => S::SecondReview,
        (A::Close, By::Bureau, S::FirstReview | S::SecondReview) => S::Closed,
        (A::AcceptProposal | A::RejectProposal | A::AnnulEvent | A::MarkRefund, By::Bureau, open)
            if !matches!(open, S::Closed) =>
        {
            open
        }
        (
            A::MarkRefund,
            By::Institution,
            S::Pushed | S::Explained | S::Appealed | S::FirstReview | S::SecondReview,
        ) => state,
        (_, By::System | By::Institution | By::Bureau, _) => return None,
    };
    Some(next)
}

/// What somebody may do in a state, as far as the state decides.
pub fn allowed(state: CaseState, by: ActorKind) -> Vec<ActionKind> {
    ActionKind::ALL.iter().copied().filter(|action| next_state(state, *action, by).is_some()).collect()
}
