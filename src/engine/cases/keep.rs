//! What follows for the cases of a code from a change of its history, or from an attempt that was blocked: part of the
//! same change, so that no crash can part them.

use super::super::{Engine, EngineError, Facts, Knowledge};
use crate::domain::case::{Details, Dossier, Screening};
use crate::domain::claim::{Folded, History, Lens, Part, Picture, PicturedSale, SaleName};
use crate::domain::code::{CodeKey, Scan, read};
use crate::domain::document::{Document, Line};
use crate::domain::judge::{ClaimChange, Collided, Judgement, Pack, lens, product_of};
use crate::domain::outcome::{Answer, Outcome, Recorded, RequestKey};
use crate::store::DossierChange;
use jiff::Timestamp;
use rust_decimal::Decimal;
use std::iter::{Peekable, Zip};
use std::vec::IntoIter;

/// A code whose history changes, with its history as it will be.
pub(in crate::engine) type Touched<'a> = (&'a CodeKey, &'a History);

/// One code whose cases may change.
struct Docket<'a> {
    key: &'a CodeKey,
    /// Its history as it will be.
    history: &'a History,
    /// The version of the dossier that stands.
    expected: Option<u32>,
    /// What stands, with an attempt that was blocked now.
    dossier: Dossier,
    attempted: bool,
    lens: Lens,
    catalog_code: Option<String>,
    picture: Picture,
    /// Sales whose details are at hand.
    details: Vec<(SaleName, Details)>,
}

impl<'a> Docket<'a> {
    /// What stands, without a picture yet.
    fn of(
        (key, history): Touched<'a>,
        stands: Option<Dossier>,
        pack: Pack,
        (now, knowledge): (Timestamp, &Knowledge),
    ) -> Self {
        Self {
            key,
            history,
            expected: stands.as_ref().map(|dossier| dossier.version),
            dossier: stands.unwrap_or_default(),
            attempted: false,
            lens: lens(now, knowledge.policy.settings(), pack.units_per_pack),
            catalog_code: pack.catalog_code,
            picture: Picture::default(),
            details: Vec::new(),
        }
    }

    /// Pictures what is known of the code. `folded` = what the judgement of its last sale or attempt folded.
    fn take_picture(&mut self, folded: Option<&Folded>) {
        let Self { dossier, history, lens, .. } = self;
        let known = folded.and_then(|folded| dossier.picture_from(folded, history, lens));
        self.picture = known.unwrap_or_else(|| dossier.picture(history, lens));
    }

    /// What follows; `None` = nothing changes.
    fn screened(self, knowledge: &Knowledge) -> Option<DossierChange> {
        let Self { key, history, expected, mut dossier, attempted, lens, catalog_code, picture, details } =
            self;
        let screening = Screening {
            history,
            lens,
            rules: &knowledge.policy.settings().cases,
            policy_version: &knowledge.policy_version,
            makers_error: knowledge.registry.makers_error(key).map(|entry| entry.notice_no.as_str()),
            catalog_code: catalog_code.as_deref(),
            details: &details,
        };
        if !dossier.screen(&picture, &screening) {
            if !attempted {
                return None;
            }
            dossier.version = dossier.version.saturating_add(1);
        }
        Some(DossierChange { key: key.clone(), expected, dossier })
    }
}

/// The dossiers of some codes, in the order in which they were asked for.
struct OnFile(Peekable<Zip<IntoIter<CodeKey>, IntoIter<Option<Dossier>>>>);

impl OnFile {
    /// The dossier of the next code.
    fn of(&mut self, key: &CodeKey) -> Option<Dossier> {
        self.0.next_if(|(known, _)| known == key).and_then(|(_, dossier)| dossier)
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
        let is_other = |change: &&ClaimChange| all_collided.iter().all(|collided| collided.key != change.key);
        let touched: Vec<Touched<'_>> =
            with_case.filter(is_other).map(|change| (&change.key, &change.history)).collect();
        if touched.is_empty() && all_collided.is_empty() {
            return Ok(Vec::new());
        }
        let collided_keys = all_collided.iter().map(|collided| &collided.key);
        let mut on_file = self.on_file(touched.iter().map(|(key, _)| *key).chain(collided_keys)).await?;
        let mut changes = Vec::with_capacity(touched.len() + all_collided.len());
        for touched in touched {
            changes.extend(self.screen_code(&facts.knowledge, facts.now, touched, &mut on_file).await?);
        }
        let brought = document_of(asked.body).map(|document| Brought {
            request_id: &asked.key.request_id,
            document,
            answer: asked.answer,
            settlement_id: asked.settlement_id.or(document.settlement_id.as_deref()),
        });
        let mut all_collided = all_collided.into_iter();
        while let Some(collided) = all_collided.next() {
            let stands = on_file.of(&collided.key);
            // Of a code on several lines the last one speaks.
            let is_last = all_collided.as_slice().iter().all(|later| later.key != collided.key);
            let Some(touched) = history_of(&collided, judgement, facts).filter(|_| is_last) else { continue };
            let mut docket =
                docket_of(collided, touched, stands, brought.as_ref(), judgement.recorded, facts);
            self.look_up(&facts.knowledge, &mut docket).await?;
            changes.extend(docket.screened(&facts.knowledge));
        }
        Ok(changes)
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
        let mut on_file = self.on_file(touched.iter().map(|(key, _)| *key)).await?;
        let mut changes = Vec::with_capacity(touched.len());
        for touched in touched {
            changes.extend(self.screen_code(knowledge, now, touched, &mut on_file).await?);
        }
        Ok(changes)
    }

