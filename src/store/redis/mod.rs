//! The ledger in Redis: many gateways, one truth. A single server, Sentinel or a cluster.
//!
//! ```text
//! {p:NNNN}c:B   bucket of claims: code → the decision that it rests on (and the one before)
//! {p:NNNN}h:K   a claim that says more than that: returns, splits, findings
//! {p:NNNN}d:B   bucket of decisions: committed or aborted, who sold when
//! {p:NNNN}o:K   outcome of a request        {p:NNNN}b:K   purchase record
//! {p:NNNN}r:B   requests by their document  {p:NNNN}w     questions that wait
//! {p:NNNN}s:K   position: what each gateway added to it       {p:NNNN}x:K   dossier of a code
//! {g:NNNNN}…    a gateway's list of what it has under way, and its feed of claims
//! {tracegate}…  head of the deployment, numbers of its gateways; {tracegate:registry}… the registry
//! ```
//!
//! A change is decided once (`transaction`): its claims name a decision that does not stand yet; the decision is
//! put where none stands; then the change goes into this gateway's own log (`lane`) and only then is it answered.
//! Whatever is sent to Redis may be sent twice. The log beside Redis holds all that this gateway ever acknowledged.
//!
//! Reading order: `address`, `link` (the connection), `guards` (whether this Redis is fit), `layout` (where things
//! lie), `decision`, `cell` (what stands there), `ledger` (reading), `transaction`, `work` (a change from its beginning
//! to its end), `lane`, `accounts`.

mod accounts;
mod address;
mod cell;
mod commands;
mod decision;
mod dossiers;
mod effects;
mod export;
mod feed;
mod fleet;
mod forget;
mod guards;
mod head;
mod health;
mod import;
mod lane;
mod layout;
mod ledger;
mod life;
mod lineage;
mod link;
mod marks;
mod open;
mod packing;
mod provisional;
mod publisher;
mod purchases;
mod read;
mod reconcile;
mod registry;
mod reply;
mod settle;
mod sums;
mod tallies;
mod ticks;
mod transaction;
mod turns;
mod upkeep;
mod work;

pub use address::{Address, BadAddress};
pub use guards::{Problem, Severity};
pub use head::MovedIn;
pub use open::OpenError;

use super::directory::Directory;
use super::{ClaimFollower, DoubleSale, StoreError};
use accounts::Accounts;
use decision::DecisionId;
use fleet::Cursors;
use head::Head;
use health::Health;
use lane::{Job, LogPlace, Unretired};
use ledger::Ledger;
use life::Life;
use marks::Marks;
use provisional::Aside;
use publisher::Publish;
use siphasher::sip::SipHasher24;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use turns::Turns;

/// Settings of a store in Redis; see the configuration file for what they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisOptions {
    /// Where Redis is.
    pub address: Address,
    /// Where Redis is empty, a deployment is made that is planned for so many codes; `None` = that is refused.
    pub init_codes: Option<u64>,
    /// How long one answer of Redis may take.
    pub answer_max: Duration,
    /// How long a caller waits for a change before it is told "unknown".
    pub commit_max: Duration,
    /// Most changes under way.
    pub changes_max: usize,
    /// Least free disk, in bytes, with which changes are still accepted.
    pub disk_free_bytes_min: u64,
    /// Size of one segment of the log, in bytes.
    pub segment_bytes_max: u64,
    /// How long feeds reach back. Who could not read for half of it reads all claims anew. Only tests change it.
    pub feed_kept: Duration,
    /// Whether what Redis loses is put back. Only tests that show what happens without it turn it off.
    pub reconcile: bool,
    /// Whether a Redis may be used that keeps nothing on disk: for a trial, never where anybody is paid by it. A
    /// restart of Redis then forgets every sale; each gateway's own log still has those that it acknowledged.
    pub allow_volatile: bool,
}

impl RedisOptions {
    /// The defaults for an address.
    pub const fn at(address: Address) -> Self {
        Self {
            address,
            init_codes: None,
            answer_max: Duration::from_millis(500),
            commit_max: Duration::from_secs(2),
            changes_max: 4096,
            disk_free_bytes_min: 256 << 20,
            segment_bytes_max: 256 << 20,
            feed_kept: Duration::from_secs(300),
            reconcile: true,
            allow_volatile: false,
        }
    }
}

/// An open store in Redis.
pub struct RedisStore {
    shared: Arc<Shared>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    double_sales: Mutex<Option<mpsc::Receiver<DoubleSale>>>,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("gateway", &self.shared.gateway).finish_non_exhaustive()
    }
}

/// What all tasks of a store share.
struct Shared {
    options: RedisOptions,
    ledger: Ledger,
    accounts: Arc<Accounts>,
    /// This gateway's number, and this process's claim to it.
    gateway: u16,
    life: Life,
    /// What the fleet agrees on.
    head: Head,
    /// Up to where partitions hold what was logged.
    marks: Marks,
    /// What Redis lost is being put back: nothing is begun meanwhile.
    repairing: watch::Sender<bool>,
    /// Grows whenever servers were found to have changed or lost something: a change that began before may have been
    /// put where nobody looks any more.
    epoch: AtomicU64,
    /// Double sales that were found.
    doubles: mpsc::Sender<DoubleSale>,
    /// The next decision's number.
    count: AtomicU64,
    turns: Turns,
    lane: Mutex<Option<mpsc::Sender<Job>>>,
    /// Committed changes that others are to be told of.
    publishing: mpsc::Sender<Publish>,
    log_end: Arc<AtomicU64>,
    log_dir: PathBuf,
    health: Arc<Health>,
    hasher: SipHasher24,
    secret: [u8; 16],
    /// Codes in the ledger, about.
    codes: AtomicU64,
    /// Changes that are finished and still on the list of what is under way.
    retired: Mutex<Vec<(LogPlace, DecisionId)>>,
    /// What is in the log and still on that list.
    unretired: Unretired,
    /// Who keeps a copy of what the ledger knows.
    follower: Arc<Mutex<Option<Arc<dyn ClaimFollower>>>>,
    /// Up to where the streams of others were told to it.
    cursors: tokio::sync::Mutex<Cursors>,
    /// Up to where the list of changed dossiers was told to it; `None` = nobody follows yet.
    listed: Mutex<Option<u64>>,
    /// The version of the registry in Redis.
    registry_version: watch::Sender<u64>,
    /// One load of the registry at a time.
    registry_turn: tokio::sync::Mutex<()>,
    /// Answers that were given while Redis was away.
    aside: Aside,
    room: Arc<Semaphore>,
    work: TaskTracker,
    closing: CancellationToken,
    /// Locked while in use.
    directory: Directory,
}

impl Shared {
    fn follower(&self) -> Option<Arc<dyn ClaimFollower>> {
        self.follower.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hands a job to the owner of the log and waits for its answer.
    async fn ask_lane<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job + Send) -> Result<T, StoreError> {
        let lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (reply, answer) = oneshot::channel();
        lane.ok_or_else(closed)?.send(job(reply)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())
    }

    fn next_id(&self) -> DecisionId {
        DecisionId::new(self.gateway, self.count.fetch_add(1, Ordering::Relaxed))
    }
}

impl RedisStore {
    /// The same store for a task that reads it.
    fn handle(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), tasks: Mutex::default(), double_sales: Mutex::default() }
    }
}

fn closed() -> StoreError {
    StoreError::Stopped("the store is closed".to_owned())
}
