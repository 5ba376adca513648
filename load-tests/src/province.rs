//! A generated province: institutions in Hebei, drugs, purchases in ample quantity, and sales that never repeat a
//! code. Must not know the wire, any server, or how the sales are sent.
//!
//! Everything follows from numbers: the same number is the same sale, in every run and for every server.

use anyhow::{Context, Result};
use std::path::Path;
use tracegate::domain::party::InstitutionCode;

/// Members of one chain.
const CHAIN_MEMBERS: usize = 8;
/// Of ten institutions, this many are pharmacies; the others are hospitals.
const PHARMACIES_IN_TEN: usize = 8;
/// Counties, to spread the institutions over.
const COUNTIES: [&str; 10] =
    ["130102", "130104", "130108", "130203", "130302", "130403", "130503", "130602", "130702", "131003"];
/// Packs of these many units.
const UNITS_PER_PACK: [u32; 5] = [10, 12, 20, 24, 30];
/// Units of each drug that each pool has bought.
const UNITS_BOUGHT: u64 = 1_000_000_000;
/// Serials have 13 digits.
const SERIALS: u128 = 10_000_000_000_000;
/// Shares no divisor with [`SERIALS`], so that no two numbers get the same serial.
const SERIAL_STEP: u128 = 6_180_339_887_499;

/// The province.
#[derive(Debug, Clone)]
pub struct Province {
    institutions: Vec<Institution>,
    drugs: Vec<Drug>,
}

#[derive(Debug, Clone)]
struct Institution {
    code: String,
    division: &'static str,
    chain_group: Option<String>,
}

#[derive(Debug, Clone)]
struct Drug {
    code_prefix: String,
    catalog_code: String,
    units_per_pack: u32,
}

/// What a sale looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Shape {
    /// Codes of one document.
    pub codes: usize,
    /// Lines they are spread over, each another drug.
    pub lines: usize,
}

/// One document to dispense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// The institution's code.
    pub institution: String,
    /// The document's number.
    pub document_no: String,
    /// Unique in the institution.
    pub request_id: String,
    /// The lines.
    pub lines: Vec<SaleLine>,
}

/// One line of a sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleLine {
    /// The drug.
    pub catalog_code: String,
    /// Smallest priced units.
    pub units: u64,
    /// Yuan per unit.
    pub unit_price: &'static str,
    /// What the scanner sends.
    pub codes: Vec<String>,
}

impl Province {
    /// A province of this size; at least one of each.
    pub fn new(institutions: usize, drugs: usize) -> Self {
        let institutions = (0..institutions.max(1)).map(institution).collect();
        let drugs = (0..drugs.max(1)).map(drug).collect();
        Self { institutions, drugs }
    }

    /// The sale of this number.
    pub fn sale(&self, number: u64, shape: Shape) -> Sale {
        let spread = scattered(number);
        let institution = pick(&self.institutions, spread).map(|i| i.code.clone()).unwrap_or_default();
        let lines = shape.lines.clamp(1, shape.codes.max(1));
        let mut code = u128::from(number) * shape.codes as u128;
        let line = |at: usize| {
            // The first lines take what does not divide evenly.
            let codes = shape.codes / lines + usize::from(at < shape.codes % lines);
            let drug = pick(&self.drugs, (spread >> 20).wrapping_add(at as u64));
            let made = (0..codes).map(|_| {
                code += 1;
                trace_code(drug, code)
            });
            let codes: Vec<String> = made.collect();
            SaleLine {
                catalog_code: drug.map(|d| d.catalog_code.clone()).unwrap_or_default(),
                units: drug.map_or(1, |d| u64::from(d.units_per_pack)) * codes.len() as u64,
                unit_price: "0.45",
                codes,
            }
        };
        Sale {
            institution,
            document_no: format!("RX{number:014}"),
            request_id: format!("018f2c5e-7000-7000-8000-{number:012x}"),
            lines: (0..lines).map(line).collect(),
        }
    }

    /// The codes of its institutions.
    pub fn institution_codes(&self) -> Result<Vec<InstitutionCode>> {
        self.institutions.iter().map(|i| Ok(InstitutionCode::parse(&i.code)?)).collect()
    }

