//! Rows of the registry files: institutions, drugs, the no-code list, own schemes of manufacturers.
//!
//! Says which column holds what and which values are lawful; how a value is written is the cells' business.

use super::cells::{Cells, bad, shown};
use super::error::BadCell;
use super::rows::Row;
use crate::domain::drug::{Drug, DrugClass, NoCodeEntry, PackLevel};
use crate::domain::party::{
    Division, Institution, InstitutionCode, InstitutionKind, InstitutionStatus, Ownership,
};

/// Characters in the longest name of an institution or a product.
pub(super) const NAME_CHARS_MAX: usize = 200;
/// Characters in the longest catalogue code.
const CATALOG_CODE_CHARS_MAX: usize = 50;
/// Characters in the longest group name, dosage form or issuer.
const LABEL_CHARS_MAX: usize = 100;
/// Characters in the longest note.
const NOTE_CHARS_MAX: usize = 500;
/// Characters in the longest pattern of an own scheme.
const PATTERN_CHARS_MAX: usize = 500;

/// A manufacturer's own code scheme, as the file has it; the pattern is not compiled here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSchemeRow {
    /// Who registered the scheme.
    pub issuer: String,
    /// A regular expression that a whole code has to match.
    pub pattern: String,
    /// The drug that the scheme's codes stand for; `None` = it does not follow from the code.
    pub catalog_code: Option<String>,
    /// Which pack the scheme's codes stand for.
    pub pack_level: PackLevel,
    /// Smallest priced units in this pack; `None` = not known.
    pub units_per_pack: Option<u32>,
}

impl Row for Institution {
    const FILE_NAME: &'static str = "institutions.csv";
    const REQUIRED: &'static [&'static str] = &[
        "institution_code",
        "name",
        "kind",
        "division",
        "ownership",
        "agreement_signed_on",
        "transition_ends_on",
        "chain_group",
        "status",
    ];
    const OPTIONAL: &'static [&'static str] = &["goes_live_on"];

    fn read(cells: &Cells<'_>) -> Result<Self, BadCell> {
        let code = institution_code(cells)?;
        Ok(Self {
            code,
            name: cells.text("name", NAME_CHARS_MAX)?,
            kind: kind_of(cells, code)?,
            division: division(cells)?,
            ownership: cells.choice("ownership", Ownership::ALL, Ownership::from_name)?,
            agreement_signed_on: cells.date("agreement_signed_on")?,
            transition_ends_on: cells.date("transition_ends_on")?,
            chain_group: cells.optional_key("chain_group", LABEL_CHARS_MAX)?,
            status: cells.choice("status", InstitutionStatus::ALL, InstitutionStatus::from_name)?,
            goes_live_on: cells.date("goes_live_on")?,
        })
    }
}

impl Row for Drug {
    const FILE_NAME: &'static str = "drugs.csv";
    const REQUIRED: &'static [&'static str] = &[
        "code_prefix",
        "catalog_code",
        "name",
        "pack_level",
        "units_per_pack",
        "drug_class",
        "dosage_form",
        "carton_only",
        "must_split",
        "listed_price",
    ];

    fn read(cells: &Cells<'_>) -> Result<Self, BadCell> {
        Ok(Self {
            code_prefix: code_prefix(cells)?,
            catalog_code: catalog_code(cells)?,
            name: cells.text("name", NAME_CHARS_MAX)?,
            pack_level: cells.choice("pack_level", PackLevel::ALL, PackLevel::from_name)?,
            units_per_pack: cells.count("units_per_pack")?,
            drug_class: cells.choice("drug_class", DrugClass::ALL, DrugClass::from_name)?,
            dosage_form: cells.text("dosage_form", LABEL_CHARS_MAX)?,
            carton_only: cells.flag("carton_only")?,
            must_split: cells.flag("must_split")?,
            listed_price: cells.price("listed_price")?,
        })
    }
}

