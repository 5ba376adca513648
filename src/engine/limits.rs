//! Everything a request may bring has a limit; the error names it.

use super::{CallerLimits, EngineError, PolicyText};
use crate::domain::document::{Document, Line, PastEvent, ReturnDocument};
use crate::domain::outcome::REQUEST_ID_BYTES_MAX;
use crate::domain::purchase::PurchaseRecord;
use crate::domain::registry::{MakersError, RegistryRow};
use rust_decimal::Decimal;
use std::collections::BTreeSet;
use std::fmt::{self, Display};

/// The limits of one request; see the configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Lines of one document.
    pub lines_per_document_max: usize,
    /// Scans on one line.
    pub codes_per_line_max: usize,
    /// Scans in one document; bounds the size of an answer.
    pub codes_per_document_max: usize,
    /// Bytes of any number or name that a caller makes up.
    pub text_bytes_max: usize,
    /// Events in one report stream.
    pub events_per_report_max: usize,
    /// Rows in one load stream.
    pub rows_per_load_max: usize,
    /// Rows in one batch of an imported history.
    pub rows_per_import_batch_max: usize,
    /// Batches of one import that are judged and written at the same time.
    pub import_batches_in_flight_max: usize,
    /// Answers that are given while the ledger is away, and wait for it.
    pub provisional_answers_max: usize,
    /// What each caller may take.
    pub callers: CallerLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lines_per_document_max: 500,
            codes_per_line_max: 500,
            codes_per_document_max: 2_000,
            text_bytes_max: 128,
            events_per_report_max: 1_000,
            rows_per_load_max: 10_000,
            rows_per_import_batch_max: 5_000,
            import_batches_in_flight_max: 4,
            provisional_answers_max: 200_000,
            callers: CallerLimits::default(),
        }
    }
}

/// Bytes of a name, a note or a pattern in a loaded row.
const LONG_TEXT_BYTES_MAX: usize = 1_000;

/// Policy texts in one request.
const POLICY_TEXTS_MAX: usize = 16;

/// Bytes of all policy texts in one request together.
const POLICY_TEXT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The largest quantity or price that is still arithmetic and not a mistake.
const AMOUNT_MAX: i64 = 1_000_000_000_000;

pub(super) fn check_request_id(id: &str) -> Result<(), EngineError> {
    if id.is_empty() {
        return Err(EngineError::invalid(
            "request_id",
            "is empty; make one up that is unique in the institution",
        ));
    }
    if id.len() > REQUEST_ID_BYTES_MAX {
        let what = format!("has {} bytes, at most {REQUEST_ID_BYTES_MAX} are allowed", id.len());
        return Err(EngineError::invalid("request_id", what));
    }
    if id.chars().any(char::is_control) {
        return Err(EngineError::invalid("request_id", "holds a control character"));
    }
    Ok(())
}

impl Limits {
    /// Checks a document.
    pub fn check_document(&self, document: &Document) -> Result<(), EngineError> {
        self.check_text("document.document_no", document.document_no.as_deref())?;
        self.check_text("document.visit_no", document.visit_no.as_deref())?;
        self.check_text("document.settlement_id", document.settlement_id.as_deref())?;
        self.check_text("document.operator", document.operator.as_deref())?;
        self.check_lines(&document.lines)
    }

    /// Checks a return.
    pub fn check_return(&self, document: &ReturnDocument) -> Result<(), EngineError> {
        self.check_text("document.document_no", document.document_no.as_deref())?;
        self.check_text("document.visit_no", document.visit_no.as_deref())?;
        self.check_text("document.original_sale_no", document.original_sale_no.as_deref())?;
        self.check_text("document.settlement_id", document.settlement_id.as_deref())?;
        self.check_text("document.operator", document.operator.as_deref())?;
        self.check_lines(&document.lines)
    }

    /// Checks scans that stand on no line.
    pub fn check_scans(&self, field: impl Display, scanned: &[String]) -> Result<(), EngineError> {
        let limit = self.codes_per_line_max;
        if scanned.len() > limit {
            let what = format!(
                "{} codes, at most {limit} are allowed (codes_per_line_max); split it",
                scanned.len()
            );
            return Err(EngineError::invalid(field.to_string(), what));
        }
        Ok(())
    }