    /// Writes the files that `tracegate import` reads.
    pub fn write_to(&self, folder: &Path) -> Result<()> {
        let header = "institution_code,name,kind,division,ownership,agreement_signed_on,transition_ends_on,\
                      chain_group,status";
        write(folder, "institutions.csv", header, self.institutions.iter().map(institution_row))?;
        let header = "code_prefix,catalog_code,name,pack_level,units_per_pack,drug_class,dosage_form,carton_only,\
                      must_split,listed_price";
        write(folder, "drugs.csv", header, self.drugs.iter().map(drug_row))?;
        let header =
            "institution_code,catalog_code,source,order_no,supplier,lot_no,quantity,unit_price,purchased_at";
        write(folder, "purchases.csv", header, self.purchase_rows())
    }

    /// How many there are.
    pub fn sizes(&self) -> (usize, usize) {
        (self.institutions.len(), self.drugs.len())
    }

    /// One purchase of each drug for each pool: a chain buys through its first member.
    fn purchase_rows(&self) -> impl Iterator<Item = Vec<String>> {
        let mut chains = std::collections::BTreeSet::new();
        let buys =
            move |i: &&Institution| i.chain_group.as_ref().is_none_or(|chain| chains.insert(chain.clone()));
        let buyers: Vec<&Institution> = self.institutions.iter().filter(buys).collect();
        buyers.into_iter().flat_map(|buyer| self.drugs.iter().map(move |drug| purchase_row(buyer, drug)))
    }
}

fn institution(at: usize) -> Institution {
    let division = COUNTIES.get(at % COUNTIES.len()).copied().unwrap_or("130102");
    let is_pharmacy = at % 10 < PHARMACIES_IN_TEN;
    let letter = if is_pharmacy { 'P' } else { 'H' };
    // One pharmacy in four stands alone, and so does every hospital.
    let chain = at / (CHAIN_MEMBERS * 10 / PHARMACIES_IN_TEN);
    let in_chain = is_pharmacy && at % 4 != 3;
    Institution {
        code: format!("{letter}{division}{at:05}"),
        division,
        chain_group: in_chain.then(|| format!("CHAIN-{chain:04}")),
    }
}

fn drug(at: usize) -> Drug {
    Drug {
        code_prefix: format!("86{at:05}"),
        catalog_code: format!("XA{:02}AAA{:03}A0010100{:05}", at % 90 + 10, at % 1000, at),
        units_per_pack: UNITS_PER_PACK.get(at % UNITS_PER_PACK.len()).copied().unwrap_or(10),
    }
}

/// A lawful code; `n` from 1.
fn trace_code(drug: Option<&Drug>, n: u128) -> String {
    let prefix = drug.map_or("8600000", |d| d.code_prefix.as_str());
    // Serials of one drug arrive from many factories and years: they are spread, not counted up.
    format!("{prefix}{:013}", n * SERIAL_STEP % SERIALS)
}

