//! Drugs, the prefix map, pack levels, the no-code list.

use crate::domain::verdict::named;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

named! {
    /// 小码, 中码, 大码: which pack a code prefix stands for.
    pub enum PackLevel {
        /// The smallest sales unit.
        Small = "small",
        /// A bundle of small packs.
        Middle = "middle",
        /// A carton.
        Large = "large",
    }
}

named! {
    /// What kind of product a drug is; exemptions ask for it.
    pub enum DrugClass {
        /// Chemical or biological drug.
        Western = "western",
        /// Chinese patent medicine.
        ChinesePatent = "chinese_patent",
        /// TCM pieces (饮片).
        TcmPieces = "tcm_pieces",
        /// TCM formula granules (配方颗粒).
        TcmFormulaGranules = "tcm_formula_granules",
        /// In-house preparation of a hospital.
        InHouse = "in_house",
        /// Consumable (耗材), coded by UDI.
        Consumable = "consumable",
    }
}

/// One row of the prefix map: a code prefix and the product and pack level it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drug {
    /// Seven digits of an MSFX code, or a GTIN-14.
    pub code_prefix: String,
    /// NHSA catalogue code (med_list_codg).
    pub catalog_code: String,
    /// Product name, for people.
    pub name: String,
    /// Which pack the prefix stands for.
    pub pack_level: PackLevel,
    /// Smallest priced units in this pack; `None` = not known.
    pub units_per_pack: Option<u32>,
    /// Product class.
    pub drug_class: DrugClass,
    /// Dosage form, as the registry spells it.
    pub dosage_form: String,
    /// The product carries a code on the carton only.
    pub carton_only: bool,
    /// A hospital must split this drug to dispense it.
    pub must_split: bool,
    /// Listed price (挂网价) in yuan per pack.
    pub listed_price: Option<Decimal>,
}

/// A row of the no-code list (无码库): stock that was bought before codes were printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoCodeEntry {
    /// NHSA catalogue code.
    pub catalog_code: String,
    /// Area in which the entry counts; empty = a national entry.
    pub division_prefix: String,
    /// First day it counts.
    pub valid_from: Option<Date>,
    /// Last day it counts.
    pub valid_to: Option<Date>,
    /// Free text.
    pub note: String,
}

impl NoCodeEntry {
    /// Whether the entry's own dates include `day`.
    pub fn is_valid_on(&self, day: Date) -> bool {
        self.valid_from.is_none_or(|from| from <= day) && self.valid_to.is_none_or(|to| day <= to)
    }
}