    /// Checks a text that a caller makes up.
    pub fn check_text(&self, field: impl Display, text: Option<&str>) -> Result<(), EngineError> {
        let length = text.map_or(0, str::len);
        if length > self.text_bytes_max {
            let what =
                format!("has {length} bytes, at most {} are allowed (text_bytes_max)", self.text_bytes_max);
            return Err(EngineError::invalid(field.to_string(), what));
        }
        if text.is_some_and(|t| t.chars().any(char::is_control)) {
            return Err(EngineError::invalid(field.to_string(), "holds a control character"));
        }
        Ok(())
    }

    /// Checks what somebody gives as a reason.
    pub fn check_reason(&self, field: &str, reason: Option<&str>) -> Result<(), EngineError> {
        check_long_text(field, reason.unwrap_or_default())
    }

    /// Checks a purchase record.
    pub fn check_purchase(&self, record: &PurchaseRecord) -> Result<(), EngineError> {
        self.check_text("catalog_code", Some(&record.catalog_code))?;
        self.check_text("order_no", Some(&record.order_no))?;
        self.check_text("lot_no", Some(&record.lot_no))?;
        check_long_text("supplier", &record.supplier)?;
        check_amount("quantity", Some(record.quantity))?;
        check_money("unit_price", record.unit_price)
    }

    /// Checks the size of a batch of an imported history.
    pub fn check_import_batch(&self, rows: usize) -> Result<(), EngineError> {
        let limit = self.rows_per_import_batch_max;
        if rows > limit {
            let what =
                format!("{rows} rows, at most {limit} are allowed (rows_per_import_batch_max); split it");
            return Err(EngineError::invalid("rows", what));
        }
        Ok(())
    }

    /// Checks a row of an imported history.
    pub fn check_past(&self, event: &PastEvent) -> Result<(), EngineError> {
        self.check_text("document_no", event.document_no.as_deref())?;
        self.check_text("visit_no", event.visit_no.as_deref())?;
        self.check_text("catalog_code", event.catalog_code.as_deref())?;
        check_amount("quantity", event.quantity)?;
        check_amount("line_quantity", event.line_quantity)
    }

    /// Checks a registry row.
    pub fn check_row(&self, row: &RegistryRow) -> Result<(), EngineError> {
        match row {
            RegistryRow::Institution(institution) => {
                check_long_text("name", &institution.name)?;
                self.check_text("chain_group", institution.chain_group.as_deref())
            }
            RegistryRow::Drug(drug) => {
                self.check_text("catalog_code", Some(&drug.catalog_code))?;
                check_long_text("name", &drug.name)?;
                self.check_text("dosage_form", Some(&drug.dosage_form))?;
                check_money("listed_price", drug.listed_price)
            }
            RegistryRow::NoCode(entry) => {
                self.check_text("catalog_code", Some(&entry.catalog_code))?;
                check_long_text("note", &entry.note)
            }
            RegistryRow::MakersError(entry) => {
                self.check_text("notice_no", Some(&entry.notice_no))?;
                check_long_text("note", &entry.note)?;
                check_codes(entry)
            }
            RegistryRow::OwnScheme(scheme) => {
                self.check_text("issuer", Some(&scheme.issuer))?;
                self.check_text("catalog_code", scheme.catalog_code.as_deref())?;
                check_long_text("pattern", &scheme.pattern)
            }
            RegistryRow::AccessKey(key) => check_long_text("label", &key.label),
            RegistryRow::JoinKey(_) => Ok(()),
            RegistryRow::Feed(_) => Ok(()),
        }
    }

