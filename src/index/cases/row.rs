//! What is kept of one case to find, order and count it.

use crate::domain::case::{Case, CaseClass, CaseName, CaseState, Dossier, Ending, Involved};
use crate::domain::code::CodeKey;
use crate::domain::party::{Division, InstitutionCode};
use jiff::civil::Date;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// How a case ended, with what it brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub ending: Ending,
    /// Fen to be recovered.
    pub recovered_fen: i64,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseRow {
    /// Its name.
    pub name: CaseName,
    /// When it was opened, in microseconds since 1970 UTC.
    pub opened_at: i64,
    /// When its first event happened.
    pub occurred_at: i64,
    /// Fen at stake, or recovered once it is closed as a violation; `None` = not known.
    pub amount_fen: Option<i64>,
    /// Fen that were given back voluntarily.
    pub refunded_fen: i64,
    /// Its class.
    pub class: CaseClass,
    /// Its state.
    pub state: CaseState,
    /// How it ended.
    pub ended: Option<Ended>,
    /// The drug.
    pub catalog_code: Option<String>,
    /// Everybody who takes part, each once.
    pub parties: Box<[InstitutionCode]>,
    /// Whose sales are the duplicates, each once.
    pub accused: Box<[InstitutionCode]>,
    /// The division that handles it.
    pub place_of_care: Option<Division>,
    /// The last day of the step that is due.
    pub due_on: Option<Date>,
    /// A late event proposes something.
    pub has_proposal: bool,
}

impl CaseRow {
    /// The row of a case.
    pub fn of(key: &CodeKey, dossier: &Dossier, case: &Case) -> Self {
        let ended = case
            .conclusion
            .as_ref()
            .map(|conclusion| Ended { ending: conclusion.ending, recovered_fen: fen(conclusion.recovered) });
        let amount = match ended {
            Some(Ended { ending: Ending::Violation, recovered_fen }) => Some(recovered_fen),
            Some(_) | None => dossier.at_stake(case).map(fen),
        };
        Self {
            name: CaseName { key: key.clone(), number: case.number },
            opened_at: case.opened_at.as_microsecond(),
            occurred_at: case.occurred_at().as_microsecond(),
            amount_fen: amount,
            refunded_fen: fen(case.refunded),
            class: case.class,
            state: case.state,
            ended,
            catalog_code: case.catalog_code.clone(),
            parties: each_once(case.involved.iter()),
            accused: each_once(case.duplicates()),
            place_of_care: case.place_of_care(),
            due_on: case.due_on,
            has_proposal: case.proposal.as_ref().is_some_and(|proposal| !proposal.is_rejected),
        }
    }

    /// Divisions of everybody who takes part.
    pub fn divisions(&self) -> impl Iterator<Item = Division> + '_ {
        self.parties.iter().map(|party| party.division())
    }
}

fn each_once<'a>(involved: impl Iterator<Item = &'a Involved>) -> Box<[InstitutionCode]> {
    let mut codes: Vec<_> = involved.map(|involved| involved.name.institution).collect();
    codes.sort_unstable();
    codes.dedup();
    codes.into()
}

fn fen(yuan: Decimal) -> i64 {
    (yuan * Decimal::ONE_HUNDRED).round().to_i64().unwrap_or(i64::MAX)
}
