//! A store with many cases, put there through the store's own door: histories of two sales with a dossier each, and
//! boxes that were sold once.

use anyhow::Result;
use indicatif::ProgressBar;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use tracegate::domain::case::{Details, Dossier, Screening};
use tracegate::domain::claim::{Event, History, PaperKey, Part, SaleEvent, SaleName, SaleStatus};
use tracegate::domain::code::CodeKey;
use tracegate::domain::event::Payment;
use tracegate::domain::judge::{ClaimChange, lens};
use tracegate::domain::party::InstitutionCode;
use tracegate::domain::policy::Settings;
use tracegate::domain::tally::Count;
use tracegate::store::{Change, DossierChange, Store};

/// Cases of one change.
const CASES_AT_ONCE: u64 = 500;
/// The first day of the year in which everything happens: 2025-06-01 in Asia/Shanghai. Sales are counted on their days,
/// as everywhere.
const YEAR_BEGINS: i64 = 1_748_707_200;
/// Seconds of it.
const YEAR: u64 = 364 * 86_400;

/// Where cases lie in the year and the province.
pub(super) struct Filler<'a> {
    pub institutions: &'a [InstitutionCode],
    pub drugs: u64,
    pub cases: u64,
}

impl Filler<'_> {
    /// The code of a case, and of a box that was sold once.
    pub fn code(&self, number: u64) -> Result<CodeKey> {
        let prefix = 8_300_000 + number % self.drugs;
        CodeKey::parse(&format!("{prefix}{number:013}")).ok_or_else(|| anyhow::anyhow!("no code {number}"))
    }

    fn moment(&self, number: u64) -> Result<Timestamp> {
        // In order, so that the newest cases have the highest numbers.
        let seconds = YEAR_BEGINS + i64::try_from(number % self.cases * YEAR / self.cases)?;
        Ok(Timestamp::from_second(seconds)?)
    }

    fn sale(&self, number: u64, side: u64) -> Result<SaleEvent> {
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let at = usize::try_from((spread + side) % self.institutions.len() as u64)?;
        let institution = self.institutions.get(at).copied();
        let institution = institution.ok_or_else(|| anyhow::anyhow!("no institution {at}"))?;
        let gap = SignedDuration::from_hours(i64::try_from(side * (1 + spread % 400))?);
        let occurred_at = self.moment(number)?.saturating_add(gap)?;
        Ok(SaleEvent {
            institution,
            document: Some(PaperKey(number * 2 + side)),
            visit: None,
            occurred_at,
            received_at: occurred_at,
            part: Part::Whole,
            status: SaleStatus::Sold,
            first_findings: Vec::new(),
        })
    }

    fn case(&self, number: u64, settings: &Settings) -> Result<(ClaimChange, DossierChange)> {
        let key = self.code(number)?;
        let sales = [self.sale(number, 0)?, self.sale(number, 1)?];
        let details = |sale: &SaleEvent| {
            let amount = Decimal::new(i64::try_from(990 + number % 200_000).unwrap_or_default(), 2);
            let details = Details {
                document_no: Some(format!("D{}", sale.document.map_or(0, |paper| paper.0))),
                payment: Some(Payment::Insured),
                amount: Some(amount),
                ..Details::default()
            };
            (SaleName::of(sale), details)
        };
        let details = sales.each_ref().map(details);
        let [_, second] = &sales;
        let now = second.received_at;
        let mut history = History::default();
        sales.into_iter().for_each(|sale| history.record(Event::Sale(sale)));
        let catalog_code = format!("XA{:08}", number % self.drugs);
        let screening = Screening {
            history: &history,
            lens: lens(now, settings, None),
            rules: &settings.cases,
            policy_version: &"0123456789abcdef".into(),
            makers_error: None,
            catalog_code: Some(&catalog_code),
            details: &details,
        };
        let dossier = Dossier::default().screened(&screening);
        let dossier = dossier.ok_or_else(|| anyhow::anyhow!("two sales make no case"))?;
        Ok((
            ClaimChange { key: key.clone(), expected: None, history },
            DossierChange { key, expected: None, dossier },
        ))
    }

    /// Puts cases, and for each so many boxes that were sold once.
    pub async fn fill(&self, store: &dyn Store, others: u64, bar: &ProgressBar) -> Result<()> {
        let settings = Settings::default();
        let mut number = 0;
        while number < self.cases {
            let mut change = Change::default();
            for case in number..(number + CASES_AT_ONCE).min(self.cases) {
                let (claim, dossier) = self.case(case, &settings)?;
                change.claims.push(claim);
                change.dossiers.push(dossier);
                for other in 0..others {
                    let single = self.cases + case * others + other;
                    let history = History::default().with(Event::Sale(self.sale(single, 0)?));
                    change.claims.push(ClaimChange { key: self.code(single)?, expected: None, history });
                }
            }
            number = (number + CASES_AT_ONCE).min(self.cases);
            let mut count = Count::default();
            change.claims.iter().for_each(|claim| count.change(None, &claim.history));
            change.tallies = count.tallies();
            store.commit(&change).await?;
            bar.set_position(number);
        }
        Ok(())
    }
}
