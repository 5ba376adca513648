//! Purchases: loading them, looking at them, and judging again what waited for them.

use super::registry::{Loaded, authorize_load};
use super::trail::loaded;
use super::{ATTEMPTS_MAX, Engine, EngineError, Knowledge};
use crate::domain::access::Principal;
use crate::domain::outcome::{Correction, Outcome};
use crate::domain::party::{Caller, Institution, InstitutionCode, Pool};
use crate::domain::purchase::{Position, PurchaseRecord};
use crate::domain::verdict::Reason;
use crate::store::{AwaitedKey, Change, CommitError, LoadStatus, OutcomeChange};
use crate::trail::Act;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Most waiting questions that one load judges again; the rest waits for the next.
const JUDGED_AGAIN_MAX: usize = 100_000;

/// What is known of one drug at one institution or its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurchaseView {
    /// Whose purchases are pooled.
    pub pool: Pool,
    /// Bought and sold.
    pub position: Position,
    /// Everything bought before this is known; `None` = complete.
    pub complete_up_to: Option<Timestamp>,
    /// When this was read.
    pub as_of: Timestamp,
}

impl Engine {
    /// Adds purchase records, and judges again what waited for them.
    pub async fn add_purchases(
        &self,
        caller: &Principal,
        records: Vec<PurchaseRecord>,
    ) -> Result<Vec<LoadStatus>, EngineError> {
        let place = |r: &PurchaseRecord| Loaded::In(r.institution.division().to_string());
        authorize_load(caller, records.iter().map(place))?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        // A chain must not change between reading it and adding to its pool.
        let _changing = self.knowledge.changing.lock().await;
        let knowledge = self.knowledge.get();
        let touched: BTreeSet<(Pool, String)> =
            records.iter().map(|r| (knowledge.pool_of(r.institution), r.catalog_code.clone())).collect();
        let chain_of =
            |code| knowledge.registry.institution(code).and_then(|i: &Institution| i.chain_group.clone());
        let fact = self.fact(caller, Act::PurchasesLoad, "purchases");
        let fact = loaded(fact, &records, records.iter().map(place));
        let records =
            records.into_iter().map(|r| (chain_of(r.institution), r)).map(|(c, r)| (r, c)).collect();
        let add = async { Ok(self.store.add_purchases(records).await?) };
        let answers = self.announced(fact, add).await?;
        for (pool, catalog_code) in &touched {
            self.judge_awaited_again(Some((pool, catalog_code))).await?;
        }
        Ok(answers)
    }

    /// Bought, sold and the age of the data for one drug at one institution.
    pub async fn purchase(
        &self,
        caller: &Caller,
        institution: InstitutionCode,
        catalog_code: &str,
    ) -> Result<PurchaseView, EngineError> {
        self.authorize(caller, institution)?;
        let knowledge = self.knowledge.get();
        let known = knowledge.registry.institution(institution);
        let known =
            known.ok_or_else(|| EngineError::NotFound(format!("{institution} is not in the registry")))?;
        let pool = known.pool();
        let asked = [(pool.clone(), catalog_code.to_owned())];
        let position = self.store.positions(&asked).await?.pop().unwrap_or_default();
        let complete_up_to = knowledge.registry.feed_of(known);
        Ok(PurchaseView { pool, position, complete_up_to, as_of: self.clock.now() })
    }

    /// Judges waiting questions again: those of a pool and catalogue code, or all.
    pub(super) async fn judge_awaited_again(&self, of: Option<(&Pool, &str)>) -> Result<(), EngineError> {
        for question in self.store.awaited(of, JUDGED_AGAIN_MAX).await? {
            for _ in 0..ATTEMPTS_MAX {
                match self.judge_question(&question).await? {
                    None => break,
                    Some(change) => match self.store.commit(&change).await {
                        Ok(()) => break,
                        Err(CommitError::Conflict) => {}
                        Err(error) => return Err(error.into()),
                    },
                }
            }
        }
        Ok(())
    }

    /// What follows from the data of today for an answer that said "not known yet".
    async fn judge_question(&self, question: &AwaitedKey) -> Result<Option<Change>, EngineError> {
        let Some(outcome) = self.store.outcome(&question.request).await? else {
            return Ok(None);
        };
        let asked = [(question.pool.clone(), question.catalog_code.clone())];
        let position = self.store.positions(&asked).await?.pop().unwrap_or_default();
        let bought = position.has_purchases();
        let now = if bought {
            None
        } else if is_settled_against(&self.knowledge.get(), question, &outcome) {
            Some(Reason::NotPurchased)
        } else {
            return Ok(None);
        };
        let last = outcome.corrections.iter().rev().find(|c| c.line == question.line);
        if last.is_some_and(|c| c.now == now) {
            return Ok(None);
        }
        let mut next = outcome.next();
        next.corrections.push(Correction {
            corrected_at: self.clock.now(),
            line: question.line,
            was: last.and_then(|c| c.now).unwrap_or(Reason::PurchaseNotKnownYet),
            now,
        });
        let change =
            OutcomeChange { key: question.request.clone(), expected: Some(outcome.version), outcome: next };
        // "Not purchased" may still be overtaken by a purchase that is dated after the sale.
        let settled = if bought { vec![question.clone()] } else { Vec::new() };
        Ok(Some(Change { outcomes: vec![change], settled, ..Change::default() }))
    }
}

/// Whether the data is complete up to the decision, so that the missing purchase is a fact.
fn is_settled_against(knowledge: &Knowledge, question: &AwaitedKey, outcome: &Outcome) -> bool {
    let Some(institution) = knowledge.registry.institution(question.request.institution) else {
        return false;
    };
    let Some(answer) = &outcome.answer else {
        return false;
    };
    knowledge.registry.feed_of(institution).is_none_or(|complete_up_to| complete_up_to >= answer.decided_at)
}