/// A number with no visible order, the same for the same input (the finalizer of SplitMix64).
pub(crate) const fn scattered(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The one that a number falls on.
pub(crate) fn pick<T>(from: &[T], by: u64) -> Option<&T> {
    from.get(usize::try_from(by % (from.len().max(1) as u64)).unwrap_or(0))
}

fn institution_row(institution: &Institution) -> Vec<String> {
    let Institution { code, division, chain_group } = institution;
    let is_hospital = code.starts_with('H');
    let kind = if is_hospital { "hospital" } else { "pharmacy" };
    let ownership = if is_hospital { "public" } else { "private" };
    let chain = chain_group.clone().unwrap_or_default();
    // No transition: the purchase rule of the region blocks.
    [code, "负荷测试机构", kind, division, ownership, "2019-05-01", "", &chain, "active"]
        .map(str::to_owned)
        .into()
}

fn drug_row(drug: &Drug) -> Vec<String> {
    let Drug { code_prefix, catalog_code, units_per_pack } = drug;
    let units = units_per_pack.to_string();
    [
        code_prefix,
        catalog_code,
        "负荷测试药品",
        "small",
        &units,
        "western",
        "tablet",
        "false",
        "false",
        "30.00",
    ]
    .map(str::to_owned)
    .into()
}

fn purchase_row(buyer: &Institution, drug: &Drug) -> Vec<String> {
    let order = format!("PO-{}-{}", buyer.code, drug.code_prefix);
    let (units, at) = (UNITS_BOUGHT.to_string(), "2025-10-08T09:00:00+08:00");
    [&buyer.code, &drug.catalog_code, "platform", &order, "示例医药公司", "L2510", &units, "0.40", at]
        .map(str::to_owned)
        .into()
}

fn write(folder: &Path, name: &str, header: &str, rows: impl Iterator<Item = Vec<String>>) -> Result<()> {
    let path = folder.join(name);
    let mut writer =
        csv::Writer::from_path(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    writer.write_record(header.split(','))?;
    for row in rows {
        writer.write_record(row)?;
    }
    Ok(writer.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use tracegate::cli::files::{Row, read_rows};
    use tracegate::domain::code::{Scan, ScanRules, read};
    use tracegate::domain::purchase::PurchaseRecord;

    #[test]
    fn no_code_and_no_request_is_ever_repeated() {
        let province = Province::new(50, 20);
        let check = |first: u64, shape: Shape| {
            let (mut codes, mut ids) = (HashSet::new(), HashSet::new());
            for number in first..first + 20_000 {
                let sale = province.sale(number, shape);
                assert!(ids.insert(sale.request_id.clone()), "{sale:?}");
                let scanned: Vec<_> = sale.lines.iter().flat_map(|line| line.codes.clone()).collect();
                assert_eq!(scanned.len(), shape.codes, "{sale:?}");
                assert_eq!(sale.lines.len(), shape.lines, "{sale:?}");
                assert!(scanned.into_iter().all(|code| codes.insert(code)), "{sale:?}");
            }
        };
        check(0, Shape { codes: 3, lines: 2 });
        check(999_000_000_000, Shape { codes: 3, lines: 3 });
        check(0, Shape { codes: 7, lines: 1 });
    }

    #[test]
    fn every_code_is_a_lawful_one_of_its_drug() {
        let province = Province::new(50, 20);
        for number in 0..2000 {
            for line in province.sale(number, Shape { codes: 3, lines: 2 }).lines {
                for code in line.codes {
                    let Scan::Code(read) = read(&code, &ScanRules::default()) else { panic!("{code}") };
                    let prefix = read.prefix().unwrap_or_default().to_owned();
                    let drug = province.drugs.iter().find(|d| d.code_prefix == prefix).unwrap();
                    assert_eq!(drug.catalog_code, line.catalog_code);
                }
            }
        }
    }

    #[test]
    fn the_files_can_be_imported() {
        let folder = tempfile::tempdir().unwrap();
        Province::new(100, 20).write_to(folder.path()).unwrap();
        fn count<T: Row>(folder: &Path) -> usize {
            let file = std::fs::File::open(folder.join(T::FILE_NAME)).unwrap();
            read_rows::<T>(file).unwrap().map(Result::unwrap).count()
        }
        assert_eq!(count::<tracegate::domain::party::Institution>(folder.path()), 100);
        assert_eq!(count::<tracegate::domain::drug::Drug>(folder.path()), 20);
        // Ten chains, twenty hospitals, and the pharmacies that stand alone.
        let purchases = count::<PurchaseRecord>(folder.path());
        assert!(purchases.is_multiple_of(20) && (40 * 20..=60 * 20).contains(&purchases), "{purchases}");
    }

    #[test]
    fn sales_are_spread_over_institutions_and_drugs() {
        let province = Province::new(50, 20);
        let (mut institutions, mut drugs) = (HashSet::new(), HashSet::new());
        for number in 0..1000 {
            let sale = province.sale(number, Shape { codes: 3, lines: 2 });
            institutions.insert(sale.institution);
            drugs.extend(sale.lines.into_iter().map(|line| line.catalog_code));
        }
        assert_eq!((institutions.len(), drugs.len()), (50, 20));
    }
}
