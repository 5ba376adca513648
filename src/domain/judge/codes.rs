//! What was scanned: refusals, placeholders, unmapped prefixes, other drugs, cartons.

use super::bench::{Bench, LineView, Note};
use super::quantity::Due;
use super::{Collided, Pack};
use crate::domain::claim::{Folded, SaleEvent};
use crate::domain::code::{CodeKey, Scan, ScanRules, TraceCode, read};
use crate::domain::document::Line;
use crate::domain::drug::{Drug, PackLevel};
use crate::domain::event::Payment;
use crate::domain::policy::{DrugTraits, Situation};
use crate::domain::registry::Registry;
use crate::domain::time::day_of;
use crate::domain::verdict::{Enforcement, Evidence, Reason};

impl Coded<'_> {
    /// A sale of this code that collides with what is on record.
    pub fn collided(&self, line: u32, key: &CodeKey, sale: &SaleEvent, folded: Option<Folded>) -> Collided {
        Collided {
            line,
            key: key.clone(),
            sale: sale.clone(),
            folded,
            pack: Pack {
                units_per_pack: self.drug.and_then(|drug| drug.units_per_pack),
                catalog_code: self.drug.and_then(|drug| drug.catalog_code).map(str::to_owned),
            },
        }
    }
}

/// What a code says about its product.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CodeDrug<'a> {
    pub catalog_code: Option<&'a str>,
    pub name: &'a str,
    pub pack_level: Option<PackLevel>,
    pub units_per_pack: Option<u32>,
    pub carton_only: bool,
}

impl<'a> From<&'a Drug> for CodeDrug<'a> {
    fn from(drug: &'a Drug) -> Self {
        Self {
            catalog_code: Some(&drug.catalog_code),
            name: &drug.name,
            pack_level: Some(drug.pack_level),
            units_per_pack: drug.units_per_pack,
            carton_only: drug.carton_only,
        }
    }
}

/// One scan of a line, with what the registry knows of it.
pub(super) struct Coded<'a> {
    pub scan: &'a Scan,
    /// Canonical form, or what was scanned.
    pub text: String,
    /// Its identity, where it has one.
    pub key: Option<CodeKey>,
    pub drug: Option<CodeDrug<'a>>,
}

/// The product behind a scan, where prefix map or scheme know it.
pub(super) fn drug_of<'a>(scan: &'a Scan, registry: &'a Registry) -> Option<CodeDrug<'a>> {
    let by_prefix = |prefix: &str| registry.drug(prefix).map(CodeDrug::from);
    match scan {
        Scan::Code(TraceCode::Own(own)) => Some(CodeDrug {
            catalog_code: own.catalog_code.as_deref(),
            name: &own.issuer,
            pack_level: Some(own.pack_level),
            units_per_pack: own.units_per_pack,
            carton_only: false,
        }),
        Scan::Code(code) => by_prefix(code.prefix()?),
        Scan::NoSerial { gtin, .. } => by_prefix(gtin.as_deref()?),
        Scan::Placeholder { .. } | Scan::Refused { .. } => None,
    }
}

/// What a code on record says about its product.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CodeProduct {
    /// NHSA catalogue code.
    pub catalog_code: Option<String>,
    /// Its name.
    pub name: String,
    /// Smallest priced units in the pack.
    pub units_per_pack: Option<u32>,
}

/// The product behind a code on record, as far as prefix map or scheme know it.
pub fn product_of(key: &CodeKey, rules: &ScanRules, registry: &Registry) -> CodeProduct {
    match key.prefix() {
        Some(prefix) => registry.drug(&prefix).map(|drug| CodeProduct::from(CodeDrug::from(drug))),
        None => drug_of(&read(&key.to_string(), rules), registry).map(CodeProduct::from),
    }
    .unwrap_or_default()
}

impl From<CodeProduct> for Pack {
    fn from(CodeProduct { catalog_code, units_per_pack, name: _ }: CodeProduct) -> Self {
        Self { units_per_pack, catalog_code }
    }
}

impl From<CodeDrug<'_>> for CodeProduct {
    fn from(drug: CodeDrug<'_>) -> Self {
        Self {
            catalog_code: drug.catalog_code.map(str::to_owned),
            name: drug.name.to_owned(),
            units_per_pack: drug.units_per_pack,
        }
    }
}

fn text_of(scan: &Scan) -> String {
    match scan {
        Scan::Code(code) => code.to_string(),
        Scan::NoSerial { text, .. } | Scan::Placeholder { text } | Scan::Refused { text, .. } => text.clone(),
    }
}

impl<'a> Bench<'a> {
    /// Puts a line and its scans under judgement.
    pub fn view(&self, line: &'a Line, scans: &'a [Scan], payment: Payment) -> LineView<'a> {
        let registry = self.grounds.registry;
        let codes = scans.iter().map(|scan| Coded {
            scan,
            text: text_of(scan),
            key: super::key_of(scan),
            drug: drug_of(scan, registry),
        });
        let now = self.grounds.now;
        let occurred_at = line.occurred_at.map_or(now, |at| at.min(now));
        let catalog_code = super::catalog_code_of(line, scans, registry);
        let product = catalog_code.as_deref().and_then(|code| registry.product(code));
        LineView {
            line,
            occurred_at,
            situation: Situation {
                payment,
                drug: product.map(DrugTraits::from),
                split: line.split,
                day: day_of(occurred_at),
                ..self.situation()
            },
            product,
            catalog_code,
            codes: codes.collect(),
        }
    }

    /// Findings about what was scanned on a line.
    pub fn judge_scans(&mut self, view: &LineView<'_>, due: Due) {
        for code in &view.codes {
            self.judge_scan(view, code, due);
        }
    }

    fn judge_scan(&mut self, view: &LineView<'_>, code: &Coded<'_>, due: Due) {
        match code.scan {
            Scan::Refused { reason, detail, .. } => {
                let note = Note::new(Evidence::Scanned(detail.clone())).code(code.text.clone());
                self.raise(view, *reason, note);
            }
            Scan::Placeholder { .. } => {
                // "No code" is no fault where none is due.
                let at_most = if due == Due::Yes { Enforcement::Block } else { Enforcement::Observe };
                let note = Note::bare().code(code.text.clone()).at_most(at_most);
                self.raise(view, Reason::PlaceholderCode, note);
            }
            Scan::NoSerial { .. } => {
                self.raise(view, Reason::SerialMissing, Note::bare().code(code.text.clone()));
                self.judge_product(view, code);
            }
            Scan::Code(_) => self.judge_product(view, code),
        }
    }

    /// The pack and the drug that a code stands for.
    fn judge_product(&mut self, view: &LineView<'_>, code: &Coded<'_>) {
        let Some(drug) = &code.drug else {
            self.raise(view, Reason::PrefixUnmapped, Note::bare().code(code.text.clone()));
            return;
        };
        if matches!(drug.pack_level, Some(PackLevel::Middle | PackLevel::Large)) && !drug.carton_only {
            self.raise(view, Reason::NotSmallestPack, Note::bare().code(code.text.clone()));
        }
        if let (Some(of_code), Some(of_line)) = (drug.catalog_code, view.line.catalog_code.as_deref())
            && of_code != of_line
        {
            let evidence = Evidence::Drug { catalog_code: of_code.to_owned(), name: drug.name.to_owned() };
            self.raise(view, Reason::DrugMismatch, Note::new(evidence).code(code.text.clone()));
        }
    }
}
