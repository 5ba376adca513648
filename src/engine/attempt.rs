//! What one judgement wants to record, as one change.

use super::reminders::Follows;
use super::{EngineError, Facts, Knowledge};
use crate::domain::judge::Judgement;
use crate::domain::outcome::{Answer, Outcome, Recorded, RequestBody, RequestKey};
use crate::domain::party::{Institution, InstitutionCode, Pool};
use crate::store::{AwaitedKey, Change, OutcomeChange};
use rust_decimal::Decimal;

/// What one judgement wants to record. It holds request and answer while they are written, and gives them back.
pub(super) struct Attempt {
    pub change: Change,
    /// Where the change does not hold them.
    kept: (Option<Recorded>, Option<Answer>),
}

impl Attempt {
    /// Remembers that a request is in doubt, so that asking for its outcome does not close it.
    pub fn undecided(key: &RequestKey, body: Recorded, answer: Answer, known: Option<&Outcome>) -> Self {
        if known.is_some() {
            return Self { change: Change::default(), kept: (Some(body), Some(answer)) };
        }
        let outcome = Outcome::undecided(RequestBody::Recorded(body));
        let outcomes = vec![OutcomeChange { key: key.clone(), expected: None, outcome }];
        Self { change: Change { outcomes, ..Change::default() }, kept: (None, Some(answer)) }
    }

    /// Everything that an answer changes.
    pub fn decided(
        key: &RequestKey,
        body: Recorded,
        answer: Answer,
        judgement: Judgement,
        facts: &Facts,
        known: Option<&Outcome>,
        follows: Follows,
    ) -> Self {
        let pool = facts.knowledge.pool_of(key.institution);
        let awaited = judgement.awaited.into_iter().map(|question| AwaitedKey {
            pool: pool.clone(),
            catalog_code: question.catalog_code,
            request: key.clone(),
            line: question.line,
        });
        let sold = if judgement.hold_expires_at.is_some() {
            Vec::new()
        } else {
            sold_by(key.institution, &facts.knowledge, &judgement.sold, Decimal::ONE)
        };
        let document =
            facts.paper.document.filter(|_| answer.recorded).map(|document| (key.clone(), document));
        let Follows { dossiers, reminder, person, count, settled: mut outcomes, unexplained: _ } = follows;
        let decided = Outcome::decided(RequestBody::Recorded(body), answer, judgement.sold);
        let version = known.map_or(decided.version, |o| o.next_version());
        let outcome = Outcome { version, reminder, person, ..decided };
        let expected = known.map(|o| o.version);
        // The last one is this request's own.
        outcomes.reserve_exact(1);
        outcomes.push(OutcomeChange { key: key.clone(), expected, outcome });
        let change = Change {
            claims: judgement.claims,
            outcomes,
            document,
            sold,
            awaited: awaited.collect(),
            settled: Vec::new(),
            dossiers,
            tallies: count.tallies(),
        };
        Self { change, kept: (None, None) }
    }

    pub fn given_back(self) -> Result<(Recorded, Answer), EngineError> {
        let Self { mut change, kept: (mut body, mut answer) } = self;
        if let Some(OutcomeChange { outcome, .. }) = change.outcomes.pop() {
            if let Some(RequestBody::Recorded(recorded)) = outcome.body {
                body = Some(recorded);
            }
            answer = outcome.answer.or(answer);
        }
        body.zip(answer).ok_or(EngineError::Contended)
    }
}

/// Units as they are added to an institution's own balance and to its chain's. `factor` = 1, or -1 to take back.
pub(super) fn sold_by(
    institution: InstitutionCode,
    knowledge: &Knowledge,
    sold: &[(String, Decimal)],
    factor: Decimal,
) -> Vec<(Pool, String, Decimal)> {
    let own = Pool::Institution(institution);
    let pooled =
        knowledge.registry.institution(institution).map(Institution::pool).filter(|pool| *pool != own);
    let pools = [Some(own), pooled];
    let rows = pools
        .iter()
        .flatten()
        .flat_map(|pool| sold.iter().map(|(code, units)| (pool.clone(), code.clone(), *units * factor)));
    rows.collect()
}