    /// Checks policy texts as far as they are texts; what they say is for the reader.
    pub fn check_policy_texts(&self, texts: &[PolicyText]) -> Result<(), EngineError> {
        if texts.is_empty() || texts.len() > POLICY_TEXTS_MAX {
            let what = format!("{} texts; send 1 to {POLICY_TEXTS_MAX}", texts.len());
            return Err(EngineError::invalid("files", what));
        }
        let bytes: usize = texts.iter().map(|t| t.text.len()).sum();
        if bytes > POLICY_TEXT_BYTES_MAX {
            let what = format!("{bytes} bytes in all, at most {POLICY_TEXT_BYTES_MAX} are allowed");
            return Err(EngineError::invalid("files", what));
        }
        let mut names = BTreeSet::new();
        for (at, PolicyText { name, .. }) in texts.iter().enumerate() {
            let field = format!("files[{at}].name");
            self.check_text(&field, Some(name))?;
            if name.is_empty() || !names.insert(name) {
                return Err(EngineError::invalid(field, "is empty or stands twice; name each text"));
            }
        }
        Ok(())
    }

    fn check_lines(&self, lines: &[Line]) -> Result<(), EngineError> {
        let (count, limit) = (lines.len(), self.lines_per_document_max);
        if count == 0 {
            return Err(EngineError::invalid("document.lines", "is empty; a document has at least one line"));
        }
        if count > limit {
            let what = format!(
                "{count} lines, at most {limit} are allowed (lines_per_document_max); split the document"
            );
            return Err(EngineError::invalid("document.lines", what));
        }
        let (codes, limit) =
            (lines.iter().map(|l| l.scanned.len()).sum::<usize>(), self.codes_per_document_max);
        if codes > limit {
            let what = format!(
                "{codes} codes, at most {limit} are allowed (codes_per_document_max); split the document"
            );
            return Err(EngineError::invalid("document.lines", what));
        }
        let mut numbers = BTreeSet::new();
        for (at, line) in lines.iter().enumerate() {
            // Put together only where something is wrong.
            let field = |name: &'static str| fmt::from_fn(move |f| write!(f, "document.lines[{at}].{name}"));
            if !numbers.insert(line.number) {
                return Err(EngineError::invalid(
                    field("line_no").to_string(),
                    format!("{} stands on two lines", line.number),
                ));
            }
            self.check_scans(field("codes"), &line.scanned)?;
            self.check_text(field("catalog_code"), line.catalog_code.as_deref())?;
            check_amount(field("quantity"), line.quantity)?;
            check_money(field("unit_price"), line.unit_price)?;
        }
        Ok(())
    }
}

/// Names, notes and patterns.
fn check_long_text(field: impl Display, text: &str) -> Result<(), EngineError> {
    if text.len() > LONG_TEXT_BYTES_MAX {
        let what = format!("has {} bytes, at most {LONG_TEXT_BYTES_MAX} are allowed", text.len());
        return Err(EngineError::invalid(field.to_string(), what));
    }
    if text.chars().any(char::is_control) {
        return Err(EngineError::invalid(field.to_string(), "holds a control character"));
    }
    Ok(())
}

/// Checks a price or an amount of money.
pub(super) fn check_money(field: impl Display, amount: Option<Decimal>) -> Result<(), EngineError> {
    if amount.is_some_and(|a| a.is_sign_negative() && !a.is_zero()) {
        return Err(EngineError::invalid(field.to_string(), "is negative"));
    }
    check_amount(field, amount)
}

fn check_amount(field: impl Display, amount: Option<Decimal>) -> Result<(), EngineError> {
    if amount.is_some_and(|a| a.abs() > Decimal::from(AMOUNT_MAX) || a.scale() > 10) {
        let what = format!("is out of range: at most {AMOUNT_MAX} with 10 decimal places");
        return Err(EngineError::invalid(field.to_string(), what));
    }
    Ok(())
}

/// A run of codes is one of numbers: of one family, and in order.
fn check_codes(entry: &MakersError) -> Result<(), EngineError> {
    let (first, last) = (&entry.first, &entry.last);
    if first == last || (first.is_msfx() && last.is_msfx() && first < last) {
        return Ok(());
    }
    Err(EngineError::invalid(
        "last_code",
        "a run of codes has 20 digits at both ends, the first below the last",
    ))
}
