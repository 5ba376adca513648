//! A small province: institutions, drugs, purchases, and a ledger that keeps what judgements record.

use crate::domain::claim::{Conflict, History, Lens, PaperKey};
use crate::domain::code::{CodeKey, Scan, ScanRules, read};
use crate::domain::document::Document;
use crate::domain::drug::{Drug, DrugClass, NoCodeEntry, PackLevel};
use crate::domain::judge::{ClaimChange, Judgement, lens};
use crate::domain::party::{Division, Institution, InstitutionCode, InstitutionStatus, Ownership, Pool};
use crate::domain::policy::Policy;
use crate::domain::purchase::{FeedScope, Position, PurchaseFeed, PurchaseSource};
use crate::domain::registry::{Registry, RegistryRow};
use crate::domain::time::moment_of;
use crate::policy_files;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What one story sees and changes.
pub(super) struct World {
    /// The story's name, for messages.
    pub name: &'static str,
    pub registry: Registry,
    pub policy: Policy,
    pub histories: BTreeMap<CodeKey, History>,
    pub documents: BTreeMap<(InstitutionCode, String), Document>,
    positions: BTreeMap<(Pool, String), Position>,
    bought: bool,
}

/// `2026-03-10 09:00` in Shanghai.
pub(super) fn moment(text: &str) -> Timestamp {
    let local = text.replace(' ', "T").parse().unwrap();
    moment_of(local).unwrap()
}

/// `P1` is the pharmacy P13010200001.
pub(super) fn code(alias: &str) -> InstitutionCode {
    let (letter, number) = alias.split_at(1);
    InstitutionCode::parse(&format!("{letter}130102{number:0>5}")).unwrap()
}

pub(super) fn paper(number: &str) -> PaperKey {
    let mut hasher = DefaultHasher::new();
    number.hash(&mut hasher);
    PaperKey(hasher.finish())
}

pub(super) fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

impl World {
    /// A world in which everything was bought. P1 to P3 are pharmacies, H1 and H2 public hospitals, H3 is a
    /// private hospital, P7 the head office of a chain and P8 its branch, P5 is suspended; P9 is unknown.
    pub fn new(name: &'static str) -> Self {
        let mut world = Self {
            name,
            registry: Registry::default(),
            policy: policy_files::built_in(),
            histories: BTreeMap::new(),
            documents: BTreeMap::new(),
            positions: BTreeMap::new(),
            bought: true,
        };
        for alias in ["P1", "P2", "P3", "H1", "H2"] {
            world.institution(alias, |_| {});
        }
        world.institution("H3", |i| i.ownership = Ownership::Private);
        for alias in ["P7", "P8"] {
            world.institution(alias, |i| i.chain_group = Some("CHAIN".to_owned()));
        }
        world.institution("P5", |i| i.status = InstitutionStatus::Suspended);
        world.stock_shelves();
        world
    }

    /// Registers an institution, or changes what is known of it.
    pub fn institution(&mut self, alias: &str, change: impl FnOnce(&mut Institution)) {
        let code = code(alias);
        let hospital = alias.starts_with('H');
        let mut institution = Institution {
            code,
            name: alias.to_owned(),
            kind: code.kind(),
            division: Division(130_102),
            ownership: if hospital { Ownership::Public } else { Ownership::Private },
            agreement_signed_on: Some(Date::constant(2024, 1, 1)),
            transition_ends_on: None,
            chain_group: None,
            status: InstitutionStatus::Active,
            goes_live_on: None,
        };
        change(&mut institution);
        self.registry.put(RegistryRow::Institution(institution));
    }

    fn stock_shelves(&mut self) {
        self.drug("8300385", "A", Some(36), |_| {});
        self.drug("8300386", "A", Some(360), |d| d.pack_level = PackLevel::Middle);
        self.drug("8300387", "A", Some(3600), |d| d.pack_level = PackLevel::Large);
        self.drug("8757704", "B", Some(12), |_| {});
        self.drug("8185386", "U", None, |_| {});
        self.drug("8101235", "K", Some(120), |d| {
            d.pack_level = PackLevel::Large;
            d.carton_only = true;
        });
        self.drug("8644315", "M", Some(100), |d| d.must_split = true);
        self.drug("8644316", "T", Some(1), |d| d.drug_class = DrugClass::TcmPieces);
        self.drug("8644317", "I", Some(1), |d| d.dosage_form = "loose_injection".to_owned());
        self.drug("04006381333931", "G", Some(10), |_| {});
    }

