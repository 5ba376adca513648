//! What is known of institutions, drugs, the no-code list, own schemes, purchase feeds and keys: one snapshot.

use crate::domain::access::AccessKey;
use crate::domain::code::{CodeKey, OwnScheme};
use crate::domain::drug::{Drug, NoCodeEntry, PackLevel};
use crate::domain::party::{Institution, InstitutionCode, InstitutionStatus};
use crate::domain::person::JoinKey;
use crate::domain::purchase::{FeedScope, PurchaseFeed};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

/// One row of the registry, of any kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryRow {
    /// An institution.
    Institution(Institution),
    /// A code prefix and its product.
    Drug(Drug),
    /// An entry of the no-code list.
    NoCode(NoCodeEntry),
    /// A manufacturer's own scheme.
    OwnScheme(OwnScheme),
    /// How far purchase data is complete.
    Feed(PurchaseFeed),
    /// Codes that their maker printed more than once.
    MakersError(MakersError),
    /// By which a caller is known.
    AccessKey(AccessKey),
    /// Under which marks of persons are made.
    JoinKey(JoinKey),
}

/// Codes that their maker printed more than once, by notice of a bureau (white list).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MakersError {
    /// The first code.
    pub first: CodeKey,
    /// The last code, inclusive; the same as the first for a single one.
    pub last: CodeKey,
    /// The notice.
    pub notice_no: String,
    /// What it says.
    pub note: String,
    /// The notice was withdrawn: the entry is kept and counts no more.
    pub withdrawn: bool,
}

impl MakersError {
    /// Whether it speaks of a code.
    pub fn covers(&self, key: &CodeKey) -> bool {
        !self.withdrawn && (&self.first..=&self.last).contains(&key)
    }
}

impl RegistryRow {
    /// What a later row of the same identity replaces.
    pub fn identity(&self) -> String {
        let parts = match self {
            Self::Institution(i) => vec!["i".to_owned(), i.code.to_string()],
            Self::Drug(d) => vec!["d".to_owned(), d.code_prefix.clone()],
            Self::NoCode(e) => vec![
                "n".to_owned(),
                e.catalog_code.clone(),
                e.division_prefix.clone(),
                e.valid_from.map(|d| d.to_string()).unwrap_or_default(),
            ],
            Self::OwnScheme(s) => vec!["s".to_owned(), s.issuer.clone(), s.pattern.clone()],
            Self::AccessKey(k) => vec!["k".to_owned(), k.id.clone()],
            Self::JoinKey(k) => vec!["j".to_owned(), k.version.to_string()],
            Self::MakersError(e) => vec!["m".to_owned(), e.first.to_string(), e.last.to_string()],
            Self::Feed(f) => match &f.scope {
                FeedScope::Institution(code) => vec!["f".to_owned(), code.to_string()],
                FeedScope::DivisionPrefix(prefix) => vec!["f".to_owned(), format!("{prefix}*")],
            },
        };
        parts.join("\u{1f}")
    }
}

impl RegistryRow {
    /// The row as it stands once it takes the place of another one of its identity: whoever wrote it may not have known that
    /// a key was ended, destroyed or made by somebody else a moment before.
    #[must_use]
    pub fn over(self, known: Option<&Self>) -> Self {
        match (self, known) {
            (Self::AccessKey(key), Some(Self::AccessKey(known))) => Self::AccessKey(key.over(known)),
            (Self::JoinKey(key), Some(Self::JoinKey(known))) => Self::JoinKey(key.over(known)),
            (row, _) => row,
        }
    }
}

/// The registry at one moment. Cheap to share, never changed in place by a reader.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// Grows with every change.
    pub version: u64,
    /// When it last changed.
    pub changed_at: Option<Timestamp>,
    institutions: HashMap<InstitutionCode, Arc<Institution>>,
    drugs: HashMap<String, Arc<Drug>>,
    drugs_by_catalog: HashMap<String, Vec<Arc<Drug>>>,
    no_code: HashMap<String, Vec<NoCodeEntry>>,
    schemes: Vec<OwnScheme>,
    feeds_of_institutions: BTreeMap<InstitutionCode, Timestamp>,
    feeds_of_divisions: BTreeMap<String, Timestamp>,
    /// In order of their first codes.
    makers_errors: Vec<MakersError>,
    access_keys: BTreeMap<String, Arc<AccessKey>>,
    join_keys: BTreeMap<u32, JoinKey>,
}