    /// The dossiers of those codes that have one.
    async fn on_file(&self, keys: impl Iterator<Item = &CodeKey>) -> Result<OnFile, EngineError> {
        let keys: Vec<CodeKey> = keys.filter(|key| self.may_have_dossier(key)).cloned().collect();
        let dossiers = if keys.is_empty() { Vec::new() } else { self.store.dossiers(&keys).await? };
        Ok(OnFile(keys.into_iter().zip(dossiers).peekable()))
    }

    /// Whether the store must be asked for the dossier of a code. A store that nobody else writes tells of each before
    /// it answers whoever wrote it; where one comes up meanwhile, it stands in the way of the commit.
    fn may_have_dossier(&self, key: &CodeKey) -> bool {
        self.store.has_others() || self.case_index.may_have_dossier(key)
    }

    /// What follows for one code.
    async fn screen_code(
        &self,
        knowledge: &Knowledge,
        now: Timestamp,
        touched: Touched<'_>,
        on_file: &mut OnFile,
    ) -> Result<Option<DossierChange>, EngineError> {
        let stands = on_file.of(touched.0);
        self.screen_dossier(knowledge, now, touched, stands).await
    }

    /// What follows for one code whose dossier stands so.
    pub(super) async fn screen_dossier(
        &self,
        knowledge: &Knowledge,
        now: Timestamp,
        (key, history): Touched<'_>,
        stands: Option<Dossier>,
    ) -> Result<Option<DossierChange>, EngineError> {
        let pack = product_of(key, &knowledge.scan_rules, &knowledge.registry).into();
        let mut docket = Docket::of((key, history), stands, pack, (now, knowledge));
        docket.take_picture(None);
        self.look_up(knowledge, &mut docket).await?;
        Ok(docket.screened(knowledge))
    }

    /// Looks up what the dossier needs to know of sales on record.
    async fn look_up(&self, knowledge: &Knowledge, docket: &mut Docket<'_>) -> Result<(), EngineError> {
        let Docket { key, dossier, picture, details, .. } = docket;
        for PicturedSale { name, part, .. } in dossier.unknown_duplicates(picture) {
            if details.iter().all(|(known, _)| !known.is_same(name)) {
                let found = self.details_on_record(knowledge, key, name, part).await?;
                details.push((name.clone(), found));
            }
        }
        Ok(())
    }
}

/// A code that collides; `brought` = the request that brings it, `recorded` = it became a sale.
fn docket_of<'a>(
    collided: Collided,
    touched: Touched<'a>,
    stands: Option<Dossier>,
    brought: Option<&Brought<'_>>,
    recorded: bool,
    facts: &Facts,
) -> Docket<'a> {
    let found = brought.and_then(|brought| brought.line_of(&collided).zip(Some(brought)));
    let Collided { sale, folded, pack, .. } = collided;
    let mut docket = Docket::of(touched, stands, pack, (facts.now, &facts.knowledge));
    if recorded {
        let details = found.map(|(line, brought)| brought.details_on(line, &sale.part));
        docket.details.push((SaleName::of(&sale), details.unwrap_or_default()));
    } else {
        // Nobody paid for what was blocked.
        let details = found.map(|(line, brought)| brought.unpaid_on(line, &sale.part));
        docket.attempted = docket.dossier.attempt(sale, details.unwrap_or_default());
    }
    docket.take_picture(folded.as_ref());
    docket
}

fn document_of(body: &Recorded) -> Option<&Document> {
    match body {
        Recorded::Dispense { document, .. } | Recorded::ReportedSale(document) => Some(document),
        Recorded::Return { .. } | Recorded::Movement(_) => None,
    }
}

/// The history on which a collision is looked at: with the sale where it was recorded, without it where not.
fn history_of<'a>(collided: &Collided, judgement: &'a Judgement, facts: &'a Facts) -> Option<Touched<'a>> {
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
            Part::Whole if line.scanned.len() <= 1 => line.quantity,
            Part::Whole => line.quantity.map(|quantity| quantity / Decimal::from(line.scanned.len())),
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
