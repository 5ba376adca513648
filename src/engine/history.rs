//! Importing a history: batches of past sales and returns, each durable as a whole before it is answered.
//!
//! There are no request ids: a row's identity is the sale itself, so a batch that is sent again finds its rows on
//! record. A batch is one change; where somebody was faster with one of its codes it is judged again.

use super::attempt::sold_by;
use super::registry::{Loaded, authorize_load};
use super::{ATTEMPTS_MAX, Engine, EngineError, Knowledge};
use crate::domain::access::Principal;
use crate::domain::claim::{Event, History};
use crate::domain::code::CodeKey;
use crate::domain::document::PastEvent;
use crate::domain::judge::{
    Paper, PastAnswer, PastGrounds, PastJudgement, PastOptions, PastRow, PastStanding, judge_past,
};
use crate::domain::party::{Caller, InstitutionCode, Pool};
use crate::domain::tally::Count;
use crate::store::{Change, CommitError, StoreError};
use crate::telemetry;
use crate::trail::Act;
use rust_decimal::Decimal;
use std::collections::{BTreeSet, HashMap};

/// What is hashed to name a ledger.
const LEDGER_LABEL: &str = "the name of this ledger";

impl Engine {
    /// Names the ledger behind this gateway: the same for as long as its secret is, and no other's. Whoever goes on
    /// with an interrupted import can tell that it is still the same ledger.
    pub fn ledger_name(&self) -> String {
        format!("{:016x}", self.store.paper_key(LEDGER_LABEL).0)
    }

    /// Whether a caller may import at all. Which rows a bureau may import is decided row by row.
    pub fn authorize_import(&self, caller: &Caller) -> Result<(), EngineError> {
        authorize_load(caller, std::iter::empty::<Loaded>())
    }

    /// Begins an import: checks whether the caller may, and writes it down.
    pub async fn begin_import(&self, caller: &Principal) -> Result<(), EngineError> {
        self.authorize_import(caller)?;
        let fact = self.fact(caller, Act::SalesImport, "past sales");
        self.announced(fact, std::future::ready(Ok(()))).await
    }

    /// Records a batch; gives an answer for each row. `Ok` = everything that was not refused is durable.
    pub async fn import_past(
        &self,
        caller: &Caller,
        rows: Vec<Result<PastEvent, EngineError>>,
        options: PastOptions,
    ) -> Result<Vec<Result<PastAnswer, EngineError>>, EngineError> {
        self.authorize_import(caller)?;
        let knowledge = self.knowledge.get();
        let mut taken = Vec::with_capacity(rows.len());
        let mut refused = Vec::with_capacity(rows.len());
        for row in rows {
            let checked = row.and_then(|event| self.check_past(caller, event));
            refused.push(checked.map(|event| taken.push(self.past_row(event, &knowledge))));
        }
        let mut answers = self.record_past(&knowledge, &taken, options).await?.into_iter();
        let answer =
            |row: Result<(), EngineError>| row.and_then(|()| answers.next().ok_or(EngineError::Contended));
        Ok(refused.into_iter().map(answer).collect())
    }

    fn check_past(&self, caller: &Caller, event: PastEvent) -> Result<PastEvent, EngineError> {
        self.limits.check_past(&event)?;
        match caller {
            Caller::Bureau(prefix) if !event.institution.division().is_within(prefix) => Err(
                EngineError::Denied(format!("bureau {prefix} may not import sales of {}", event.institution)),
            ),
            Caller::Bureau(_)
            | Caller::Operator
            | Caller::Institution(_)
            | Caller::Chain(_)
            | Caller::Auditor => Ok(event),
        }
    }

    fn past_row(&self, event: PastEvent, knowledge: &Knowledge) -> PastRow {
        let hashed = |number: &Option<String>| number.as_deref().map(|n| self.store.paper_key(n));
        let paper = Paper { document: hashed(&event.document_no), visit: hashed(&event.visit_no) };
        PastRow::new(event, paper, &knowledge.scan_rules)
    }

    async fn record_past(
        &self,
        knowledge: &Knowledge,
        rows: &[PastRow],
        options: PastOptions,
    ) -> Result<Vec<PastAnswer>, EngineError> {
        let keys: BTreeSet<&CodeKey> = rows.iter().filter_map(PastRow::key).collect();
        let keys: Vec<CodeKey> = keys.into_iter().cloned().collect();
        for _ in 0..ATTEMPTS_MAX {
            let found = self.store.histories(&keys).await?;
            let known: HashMap<_, _> =
                keys.iter().zip(found).filter_map(|(key, history)| Some((key.clone(), history?))).collect();
            let grounds = PastGrounds {
                now: self.clock.now(),
                policy: &knowledge.policy,
                registry: &knowledge.registry,
                options,
            };
            let PastJudgement { answers, claims, sold } = judge_past(grounds, rows, known.clone());
            let sold = self.sold_in_past(knowledge, sold).await?;
            if claims.is_empty() && sold.is_empty() {
                count(&answers);
                return Ok(answers);
            }
            let touched = claims.iter().filter(|change| collides(&change.history));
            let touched = touched.map(|change| (&change.key, &change.history)).collect();
            let dossiers = self.screened(knowledge, self.clock.now(), touched).await?;
            let mut counted = Count::default();
            claims.iter().for_each(|claim| counted.change(known.get(&claim.key), &claim.history));
            let tallies = counted.tallies();
            match self.store.commit(&Change { claims, sold, dossiers, tallies, ..Change::default() }).await {
                Ok(()) => {
                    count(&answers);
                    return Ok(answers);
                }
                // Whoever is not decided will be in a moment: the batch is judged again.
                Err(CommitError::Conflict | CommitError::Undecided) => {}
                Err(CommitError::Refused(error)) => return Err(error.into()),
                // Whether the batch is on record shows when it is sent again; there is no request to ask about.
                Err(CommitError::Unknown(why)) => return Err(StoreError::Stopped(why).into()),
            }
        }
        Err(EngineError::Contended)
    }

    /// What a batch adds to sold balances. Returns of a list whose sales were not counted must not make a balance
    /// negative: what came back cannot be more than what went out.
    async fn sold_in_past(
        &self,
        knowledge: &Knowledge,
        sold: Vec<(InstitutionCode, String, Decimal)>,
    ) -> Result<Vec<(Pool, String, Decimal)>, EngineError> {
        let mut rows = Vec::new();
        for (institution, catalog_code, mut units) in sold {
            if units < Decimal::ZERO {
                let asked = [(knowledge.pool_of(institution), catalog_code.clone())];
                let stands = self.store.positions(&asked).await?.pop().unwrap_or_default().sold;
                units = units.max(-stands.max(Decimal::ZERO));
            }
            rows.extend(sold_by(institution, knowledge, &[(catalog_code, units)], Decimal::ONE));
        }
        rows.retain(|(_, _, units)| !units.is_zero());
        Ok(rows)
    }
}

/// Whether a sale of a history was found to collide. What is imported without findings opens none:
/// a monthly audit does.
fn collides(history: &History) -> bool {
    let has_findings = |event: &Event| matches!(event, Event::Sale(sale) if !sale.first_findings.is_empty());
    history.events.iter().any(has_findings)
}

fn count(answers: &[PastAnswer]) {
    let mut counts = [0_u64; 4];
    for answer in answers {
        let at = match answer.standing {
            PastStanding::Added => 0,
            PastStanding::Known => 1,
            PastStanding::AddedToKnown => 2,
            PastStanding::Refused(_) => 3,
        };
        if let Some(count) = counts.get_mut(at) {
            *count += 1;
        }
    }
    telemetry::imported(counts);
}
