//! A store as it should be, in memory: positions are not added up but worked out anew from all that was taken in.

use super::everything::{DOCUMENTS, Everything, all_positions, view};
use super::samples::{CHAINS, INSTITUTIONS, institution};
use jiff::Timestamp;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use tracegate::domain::claim::History;
use tracegate::domain::code::CodeKey;
use tracegate::domain::outcome::{Outcome, RequestKey};
use tracegate::domain::party::Pool;
use tracegate::domain::purchase::{Position, PurchaseRecord, PurchaseSource};
use tracegate::domain::registry::{Registry, RegistryRow};
use tracegate::domain::tally::{Tally, TallyKey};
use tracegate::store::{AwaitedKey, Change, CommitError, LoadStatus, Store};

/// What is done to a store.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "a few hundred of them, in a test")]
pub enum Operation {
    Commit {
        change: Change,
        /// The number of the document that the first outcome dispensed.
        document: Option<String>,
        /// Units sold by an institution of a drug, counted for its chain too.
        sold: Option<(u32, String, Decimal)>,
    },
    Purchases(Vec<PurchaseRecord>),
    Rows(Vec<RegistryRow>, Timestamp),
}

/// What a store answers.
#[derive(Debug, PartialEq)]
pub enum Told {
    Committed(Result<(), CommitError>),
    Loaded(Vec<LoadStatus>),
    Registered(Vec<LoadStatus>, u64),
}

#[derive(Default)]
pub struct Model {
    pub claims: BTreeMap<CodeKey, History>,
    pub outcomes: BTreeMap<RequestKey, Outcome>,
    /// Institution, document number, request id.
    documents: BTreeSet<(u32, String, String)>,
    purchases: BTreeMap<String, PurchaseRecord>,
    sold: BTreeMap<(u32, String), Decimal>,
    awaited: BTreeSet<AwaitedKey>,
    tallies: BTreeMap<TallyKey, Tally>,
    rows: BTreeMap<String, RegistryRow>,
    version: u64,
    changed_at: Option<Timestamp>,
}

