//! What follows for the cases of a code from a change of its history, or from an attempt that was blocked: part of the
//! same change, so that no crash can part them.

use super::super::{Engine, EngineError, Facts, Knowledge};
use crate::domain::case::{Attempt, Details, Dossier, Screening};
use crate::domain::claim::{History, Part, PicturedSale, SaleName};
use crate::domain::code::{CodeKey, Scan, read};
use crate::domain::document::{Document, Line};
use crate::domain::judge::{Collided, Judgement, Pack, lens, product_of};
use crate::domain::outcome::{Answer, Outcome, Recorded, RequestKey};
use crate::store::DossierChange;
use jiff::Timestamp;
use rust_decimal::Decimal;

/// A code whose cases may change.
pub(in crate::engine) struct Touched<'a> {
    /// The code.
    pub key: &'a CodeKey,
    /// Its history as it will be.
    pub history: &'a History,
    /// An attempt at it that was blocked.
    pub attempt: Option<Attempt>,
    /// A sale whose details are at hand.
    pub sale: Option<(SaleName, Details)>,
    /// Its pack, where it is at hand.
    pub pack: Option<Pack>,
}

impl<'a> Touched<'a> {
    /// A code whose history changes.
    pub const fn by(key: &'a CodeKey, history: &'a History) -> Self {
        Self { key, history, attempt: None, sale: None, pack: None }
    }
}

/// A request that was judged.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Asked<'a> {
    /// Its id.
    pub key: &'a RequestKey,
    /// What it brings.
    pub body: &'a Recorded,
    /// What is or was answered.
    pub answer: &'a Answer,
    /// The settlement by which it is confirmed.
    pub settlement_id: Option<&'a str>,
}

/// A request that brings sales: where details come from.
struct Brought<'a> {
    request_id: &'a str,
    document: &'a Document,
    answer: &'a Answer,
    settlement_id: Option<&'a str>,
}

impl Engine {
    /// The dossiers that change with a request that is answered now.
    pub(in crate::engine) async fn cases_of(
        &self,
        key: &RequestKey,
        body: &Recorded,
        answer: &Answer,
        judgement: &mut Judgement,
        facts: &Facts,
    ) -> Result<Vec<DossierChange>, EngineError> {
        self.dossiers_after(Asked { key, body, answer, settlement_id: None }, judgement, facts).await
    }

    /// The dossiers that change with a judged request. Takes out of the judgement what collided: nobody else asks for
    /// it.
    pub(in crate::engine) async fn dossiers_after(
        &self,
        asked: Asked<'_>,
        judgement: &mut Judgement,
        facts: &Facts,
    ) -> Result<Vec<DossierChange>, EngineError> {
        let all_collided = std::mem::take(&mut judgement.collided);
        if !self.keeps_books {
            return Ok(Vec::new());
        }
        let known = judgement.claims.iter().filter(|change| change.expected.is_some());
        let with_case = known.filter(|change| self.case_index.may_have_open(&change.key));
        let mut touched: Vec<Touched<'_>> =
            with_case.map(|change| Touched::by(&change.key, &change.history)).collect();
        let brought = document_of(asked.body).map(|document| Brought {
            request_id: &asked.key.request_id,
            document,
            answer: asked.answer,
            settlement_id: asked.settlement_id.or(document.settlement_id.as_deref()),
        });
        touched.reserve_exact(all_collided.len());
        for collided in all_collided {
            let Some((key, history)) = history_of(&collided, judgement, facts) else { continue };
            let brought = brought.as_ref().and_then(|brought| brought.line_of(&collided).zip(Some(brought)));
            let Collided { sale, pack, .. } = collided;
            let mut found = Touched { pack: Some(pack), ..Touched::by(key, history) };
            if judgement.recorded {
                let details = brought.map(|(line, brought)| brought.details_on(line, &sale.part));
                found.sale = Some((SaleName::of(&sale), details.unwrap_or_default()));
            } else {
                // Nobody paid for what was blocked.
                let details = brought.map(|(line, brought)| brought.unpaid_on(line, &sale.part));
                found.attempt = Some(Attempt { sale, details: details.unwrap_or_default() });
            }
            touched.retain(|other| other.key != key);
            touched.push(found);
        }
        self.screened(&facts.knowledge, facts.now, touched).await
    }

    /// The dossiers that change with histories that change.
    pub(in crate::engine) async fn screened(
        &self,
        knowledge: &Knowledge,
        now: Timestamp,
        touched: Vec<Touched<'_>>,
    ) -> Result<Vec<DossierChange>, EngineError> {
        if touched.is_empty() || !self.keeps_books {
            return Ok(Vec::new());
        }
        let keys = touched.iter().map(|touched| touched.key).filter(|key| self.may_have_dossier(key));
        let keys: Vec<CodeKey> = keys.cloned().collect();
        let dossiers = if keys.is_empty() { Vec::new() } else { self.store.dossiers(&keys).await? };
        let mut known = keys.iter().zip(dossiers).peekable();
        let mut changes = Vec::with_capacity(touched.len());
        for touched in touched {
            let stands = known.next_if(|(key, _)| *key == touched.key).and_then(|(_, dossier)| dossier);
            changes.extend(self.screen_code(knowledge, now, touched, stands).await?);
        }
        Ok(changes)
    }