impl Row for NoCodeEntry {
    const FILE_NAME: &'static str = "no_code_list.csv";
    const REQUIRED: &'static [&'static str] =
        &["catalog_code", "division_prefix", "valid_from", "valid_to", "note"];

    fn read(cells: &Cells<'_>) -> Result<Self, BadCell> {
        let (valid_from, valid_to) = (cells.date("valid_from")?, cells.date("valid_to")?);
        if valid_from.zip(valid_to).is_some_and(|(from, to)| to < from) {
            return Err(bad("valid_to", "lies before valid_from; exchange the two or correct one"));
        }
        let prefix = cells.raw("division_prefix");
        if !is_division_prefix(prefix) {
            let form = "write up to six digits, or leave it empty for the whole country";
            return Err(bad("division_prefix", &format!("is {}; {form}", shown(prefix))));
        }
        Ok(Self {
            catalog_code: catalog_code(cells)?,
            division_prefix: prefix.to_owned(),
            valid_from,
            valid_to,
            note: cells.text("note", NOTE_CHARS_MAX)?,
        })
    }
}

impl Row for OwnSchemeRow {
    const FILE_NAME: &'static str = "own_schemes.csv";
    const REQUIRED: &'static [&'static str] =
        &["issuer", "pattern", "catalog_code", "pack_level", "units_per_pack"];

    fn read(cells: &Cells<'_>) -> Result<Self, BadCell> {
        Ok(Self {
            issuer: cells.key("issuer", LABEL_CHARS_MAX)?,
            pattern: cells.key("pattern", PATTERN_CHARS_MAX)?,
            catalog_code: cells.optional_key("catalog_code", CATALOG_CODE_CHARS_MAX)?,
            pack_level: cells.choice("pack_level", PackLevel::ALL, PackLevel::from_name)?,
            units_per_pack: cells.count("units_per_pack")?,
        })
    }
}

/// The institution code of the column that every file calls by the same name.
pub(super) fn institution_code(cells: &Cells<'_>) -> Result<InstitutionCode, BadCell> {
    let cell = cells.raw("institution_code");
    InstitutionCode::parse(cell).map_err(|_| {
        let form = "write H or P and 11 digits, like H13010200123";
        bad("institution_code", &format!("is {}; {form}", shown(cell)))
    })
}

/// The catalogue code of the column that every file calls by the same name.
pub(super) fn catalog_code(cells: &Cells<'_>) -> Result<String, BadCell> {
    cells.key("catalog_code", CATALOG_CODE_CHARS_MAX)
}

/// As [`catalog_code`], where the file may leave it open.
pub(super) fn optional_catalog_code(cells: &Cells<'_>) -> Result<Option<String>, BadCell> {
    cells.optional_key("catalog_code", CATALOG_CODE_CHARS_MAX)
}

/// Whether these are 0 to 6 digits.
pub(super) fn is_division_prefix(text: &str) -> bool {
    text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn kind_of(cells: &Cells<'_>, code: InstitutionCode) -> Result<InstitutionKind, BadCell> {
    let kind = cells.choice("kind", InstitutionKind::ALL, InstitutionKind::from_name)?;
    if kind == code.kind() {
        return Ok(kind);
    }
    let by_code = code.kind();
    Err(bad("kind", &format!("is {kind} but the code {code} is that of a {by_code}; correct one of them")))
}

/// The division need not be the one in the code: institutions keep their code when areas are redrawn.
fn division(cells: &Cells<'_>) -> Result<Division, BadCell> {
    let cell = cells.raw("division");
    Division::parse(cell)
        .ok_or_else(|| bad("division", &format!("is {}; write the six-digit division code", shown(cell))))
}

/// Seven or fourteen digits. The check digit of a GTIN is left alone: a wrong one in the registry would only
/// mean that no code ever matches the row.
fn code_prefix(cells: &Cells<'_>) -> Result<String, BadCell> {
    let cell = cells.raw("code_prefix");
    if matches!(cell.len(), 7 | 14) && cell.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(cell.to_owned());
    }
    let form = "write the first 7 digits of the code, or a GTIN-14 with its leading zeros";
    Err(bad("code_prefix", &format!("is {}; {form}", shown(cell))))
}