impl Registry {
    /// Adds a row or replaces the row of the same identity.
    pub fn put(&mut self, row: RegistryRow) {
        match row {
            RegistryRow::Institution(institution) => {
                self.institutions.insert(institution.code, Arc::new(institution));
            }
            RegistryRow::Drug(drug) => self.put_drug(Arc::new(drug)),
            RegistryRow::NoCode(entry) => {
                let entries = self.no_code.entry(entry.catalog_code.clone()).or_default();
                entries.retain(|e| {
                    (&e.division_prefix, e.valid_from) != (&entry.division_prefix, entry.valid_from)
                });
                entries.push(entry);
            }
            RegistryRow::OwnScheme(scheme) => {
                let place = |s: &OwnScheme| (s.issuer.clone(), s.pattern.clone());
                match self.schemes.binary_search_by_key(&place(&scheme), place) {
                    Ok(at) => self.schemes.splice(at..=at, [scheme]).for_each(drop),
                    Err(at) => self.schemes.insert(at, scheme),
                }
            }
            RegistryRow::MakersError(entry) => {
                let place = |e: &MakersError| (e.first.clone(), e.last.clone());
                match self.makers_errors.binary_search_by_key(&place(&entry), place) {
                    Ok(at) => self.makers_errors.splice(at..=at, [entry]).for_each(drop),
                    Err(at) => self.makers_errors.insert(at, entry),
                }
            }
            RegistryRow::AccessKey(key) => {
                let key = match self.access_keys.get(&key.id) {
                    Some(known) => key.over(known),
                    None => key,
                };
                self.access_keys.insert(key.id.clone(), Arc::new(key));
            }
            RegistryRow::JoinKey(key) => {
                let key = match self.join_keys.get(&key.version) {
                    Some(known) => key.over(known),
                    None => key,
                };
                self.join_keys.insert(key.version, key);
            }
            RegistryRow::Feed(PurchaseFeed { scope, complete_up_to }) => match scope {
                FeedScope::Institution(code) => {
                    self.feeds_of_institutions.insert(code, complete_up_to);
                }
                FeedScope::DivisionPrefix(prefix) => {
                    self.feeds_of_divisions.insert(prefix, complete_up_to);
                }
            },
        }
    }

    fn put_drug(&mut self, drug: Arc<Drug>) {
        if let Some(old) = self.drugs.insert(drug.code_prefix.clone(), Arc::clone(&drug))
            && let Some(rows) = self.drugs_by_catalog.get_mut(&old.catalog_code)
        {
            rows.retain(|d| d.code_prefix != old.code_prefix);
        }
        // In order of their prefixes: which row speaks for a product must not depend on the order of loading.
        let rows = self.drugs_by_catalog.entry(drug.catalog_code.clone()).or_default();
        let at = rows.partition_point(|d| d.code_prefix < drug.code_prefix);
        rows.insert(at, drug);
    }

    /// The institution with that code.
    pub fn institution(&self, code: InstitutionCode) -> Option<&Institution> {
        self.institutions.get(&code).map(Arc::as_ref)
    }

    /// The key with that id.
    pub fn access_key(&self, id: &str) -> Option<&AccessKey> {
        self.access_keys.get(id).map(Arc::as_ref)
    }

    /// The keys behind an id, in order of their ids.
    pub fn access_keys_after(&self, id: &str) -> impl Iterator<Item = &AccessKey> {
        let behind = (Bound::Excluded(id), Bound::Unbounded);
        self.access_keys.range::<str, _>(behind).map(|(_, key)| key.as_ref())
    }

    /// How many keys there are, ended ones among them.
    pub fn access_keys_len(&self) -> usize {
        self.access_keys.len()
    }

    /// The join keys, in order of their versions, destroyed ones too.
    pub fn join_keys(&self) -> impl DoubleEndedIterator<Item = &JoinKey> {
        self.join_keys.values()
    }

    /// The institutions of a chain, in no order.
    pub fn members_of(&self, chain_group: &str) -> Vec<InstitutionCode> {
        let in_chain = |i: &&Arc<Institution>| i.chain_group.as_deref() == Some(chain_group);
        self.institutions.values().filter(in_chain).map(|institution| institution.code).collect()
    }

    /// The product that a code prefix stands for.
    pub fn drug(&self, code_prefix: &str) -> Option<&Drug> {
        self.drugs.get(code_prefix).map(Arc::as_ref)
    }

    /// Every prefix of a catalogue code.
    pub fn drugs_of(&self, catalog_code: &str) -> &[Arc<Drug>] {
        self.drugs_by_catalog.get(catalog_code).map_or(&[], Vec::as_slice)
    }

    /// The row that speaks for a catalogue code as a product: its small pack, else its carton.
    pub fn product(&self, catalog_code: &str) -> Option<&Drug> {
        let rows = self.drugs_of(catalog_code);
        rows.iter().find(|d| d.pack_level == PackLevel::Small).or(rows.first()).map(Arc::as_ref)
    }