    /// Whether the store must be asked for the dossier of a code. A store that nobody else writes tells of each before
    /// it answers whoever wrote it; where one comes up meanwhile, it stands in the way of the commit.
    fn may_have_dossier(&self, key: &CodeKey) -> bool {
        self.store.has_others() || self.case_index.may_have_dossier(key)
    }

    /// What follows for one code; `stands` = its dossier.
    pub(super) async fn screen_code(
        &self,
        knowledge: &Knowledge,
        now: Timestamp,
        touched: Touched<'_>,
        stands: Option<Dossier>,
    ) -> Result<Option<DossierChange>, EngineError> {
        let Touched { key, history, attempt, sale, pack } = touched;
        let expected = stands.as_ref().map(|dossier| dossier.version);
        let mut dossier = stands.unwrap_or_default();
        let attempted = attempt.is_some_and(|attempt| dossier.attempt(attempt));
        let looked_up = || product_of(key, &knowledge.scan_rules, &knowledge.registry).into();
        let Pack { units_per_pack, catalog_code } = pack.unwrap_or_else(looked_up);
        let settings = knowledge.policy.settings();
        let lens = lens(now, settings, units_per_pack);
        let mut details: Vec<(SaleName, Details)> = sale.into_iter().collect();
        let picture = dossier.picture(history, &lens);
        for PicturedSale { name, part, .. } in dossier.unknown_duplicates(&picture) {
            if details.iter().all(|(known, _)| !known.is_same(name)) {
                let found = self.details_on_record(knowledge, key, name, part).await?;
                details.push((name.clone(), found));
            }
        }
        let screening = Screening {
            history,
            lens,
            rules: &settings.cases,
            policy_version: &knowledge.policy_version,
            makers_error: knowledge.registry.makers_error(key).map(|entry| entry.notice_no.as_str()),
            catalog_code: catalog_code.as_deref(),
            details: &details,
        };
        if !dossier.screen(&picture, &screening) {
            if !attempted {
                return Ok(None);
            }
            dossier.version = dossier.version.saturating_add(1);
        }
        Ok(Some(DossierChange { key: key.clone(), expected, dossier }))
    }
}

fn document_of(body: &Recorded) -> Option<&Document> {
    match body {
        Recorded::Dispense { document, .. } | Recorded::ReportedSale(document) => Some(document),
        Recorded::Return { .. } | Recorded::Movement(_) => None,
    }
}

/// The history on which a collision is looked at: with the sale where it was recorded, without it where not.
fn history_of<'a>(
    collided: &Collided,
    judgement: &'a Judgement,
    facts: &'a Facts,
) -> Option<(&'a CodeKey, &'a History)> {
    if judgement.recorded {
        let change = judgement.claims.iter().find(|change| change.key == collided.key);
        return change.map(|change| (&change.key, &change.history));
    }
    facts.histories.get_key_value(&collided.key)
}

/// What a recorded request says of the sale of a box.
pub(super) fn details_in(
    request_id: &str,
    outcome: &Outcome,
    knowledge: &Knowledge,
    key: &CodeKey,
    part: &Part,
) -> Option<Details> {
    let (document, _) = outcome.dispensed()?;
    let answer = outcome.answer.as_ref().filter(|answer| answer.recorded)?;
    let settlement_id = outcome.settlement_id.as_deref().or(document.settlement_id.as_deref());
    let brought = Brought { request_id, document, answer, settlement_id };
    let names = |scanned: &String| matches!(read(scanned, &knowledge.scan_rules), Scan::Code(code) if code.key() == *key);
    let wanted = match part {
        Part::Draw { line, .. } => Some(*line),
        Part::Whole => None,
    };
    let mut lines = document.lines.iter().filter(|line| wanted.is_none_or(|number| line.number == number));
    let line = lines.find(|line| line.scanned.iter().any(names))?;
    Some(brought.details_on(line, part))
}

impl Brought<'_> {
    fn line_of(&self, collided: &Collided) -> Option<&Line> {
        self.document.lines.iter().find(|line| line.number == collided.line)
    }

    fn details_on(&self, line: &Line, part: &Part) -> Details {
        let mut details = self.unpaid_on(line, part);
        details.amount =
            details.quantity.zip(line.unit_price).map(|(units, price)| (units * price).round_dp(2));
        details
    }

    /// As [`details_on`](Self::details_on), without an amount.
    fn unpaid_on(&self, line: &Line, part: &Part) -> Details {
        let quantity = match part {
            Part::Draw { units, .. } => *units,
            Part::Whole => line.quantity.map(|quantity| quantity / Decimal::from(line.scanned.len().max(1))),
        };
        Details {
            request_id: Some(self.request_id.to_owned()),
            line: Some(line.number),
            document_no: self.document.document_no.clone(),
            operator: self.document.operator.clone(),
            scene: Some(self.document.scene),
            payment: Some(line.payment),
            quantity,
            amount: None,
            settlement_id: self.settlement_id.map(str::to_owned),
            policy_version: Some(self.answer.policy_version.clone()),
            verdict: Some(self.answer.verdict),
        }
    }
}