    /// Registers a prefix.
    pub fn drug(&mut self, prefix: &str, name: &str, units: Option<u32>, change: impl FnOnce(&mut Drug)) {
        let mut drug = Drug {
            code_prefix: prefix.to_owned(),
            catalog_code: name.to_owned(),
            name: name.to_owned(),
            pack_level: PackLevel::Small,
            units_per_pack: units,
            drug_class: DrugClass::Western,
            dosage_form: "capsule".to_owned(),
            carton_only: false,
            must_split: false,
            listed_price: Some(Decimal::from(36)),
        };
        change(&mut drug);
        self.registry.put(RegistryRow::Drug(drug));
    }

    /// From here on nothing counts as bought unless the story buys it.
    pub fn nothing_bought(&mut self) {
        self.bought = false;
    }

    pub fn buys(&mut self, alias: &str, source: PurchaseSource, drug: &str, units: i64) {
        let pool = self.pool(code(alias));
        let position = self.positions.entry((pool, drug.to_owned())).or_default();
        position.count(source, Decimal::from(units), 1);
    }

    /// Purchase data of the whole country is complete up to a moment only.
    pub fn feed_ends(&mut self, at: &str) {
        self.registry.put(RegistryRow::Feed(PurchaseFeed {
            scope: FeedScope::DivisionPrefix(String::new()),
            complete_up_to: moment(at),
        }));
    }

    pub fn no_code_list(&mut self, drug: &str, division_prefix: &str, valid_to: Option<Date>) {
        self.registry.put(RegistryRow::NoCode(NoCodeEntry {
            catalog_code: drug.to_owned(),
            division_prefix: division_prefix.to_owned(),
            valid_from: None,
            valid_to,
            note: String::new(),
        }));
    }

    /// Puts a policy file of the region's own over the built-in ones.
    pub fn rules(&mut self, toml: &str) {
        let [national, hebei] = policy_files::BUILT_IN;
        self.policy = policy_files::load(&[national, hebei, ("story.toml", toml)]).unwrap();
    }

    pub fn scan_rules(&self) -> ScanRules {
        let settings = self.policy.settings();
        ScanRules::new(&settings.url_hosts, &settings.placeholder_patterns, self.registry.own_schemes())
            .unwrap()
    }

    fn pool(&self, institution: InstitutionCode) -> Pool {
        let known = self.registry.institution(institution);
        known.map_or(Pool::Institution(institution), Institution::pool)
    }

    /// What is known of purchases, as a judgement about this institution gets it.
    pub fn positions_of(&self, institution: InstitutionCode) -> BTreeMap<String, Position> {
        let pool = self.pool(institution);
        let drugs = ["A", "B", "U", "K", "M", "T", "I", "G", "O"];
        let known = |drug: &str| {
            let mut position =
                self.positions.get(&(pool.clone(), drug.to_owned())).cloned().unwrap_or_default();
            if self.bought {
                position.count(PurchaseSource::Platform, Decimal::from(1_000_000), 1);
            }
            position
        };
        drugs.iter().map(|drug| ((*drug).to_owned(), known(drug))).collect()
    }

    /// Keeps what a judgement records.
    pub fn apply(&mut self, institution: InstitutionCode, judgement: &Judgement) {
        self.apply_claims(&judgement.claims);
        let pool = self.pool(institution);
        for (drug, units) in &judgement.sold {
            self.positions.entry((pool.clone(), drug.clone())).or_default().sold += *units;
        }
    }

    pub fn apply_claims(&mut self, claims: &[ClaimChange]) {
        for change in claims {
            let known = self.histories.insert(change.key.clone(), change.history.clone());
            assert_eq!(change.expected, known.map(|h| h.version), "{}: the version that was read", self.name);
        }
    }

    pub fn key(&self, scanned: &str) -> CodeKey {
        let scan = read(scanned, &self.scan_rules());
        let Scan::Code(code) = &scan else { panic!("{}: {scanned} is {scan:?}", self.name) };
        code.key()
    }

    fn lens(&self, now: &str) -> Lens {
        lens(moment(now), self.policy.settings(), Some(36))
    }

    /// Every conflict that still stands between sales of a box at a moment.
    pub fn conflicts(&self, scanned: &str, now: &str) -> Vec<Conflict> {
        let lens = self.lens(now);
        let history = self.histories.get(&self.key(scanned)).cloned().unwrap_or_default();
        let state = history.state(&lens, false);
        state.sales.iter().flat_map(|sale| state.conflicts_of(sale, &lens)).collect()
    }

    /// How many sales of a box are on record and not returned.
    pub fn open_sales(&self, scanned: &str, now: &str) -> usize {
        let history = self.histories.get(&self.key(scanned)).cloned().unwrap_or_default();
        let state = history.state(&self.lens(now), true);
        state.sales.iter().filter(|sale| !sale.is_returned()).count()
    }
}