    /// The sizes of a catalogue code's packs at the till, in smallest priced units, each once; empty where one
    /// of them is not known.
    pub fn pack_sizes(&self, catalog_code: &str) -> Vec<u32> {
        let rows = self.drugs_of(catalog_code).iter();
        let at_the_till = rows.filter(|d| d.pack_level == PackLevel::Small || d.carton_only);
        let sizes: Option<Vec<u32>> = at_the_till.map(|d| d.units_per_pack).collect();
        let mut sizes = sizes.unwrap_or_default();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// The no-code entries of a catalogue code.
    pub fn no_code_entries(&self, catalog_code: &str) -> &[NoCodeEntry] {
        self.no_code.get(catalog_code).map_or(&[], Vec::as_slice)
    }

    /// The own schemes, in order of issuer and pattern.
    pub fn own_schemes(&self) -> &[OwnScheme] {
        &self.schemes
    }

    /// How far purchase data of an institution is complete; `None` = complete.
    /// The most specific feed row counts.
    pub fn feed_of(&self, institution: &Institution) -> Option<Timestamp> {
        if let Some(at) = self.feeds_of_institutions.get(&institution.code) {
            return Some(*at);
        }
        if self.feeds_of_divisions.is_empty() {
            return None;
        }
        let division = institution.division.to_string();
        let prefixes = (0..=division.len()).rev().filter_map(|length| division.get(..length));
        prefixes.filter_map(|prefix| self.feeds_of_divisions.get(prefix)).next().copied()
    }

    /// The notice by which the maker of a code printed it more than once.
    pub fn makers_error(&self, key: &CodeKey) -> Option<&MakersError> {
        let end = self.makers_errors.partition_point(|entry| entry.first <= *key);
        self.makers_errors.get(..end)?.iter().rev().find(|entry| entry.covers(key))
    }

    /// Every entry of the list of makers' errors, withdrawn ones too, in order of their first codes.
    pub fn makers_errors(&self) -> &[MakersError] {
        &self.makers_errors
    }

    /// Up to when the oldest purchase feed of each province is complete, by the province's two digits; a feed for
    /// more than one province stands under `all`. Institutions that may not settle do not count.
    pub fn oldest_feeds(&self) -> BTreeMap<String, Timestamp> {
        let mut oldest: BTreeMap<String, Timestamp> = BTreeMap::new();
        let active = |code: &InstitutionCode| {
            self.institution(*code).is_none_or(|i| i.status == InstitutionStatus::Active)
        };
        let institutions = self.feeds_of_institutions.iter().filter(|(code, _)| active(code));
        let institutions = institutions.map(|(code, at)| (code.division().to_string(), *at));
        let divisions = self.feeds_of_divisions.iter().map(|(prefix, at)| (prefix.clone(), *at));
        for (division, at) in institutions.chain(divisions) {
            let province = division.get(..2).unwrap_or("all").to_owned();
            oldest.entry(province).and_modify(|known| *known = (*known).min(at)).or_insert(at);
        }
        oldest
    }

    /// Rows of each kind: institutions, drugs, no-code entries, own schemes.
    pub fn counts(&self) -> [usize; 4] {
        [
            self.institutions.len(),
            self.drugs.len(),
            self.no_code.values().map(Vec::len).sum(),
            self.schemes.len(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_feed_speaks_for_its_province() {
        let mut registry = Registry::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let area = |prefix: &str| FeedScope::DivisionPrefix(prefix.to_owned());
        let pharmacy = |code: &str| FeedScope::Institution(InstitutionCode::parse(code).unwrap());
        let check = |registry: &Registry, expected: &[(&str, i64)]| {
            let found = registry.oldest_feeds();
            let found: Vec<_> = found.iter().map(|(k, at)| (k.as_str(), at.as_second())).collect();
            assert_eq!(found, expected);
        };
        check(&registry, &[]);
        let rows = [(area("13"), 900), (area("1301"), 800), (pharmacy("P13010200101"), 850), (area("1"), 5)];
        for (scope, second) in rows.into_iter().chain([(pharmacy("P12010100001"), 700)]) {
            registry.put(RegistryRow::Feed(PurchaseFeed { scope, complete_up_to: at(second) }));
        }
        check(&registry, &[("12", 700), ("13", 800), ("all", 5)]);
        // A later row of the same feed replaces it.
        registry.put(RegistryRow::Feed(PurchaseFeed { scope: area("1301"), complete_up_to: at(2_000) }));
        check(&registry, &[("12", 700), ("13", 850), ("all", 5)]);
    }
}