impl Model {
    pub fn chain_of(&self, by: u32) -> Option<&'static str> {
        let code = institution(by);
        self.rows.values().find_map(|row| match row {
            RegistryRow::Institution(i) if i.code == code => {
                CHAINS.into_iter().find(|chain| i.chain_group.as_deref() == Some(chain))
            }
            _ => None,
        })
    }

    /// Does to a real store what the operation says, with the chains as the model knows them.
    pub async fn apply_to(&self, store: &dyn Store, operation: &Operation) -> Told {
        match operation.clone() {
            Operation::Commit { mut change, document, sold } => {
                let key = change.outcomes.first().map(|outcome| outcome.key.clone());
                change.document = key.zip(document.map(|number| store.paper_key(&number)));
                if let Some((by, drug, units)) = sold {
                    change.tallies.push(tally_of(by, &drug));
                    let chain = self.chain_of(by).map(|chain| Pool::Chain(chain.to_owned()));
                    let pools = [Some(Pool::Institution(institution(by))), chain];
                    let rows = pools.into_iter().flatten().map(|pool| (pool, drug.clone(), units));
                    change.sold.extend(rows);
                }
                Told::Committed(store.commit(&change).await)
            }
            Operation::Purchases(records) => {
                let chain = |record: &PurchaseRecord| {
                    let by = (0..INSTITUTIONS).find(|n| institution(*n) == record.institution);
                    by.and_then(|by| self.chain_of(by)).map(str::to_owned)
                };
                let records = records.into_iter().map(|record| (record.clone(), chain(&record)));
                Told::Loaded(store.add_purchases(records.collect()).await.unwrap())
            }
            Operation::Rows(rows, at) => {
                let (statuses, version) = store.put_rows(rows, at).await.unwrap();
                Told::Registered(statuses, version)
            }
        }
    }

    /// Does it to the model.
    pub fn apply(&mut self, operation: Operation) -> Told {
        match operation {
            Operation::Commit { change, document, sold } => {
                Told::Committed(self.commit(change, document, sold))
            }
            Operation::Purchases(records) => {
                let put = |record: PurchaseRecord| put(&mut self.purchases, record.identity(), record);
                Told::Loaded(records.into_iter().map(put).collect())
            }
            Operation::Rows(rows, at) => {
                let put = |row: RegistryRow| put(&mut self.rows, row.identity(), row);
                let statuses: Vec<_> = rows.into_iter().map(put).collect();
                if statuses.iter().any(|status| *status != LoadStatus::Unchanged) {
                    (self.version, self.changed_at) = (self.version + 1, Some(at));
                }
                Told::Registered(statuses, self.version)
            }
        }
    }

    fn commit(
        &mut self,
        change: Change,
        document: Option<String>,
        sold: Option<(u32, String, Decimal)>,
    ) -> Result<(), CommitError> {
        let claims_stand = change
            .claims
            .iter()
            .all(|c| self.claims.get(&c.key).map(|history| history.version) == c.expected);
        let outcomes_stand = change
            .outcomes
            .iter()
            .all(|o| self.outcomes.get(&o.key).map(|outcome| outcome.version) == o.expected);
        if !claims_stand || !outcomes_stand {
            return Err(CommitError::Conflict);
        }
        if let (Some(number), Some(outcome)) = (document, change.outcomes.first()) {
            let by = (0..INSTITUTIONS).find(|n| institution(*n) == outcome.key.institution).unwrap();
            self.documents.insert((by, number, outcome.key.request_id.clone()));
        }
        self.claims.extend(change.claims.into_iter().map(|c| (c.key, c.history)));
        self.outcomes.extend(change.outcomes.into_iter().map(|o| (o.key, o.outcome)));
        self.awaited.extend(change.awaited);
        for question in &change.settled {
            self.awaited.remove(question);
        }
        if let Some((by, drug, units)) = sold {
            let (key, tally) = tally_of(by, &drug);
            self.tallies.entry(key).or_default().add(&tally);
            *self.sold.entry((by, drug)).or_default() += units;
        }
        Ok(())
    }

    /// What an institution bought and sold of a drug.
    fn own_position(&self, by: u32, drug: &str) -> Position {
        let mut position = Position {
            sold: self.sold.get(&(by, drug.to_owned())).copied().unwrap_or_default(),
            ..Position::default()
        };
        let bought = |r: &&PurchaseRecord| r.institution == institution(by) && r.catalog_code == drug;
        for record in self.purchases.values().filter(bought) {
            let (sum, n) = match record.source {
                PurchaseSource::Platform => (&mut position.platform, 0),
                PurchaseSource::Filed => (&mut position.filed, 1),
                PurchaseSource::OpeningStock => (&mut position.opening, 2),
            };
            *sum += record.quantity;
            position.records[n] += 1;
        }
        position
    }

    fn position(&self, pool: &Pool, drug: &str) -> Position {
        let is_member = |by: u32| match pool {
            Pool::Institution(code) => *code == institution(by),
            Pool::Chain(chain) => self.chain_of(by) == Some(chain.as_str()),
        };
        let members = (0..INSTITUTIONS).filter(|by| is_member(*by));
        members.fold(Position::default(), |mut sum, by| {
            let own = self.own_position(by, drug);
            sum.platform += own.platform;
            sum.filed += own.filed;
            sum.opening += own.opening;
            sum.sold += own.sold;
            (0..3).for_each(|n| sum.records[n] += own.records[n]);
            sum
        })
    }

    /// Every answer that a store should give.
    pub fn everything(&self) -> Everything {
        let mut registry = Registry::default();
        self.rows.values().for_each(|row| registry.put(row.clone()));
        (registry.version, registry.changed_at) = (self.version, self.changed_at);
        let positions = all_positions().into_iter().map(|(pool, drug)| {
            let position = self.position(&pool, &drug);
            ((pool, drug), position)
        });
        Everything {
            claims: self.claims.iter().map(|(key, history)| (key.clone(), history.clone())).collect(),
            outcomes: self.outcomes_in_order(),
            requests: self.requests(),
            positions: positions.collect(),
            awaited: self.awaited.clone(),
            registry: view(&registry),
            dossiers: Vec::new(),
            tallies: self.tallies.clone(),
        }
    }

    fn outcomes_in_order(&self) -> Vec<(RequestKey, Outcome)> {
        let mut found: Vec<_> = self.outcomes.clone().into_iter().collect();
        found.sort_by_key(|(key, _)| (key.institution, key.request_id.len(), key.request_id.clone()));
        found
    }

    fn requests(&self) -> Vec<(u32, String, Vec<String>)> {
        let mut found = Vec::new();
        for by in 0..INSTITUTIONS {
            for number in (0..DOCUMENTS).map(|n| format!("d{n}")) {
                let of = self.documents.iter().filter(|(i, d, _)| (*i, d) == (by, &number));
                let ids: Vec<_> = of.map(|(_, _, id)| id.clone()).collect();
                if !ids.is_empty() {
                    found.push((by, number, ids));
                }
            }
        }
        found
    }
}

/// What a sale of a drug counts for, on a day of its own.
fn tally_of(by: u32, drug: &str) -> (TallyKey, Tally) {
    super::tallies::sold_on(by, drug.bytes().last().map_or(1, |byte| byte % 28 + 1))
}

fn put<T: PartialEq>(known: &mut BTreeMap<String, T>, identity: String, new: T) -> LoadStatus {
    let status = match known.get(&identity) {
        None => LoadStatus::Added,
        Some(old) if *old == new => LoadStatus::Unchanged,
        Some(_) => LoadStatus::Replaced,
    };
    known.insert(identity, new);
    status
}
