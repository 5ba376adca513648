//! Cases of one box, told as short stories: sales, attempts, returns and voids with their times of event and arrival,
//! and after each of them what the dossier says.

mod calendar;
mod properties;
mod recovery;
mod screened;
mod stored;
mod table;

use super::*;
use crate::domain::claim::{Event, History, Lens, PaperKey, Part, ReturnEvent, SaleEvent, SaleStatus};
use crate::domain::policy::CaseRules;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

pub(super) const HOUR: i64 = 60;
pub(super) const DAY: i64 = 24 * HOUR;

/// 2026-06-01T00:00:00Z, a Monday.
pub(super) fn moment(minute: i64) -> Timestamp {
    Timestamp::from_second(1_780_272_000 + minute * 60).unwrap()
}

pub(super) fn pharmacy(who: u64) -> InstitutionCode {
    InstitutionCode::parse(&format!("P{:011}", 13_010_200_000 + who)).unwrap()
}

pub(super) fn lens(now: i64) -> Lens {
    Lens {
        now: moment(now),
        units_per_pack: Some(36),
        proposal_limit: SignedDuration::from_hours(72),
        close_window: SignedDuration::from_hours(7 * 24),
    }
}

pub(super) fn sale(who: u64, document: u64, at: i64, heard: i64) -> SaleEvent {
    SaleEvent {
        institution: pharmacy(who),
        document: Some(PaperKey(document)),
        visit: None,
        occurred_at: moment(at),
        received_at: moment(heard),
        part: Part::Whole,
        status: SaleStatus::Sold,
        first_findings: Vec::new(),
    }
}

/// Details of a sale that the fund paid `yuan` for.
pub(super) fn paid(yuan: i64) -> Details {
    Details { amount: Some(Decimal::from(yuan)), payment: Some(Payment::Insured), ..Details::default() }
}

/// One box with its history and dossier.
#[derive(Debug, Clone, Default)]
pub(super) struct Box1 {
    pub history: History,
    pub dossier: Dossier,
    pub makers_error: Option<&'static str>,
}

impl Box1 {
    pub fn sold(&mut self, who: u64, document: u64, at: i64, heard: i64) -> &mut Self {
        self.history.record(Event::Sale(sale(who, document, at, heard)));
        self.screen(heard)
    }

    pub fn returned(&mut self, who: u64, document: u64, at: i64, heard: i64) -> &mut Self {
        self.history.record(Event::Return(ReturnEvent {
            institution: pharmacy(who),
            document: Some(PaperKey(document)),
            visit: None,
            occurred_at: moment(at),
            received_at: moment(heard),
            units: None,
        }));
        self.screen(heard)
    }

    pub fn voided(&mut self, who: u64, document: u64, heard: i64) -> &mut Self {
        for event in &mut self.history.events {
            if let Event::Sale(sale) = event
                && (sale.institution, sale.document) == (pharmacy(who), Some(PaperKey(document)))
            {
                sale.status = SaleStatus::Voided;
            }
        }
        self.history.version += 1;
        self.screen(heard)
    }

    pub fn attempted(&mut self, who: u64, document: u64, at: i64) -> &mut Self {
        self.dossier.attempt(sale(who, document, at, at), Details::default());
        self.screen(at)
    }

    pub fn annulled(&mut self, place: usize, at: i64) -> &mut Self {
        self.history = self.history.annulled(place).expect("an event that counts");
        self.screen(at)
    }

    /// Screens, and checks that a second screening of the same facts changes nothing.
    pub fn screen(&mut self, now: i64) -> &mut Self {
        let rules = CaseRules::default();
        let names = self.history.events.iter().filter_map(|event| match event {
            Event::Sale(sale) => Some((SaleName::of(sale), paid(100))),
            Event::Return(_) | Event::Movement(_) | Event::Annulled(_) => None,
        });
        let names: Vec<_> = names.collect();
        let screening = Screening {
            history: &self.history,
            lens: lens(now),
            rules: &rules,
            policy_version: &"p".into(),
            makers_error: self.makers_error,
            catalog_code: None,
            details: &names,
        };
        if let Some(next) = self.dossier.screened(&screening) {
            assert_eq!(next.version, self.dossier.version + 1);
            assert_eq!(next.screened(&screening), None, "asking twice changes something");
            stored::is_read_back(&next);
            self.dossier = next;
        }
        self
    }

    pub fn does(
        &mut self,
        number: u32,
        by: ActorKind,
        action: Action,
        at: i64,
    ) -> Result<&mut Self, Refused> {
        let name = if by == ActorKind::Bureau { "Li" } else { "Wang" };
        let deed = deed(by, name, action, at);
        self.dossier = self.dossier.advanced(number, &deed, &CaseRules::default())?;
        Ok(self)
    }

    /// `CLASS STATE[:ENDING] first/duplicate…` of every case.
    pub fn told(&self) -> Vec<String> {
        let case = |case: &Case| {
            let ending = case.conclusion.as_ref().map(|c| format!(":{}", c.ending)).unwrap_or_default();
            let proposal = case.proposal.as_ref().filter(|p| !p.is_rejected);
            let proposal = proposal.map(|p| format!(" ?{}", p.kind)).unwrap_or_default();
            let side = |involved: &Involved| {
                let sign = match involved.side {
                    Side::First => "",
                    Side::Duplicate => "!",
                    Side::Cleared => "-",
                };
                let attempt = if involved.is_attempt { "?" } else { "" };
                format!("{sign}{}{attempt}", involved.name.document.map_or(0, |d| d.0))
            };
            let mut sides: Vec<String> = case.involved.iter().map(side).collect();
            sides.sort();
            format!("{} {}{ending} {}{proposal}", case.class, case.state, sides.join(" "))
        };
        self.dossier.cases.iter().map(case).collect()
    }
}

pub(super) fn deed(by: ActorKind, name: &str, action: Action, at: i64) -> Deed {
    let of = if by == ActorKind::Bureau { "1301" } else { "P13010200001" };
    Deed {
        action,
        actor: Actor { kind: by, of: of.to_owned(), name: name.to_owned() },
        at: moment(at),
        note: "because".to_owned(),
        files: Vec::new(),
        policy_version: "p".into(),
    }
}
