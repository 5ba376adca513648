//! Every answer that a store gives about the small world of the samples, to be compared as a whole.

use super::samples::{
    CATALOG_CODES, CHAINS, INSTITUTIONS, catalog_code, chain_pool, institution, own_pool, request,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use tracegate::domain::claim::History;
use tracegate::domain::code::{CodeKey, OwnScheme};
use tracegate::domain::drug::{Drug, NoCodeEntry};
use tracegate::domain::outcome::{Outcome, RequestKey};
use tracegate::domain::party::{Institution, Pool};
use tracegate::domain::purchase::Position;
use tracegate::domain::registry::Registry;
use tracegate::domain::tally::{Tally, TallyKey};
use tracegate::store::{AwaitedKey, Store};

/// Request ids that are asked for: `r0` to `r39` of every institution.
pub const REQUESTS: u32 = 40;
/// Document numbers that are asked for: `d0` to `d9`.
pub const DOCUMENTS: u32 = 10;

#[derive(Debug, Clone, PartialEq)]
pub struct Everything {
    pub claims: Vec<(CodeKey, History)>,
    pub outcomes: Vec<(RequestKey, Outcome)>,
    /// Institution, document, request ids in order.
    pub requests: Vec<(u32, String, Vec<String>)>,
    pub positions: Vec<((Pool, String), Position)>,
    pub awaited: BTreeSet<AwaitedKey>,
    pub registry: RegistryView,
    /// Codes with the versions of their dossiers and their bytes.
    pub dossiers: Vec<(CodeKey, u32, Vec<u8>)>,
    /// Those that count something.
    pub tallies: BTreeMap<TallyKey, Tally>,
}

/// Compares part by part: the first difference is told, not the whole.
#[track_caller]
pub fn check_same(found: &Everything, expected: &Everything, when: &str) {
    check_rows(&found.claims, &expected.claims, "claims", when);
    check_rows(&found.outcomes, &expected.outcomes, "outcomes", when);
    check_rows(&found.requests, &expected.requests, "requests", when);
    check_rows(&found.positions, &expected.positions, "positions", when);
    assert_eq!(found.awaited, expected.awaited, "awaited {when}");
    assert_eq!(found.registry, expected.registry, "registry {when}");
    check_rows(&found.dossiers, &expected.dossiers, "dossiers", when);
    assert_eq!(found.tallies, expected.tallies, "tallies {when}");
}

#[track_caller]
fn check_rows<T: PartialEq + std::fmt::Debug>(found: &[T], expected: &[T], what: &str, when: &str) {
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found, expected, "{what}, row {at}, {when}");
    }
    assert_eq!(found.len(), expected.len(), "number of {what} {when}");
}

/// What can be asked of a registry.
#[derive(Debug, Clone, PartialEq)]
pub struct RegistryView {
    pub version: u64,
    pub changed_at: Option<Timestamp>,
    pub counts: [usize; 4],
    pub institutions: Vec<Institution>,
    /// In the order in which they are tried: the first small pack speaks for the product.
    pub drugs: Vec<Drug>,
    /// In no order.
    pub no_code: Vec<NoCodeEntry>,
    /// In the order in which they are tried.
    pub schemes: Vec<OwnScheme>,
    pub feeds: Vec<Option<Timestamp>>,
}

pub fn view(registry: &Registry) -> RegistryView {
    let institutions: Vec<_> =
        (0..INSTITUTIONS).filter_map(|n| registry.institution(institution(n)).cloned()).collect();
    let mut no_code: Vec<_> =
        (0..CATALOG_CODES).flat_map(|n| registry.no_code_entries(&catalog_code(n)).to_vec()).collect();
    no_code.sort_by_key(|e| (e.catalog_code.clone(), e.division_prefix.clone(), e.valid_from));
    RegistryView {
        version: registry.version,
        changed_at: registry.changed_at,
        counts: registry.counts(),
        feeds: institutions.iter().map(|i| registry.feed_of(i)).collect(),
        institutions,
        drugs: (0..CATALOG_CODES)
            .flat_map(|n| registry.drugs_of(&catalog_code(n)).to_vec())
            .map(|drug| drug.as_ref().clone())
            .collect(),
        no_code,
        schemes: registry.own_schemes().to_vec(),
    }
}

/// Every pool and catalogue code of the world.
pub fn all_positions() -> Vec<(Pool, String)> {
    let pools = (0..INSTITUTIONS).map(own_pool).chain((0..CHAINS.len()).map(chain_pool));
    pools.flat_map(|pool| (0..CATALOG_CODES).map(move |n| (pool.clone(), catalog_code(n)))).collect()
}

pub async fn everything(store: &dyn Store) -> Everything {
    let asked = all_positions();
    let positions = store.positions(&asked).await.unwrap();
    Everything {
        claims: store.scan(None, usize::MAX).await.unwrap(),
        outcomes: outcomes(store).await,
        requests: requests(store).await,
        positions: asked.into_iter().zip(positions).collect(),
        awaited: store.awaited(None, usize::MAX).await.unwrap().into_iter().collect(),
        registry: view(&store.load_registry().await.unwrap()),
        dossiers: dossiers(store).await,
        tallies: super::tallies::all(store).await,
    }
}

async fn dossiers(store: &dyn Store) -> Vec<(CodeKey, u32, Vec<u8>)> {
    let found = super::cases::all(store).await.into_iter();
    let mut found: Vec<_> = found.map(|(_, row)| (row.key, row.version, row.bytes.to_vec())).collect();
    found.sort();
    found
}

async fn outcomes(store: &dyn Store) -> Vec<(RequestKey, Outcome)> {
    let mut found = Vec::new();
    for by in 0..INSTITUTIONS {
        for n in 0..REQUESTS {
            let key = request(by, &format!("r{n}"));
            if let Some(outcome) = store.outcome(&key).await.unwrap() {
                found.push((key, outcome));
            }
        }
    }
    found
}

async fn requests(store: &dyn Store) -> Vec<(u32, String, Vec<String>)> {
    let mut found = Vec::new();
    for by in 0..INSTITUTIONS {
        for n in 0..DOCUMENTS {
            let number = format!("d{n}");
            let paper = store.paper_key(&number);
            let mut ids = store.requests_of(institution(by), paper, usize::MAX).await.unwrap();
            ids.sort();
            if !ids.is_empty() {
                found.push((by, number, ids));
            }
        }
    }
    found
}
