//! A case as rows of a spreadsheet, one for each sale or attempt.

use crate::domain::time::local_time;
use crate::engine::{CaseView, InvolvedView};
use crate::sheets::Cell;

/// Columns with what a row says in them.
type Column = (&'static str, fn(&CaseView, &InvolvedView) -> Cell);

fn text(value: Option<impl ToString>) -> Cell {
    Cell::text(value.map(|value| value.to_string()).unwrap_or_default())
}

const COLUMNS: [Column; 32] = [
    ("case_id", |case, _| Cell::text(case.name.to_string())),
    ("code", |case, _| Cell::text(case.name.key.to_string())),
    ("class", |case, _| Cell::text(case.case.class.name())),
    ("state", |case, _| Cell::text(case.case.state.name())),
    ("ending", |case, _| text(case.case.conclusion.as_ref().map(|c| c.ending))),
    ("opened_at", |case, _| Cell::text(local_time(case.case.opened_at))),
    ("place_of_care", |case, _| text(case.place_of_care)),
    ("catalog_code", |case, _| text(case.case.catalog_code.as_ref())),
    ("drug_name", |case, _| Cell::text(case.drug_name.clone())),
    ("at_stake", |case, _| Cell::Number(case.at_stake)),
    ("recovered", |case, _| Cell::Number(case.money.and_then(|money| money.recovered))),
    ("refunded", |case, _| Cell::Number(case.money.map(|money| money.refunded))),
    ("due_on", |case, _| text(case.case.due_on)),
    ("side", |_, sale| Cell::text(sale.side.name())),
    ("sale_class", |_, sale| text(sale.class)),
    ("attempt", |_, sale| Cell::Flag(sale.is_attempt)),
    ("institution_code", |_, sale| text(sale.institution)),
    ("institution_name", |_, sale| Cell::text(sale.institution_name.clone())),
    ("division", |_, sale| text(sale.institution.map(|code| code.division()))),
    ("occurred_at", |_, sale| Cell::text(local_time(sale.occurred_at))),
    ("received_at", |_, sale| Cell::text(local_time(sale.received_at))),
    ("fate", |_, sale| Cell::text(sale.fate.name())),
    ("sale_recovered", |_, sale| Cell::Flag(sale.is_recovered)),
    ("document_no", |_, sale| text(sale.details.document_no.as_ref())),
    ("line_no", |_, sale| text(sale.details.line)),
    ("operator", |_, sale| text(sale.details.operator.as_ref())),
    ("payment", |_, sale| text(sale.details.payment)),
    ("quantity", |_, sale| Cell::Number(sale.details.quantity)),
    ("amount", |_, sale| Cell::Number(sale.details.amount)),
    ("settlement_id", |_, sale| text(sale.details.settlement_id.as_ref())),
    ("verdict", |_, sale| text(sale.details.verdict)),
    ("policy_version", |_, sale| text(sale.details.policy_version.as_ref())),
];

/// The names of the columns.
pub(crate) fn case_columns() -> [&'static str; COLUMNS.len()] {
    COLUMNS.map(|(name, _)| name)
}

/// The rows of a case.
pub(crate) fn case_cells(case: &CaseView) -> Vec<Vec<Cell>> {
    let row = |sale: &InvolvedView| COLUMNS.iter().map(|(_, cell)| cell(case, sale)).collect();
    case.involved.iter().map(row).collect()
}
