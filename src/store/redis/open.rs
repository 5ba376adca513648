//! Opening a store: the deployment is joined, the log beside it read, what an earlier life left is settled.

use super::accounts::{Accounts, Adds};
use super::decision::DecisionId;
use super::guards::{self, Problem};
use super::head::{self, Head, MovedIn};
use super::health::Health;
use super::lane::{self, Lane};
use super::layout::{Layout, claim_bucket};
use super::ledger::Ledger;
use super::life::Life;
use super::lineage::Lineage;
use super::link::{Batch, Link, LinkError};
use super::marks::Marks;
use super::provisional::Aside;
use super::turns::Turns;
use super::{RedisOptions, RedisStore, Shared};
use crate::clock::Stopwatch;
use crate::store::directory::{self, Directory};
use crate::store::log::{EventLog, LogOptions, Replay};
use crate::store::{LogEvent, StoreError};
use jiff::Timestamp;
use redis::Value as Reply;
use siphasher::sip::SipHasher24;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The position of the log up to which sums are written.
const CHECKPOINT_FILE: &str = "checkpoint";
/// 2025-01-01 UTC: decisions are counted from there.
const COUNT_EPOCH_MILLISECONDS: i64 = 1_735_689_600_000;
/// Decisions of one millisecond, before the count runs ahead of the clock.
const COUNT_PER_MILLISECOND_BITS: u32 = 7;
/// Decisions that may have been begun and never logged before a gateway ended.
const COUNT_GAP: u64 = 1 << 20;

/// How long a Redis is waited for that answers, and takes no changes: a replica that comes back is in step only some
/// seconds later.
const NOT_NOW_MAX: Duration = Duration::from_secs(30);
/// Between two attempts.
const NOT_NOW_PAUSE: Duration = Duration::from_millis(250);

/// Double sales that wait for their judge; more are found than are judged only after a great loss.
const DOUBLES_WAITING_MAX: usize = 1024;

/// Why a store in Redis cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory refused.
    #[error(transparent)]
    Directory(#[from] directory::OpenError),
    /// The log refused.
    #[error(transparent)]
    Log(#[from] crate::store::log::OpenError),
    /// Redis refused or is away.
    #[error("{0}. Check store.url and that Redis is running")]
    Redis(String),
    /// Redis answers, and took no changes all the while.
    #[error("{0}. It said so for {max} seconds; look at its replicas, and at its log", max = NOT_NOW_MAX.as_secs())]
    NotNow(String),
    /// Redis is not set up to keep a ledger; everything that must be changed.
    #[error(
        "this Redis is not set up to keep a ledger. {} thing(s) to change (`CONFIG REWRITE` keeps what `CONFIG SET` \
         changed):\n  {}",
        .0.len(),
        .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")
    )]
    Unfit(Vec<Problem>),
    /// Redis holds no deployment.
    #[error(
        "this Redis holds no deployment of tracegate{}. If it is new, start once with --init-codes N (the codes that it \
         shall have room for); if it lost its data, restore it from a backup first, else sales are forgotten until \
         every gateway has put back what its own log holds",
        .known.as_ref().map(|id| format!(", but this gateway worked with deployment {id}")).unwrap_or_default()
    )]
    Empty {
        /// The deployment that this gateway worked with.
        known: Option<String>,
    },
    /// Lost while a store was moved into it.
    #[error(
        "deployment {0}, into which a store is being moved, is gone from this Redis; begin again with a new --data-dir"
    )]
    FillLost(String),
    /// A store is being moved into it.
    #[error(
        "store {0} is being moved into this Redis and not all of it is there yet; run the same `tracegate migrate` \
         command again, it goes on where it was interrupted"
    )]
    Unfinished(String),
    /// A store is moved into an empty Redis only.
    #[error("this Redis holds deployment {0}; a store is moved into an empty Redis only, name another one")]
    NotEmpty(String),
    /// Another deployment.
    #[error(
        "this Redis holds deployment {found}, the data directory belongs to {known}; give the gateway the right \
         store.url, or a data directory of its own"
    )]
    OtherDeployment {
        /// The one in Redis.
        found: String,
        /// The one of the data directory.
        known: String,
    },
    /// A newer gateway wrote it.
    #[error("this Redis has schema {found}, this gateway knows {known}; use the newer gateway")]
    NewerSchema {
        /// Found.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// Something that is not as a gateway writes it.
    #[error("this Redis or its copy in the data directory is damaged: {0}")]
    Foreign(String),
    /// Two gateways with one number.
    #[error(
        "gateway number {0} of this data directory belongs to another gateway by now: two copies of one data directory \
         cannot run in one fleet; give one of them an empty data directory"
    )]
    NumberTaken(u16),
    /// Two processes with one number.
    #[error(
        "another process works as gateway {0} right now, with a copy of this data directory; stop it, or give this one an          empty data directory"
    )]
    Lives(u16),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<LinkError> for OpenError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::NotNow(_) => Self::NotNow(error.to_string()),
            LinkError::Away(_) | LinkError::Refused(_) => Self::Redis(error.to_string()),
        }
    }
}

impl RedisStore {
    /// Joins the deployment in Redis, with a log in `dir`. Waits for a Redis that answers, and takes no changes yet.
    pub async fn open(dir: &Path, options: &RedisOptions, now: Timestamp) -> Result<Self, OpenError> {
        let begun = Stopwatch::start();
        let mut told = false;
        loop {
            match Self::open_once(dir, options, now).await {
                Err(OpenError::NotNow(why) | OpenError::Store(StoreError::Away(why)))
                    if begun.elapsed() < NOT_NOW_MAX =>
                {
                    if !told {
                        tracing::warn!("waiting up to {} seconds: {why}", NOT_NOW_MAX.as_secs());
                        told = true;
                    }
                    // signal: Redis tells nobody when it takes changes again.
                    tokio::time::sleep(NOT_NOW_PAUSE).await;
                }
                opened => return opened,
            }
        }
    }

    async fn open_once(dir: &Path, options: &RedisOptions, now: Timestamp) -> Result<Self, OpenError> {
        let path = dir.to_owned();
        let directory =
            tokio::task::spawn_blocking(move || Directory::open(&path)).await.map_err(fault)??;
        Self::open_in(directory, options, now, None).await
    }

    /// As [`open`](Self::open), for an empty Redis into which a store is moved, or one into which it was begun to be.
    pub async fn open_to_fill(
        dir: &Path,
        options: &RedisOptions,
        now: Timestamp,
        moved_in: &MovedIn,
    ) -> Result<Self, OpenError> {
        let path = dir.to_owned();
        let opening = tokio::task::spawn_blocking(move || Directory::open_to_fill(&path, None));
        Self::open_in(opening.await.map_err(fault)??, options, now, Some(moved_in)).await
    }

    async fn open_in(
        directory: Directory,
        options: &RedisOptions,
        now: Timestamp,
        moved_in: Option<&MovedIn>,
    ) -> Result<Self, OpenError> {
        let (link, head, gateway, life) = join(&directory, options, moved_in).await?;
        let dir = directory.path.as_path();
        let secret = head.secret()?;
        let ledger = Ledger::new(Arc::clone(&link), Layout::new(&secret, head.buckets()));
        let accounts = Arc::new(Accounts::new(&link, &ledger.layout, gateway));
        let from = read_position(dir, CHECKPOINT_FILE);
        let log_dir = dir.join("log");
        let (log, replay) = open_log(log_dir.clone(), options.segment_bytes_max, from).await?;
        let logged = add_up_again(&accounts, replay).await?;
        let health = Arc::new(Health::new());
        let (aside, writing) = open_aside(dir, &health).await?;
        let lane = lane_of(&log_dir, options, log, &accounts, &health);
        let (jobs, waiting) = mpsc::channel(options.changes_max);
        let (publishing, to_publish) = mpsc::channel(options.changes_max);
        let (doubles, double_sales) = mpsc::channel(DOUBLES_WAITING_MAX);
        let shared = Arc::new(Shared {
            options: options.clone(),
            marks: Marks::open(dir),
            repairing: watch::channel(false).0,
            epoch: AtomicU64::new(0),
            doubles,
            head,
            accounts,
            gateway,
            life,
            count: AtomicU64::new(first_count(now, logged.iter().copied().max())),
            turns: Turns::new(),
            lane: Mutex::new(Some(jobs)),
            publishing,
            log_end: lane.end(),
            log_dir,
            health,
            hasher: SipHasher24::new_with_key(&secret),
            secret,
            codes: AtomicU64::new(count_codes(&ledger).await?),
            retired: Mutex::default(),
            unretired: lane.unretired(),
            follower: lane.follower(),
            listed: Mutex::default(),
            cursors: tokio::sync::Mutex::default(),
            registry_version: watch::channel(0).0,
            registry_turn: tokio::sync::Mutex::default(),
            aside,
            room: Arc::new(Semaphore::new(options.changes_max)),
            work: TaskTracker::new(),
            closing: CancellationToken::new(),
            directory,
            ledger,
        });
        let lane = tokio::spawn(lane.run(waiting));
        let publisher = tokio::spawn(Arc::clone(&shared).publish_all(to_publish));
        let tasks = begin(&shared, &logged, from, vec![lane, publisher, tokio::spawn(writing)]).await?;
        Ok(Self { shared, tasks: Mutex::new(tasks), double_sales: Mutex::new(Some(double_sales)) })
    }
}

/// The deployment in Redis, and this gateway's place in it.
async fn join(
    directory: &Directory,
    options: &RedisOptions,
    moved_in: Option<&MovedIn>,
) -> Result<(Arc<Link>, Head, u16, Life), OpenError> {
    let link = Arc::new(Link::new(&options.address, options.answer_max)?);
    guards::check(&link, options).await?;
    let (head, gateway) = head::join(&link, directory, options.init_codes, moved_in).await?;
    let life = Life::begin(&link, gateway).await?;
    Ok((link, head, gateway, life))
}

/// Opens the log of provisional answers, beside other tasks: it blocks.
async fn open_aside(
    dir: &Path,
    health: &Arc<Health>,
) -> Result<(Aside, impl Future<Output = ()> + Send + use<>), OpenError> {
    let (dir, health) = (dir.to_owned(), Arc::clone(health));
    tokio::task::spawn_blocking(move || Aside::open(&dir, health)).await.map_err(fault)?
}

fn lane_of(
    dir: &Path,
    options: &RedisOptions,
    log: EventLog,
    accounts: &Arc<Accounts>,
    health: &Arc<Health>,
) -> Lane {
    let least = options.disk_free_bytes_min;
    Lane::new(dir.to_owned(), least, log, Arc::clone(accounts), Arc::clone(health))
}

/// Settles what is left of an earlier life and begins the work beside requests. Where that fails, `tasks` have ended when
/// this returns: they hold the directory.
async fn begin(
    shared: &Arc<Shared>,
    logged: &HashSet<DecisionId>,
    from: u64,
    mut tasks: Vec<JoinHandle<()>>,
) -> Result<Vec<JoinHandle<()>>, StoreError> {
    match shared.settle_left(logged).await {
        Ok(lineage) => tasks.extend(beside_requests(shared, from, lineage)),
        Err(error) => {
            shared.closing.cancel();
            shared.aside.close();
            drop(shared.lane.lock().unwrap_or_else(PoisonError::into_inner).take());
            futures_util::future::join_all(tasks).await;
            return Err(error);
        }
    }
    Ok(tasks)
}

/// What goes on beside requests until the store is closed.
fn beside_requests(shared: &Arc<Shared>, from: u64, lineage: Lineage) -> Vec<JoinHandle<()>> {
    vec![
        tokio::spawn(Arc::clone(shared).keep_up(from, lineage)),
        tokio::spawn(Arc::clone(shared).watch_redis()),
        tokio::spawn(Arc::clone(shared).keep_saying()),
        tokio::spawn(Arc::clone(shared).read_fleet()),
        tokio::spawn(Arc::clone(shared).read_dossiers()),
        tokio::spawn(Arc::clone(shared).keep_packed()),
    ]
}

/// Opens the log behind a position, beside other tasks: it blocks.
async fn open_log(dir: PathBuf, segment_bytes_max: u64, from: u64) -> Result<(EventLog, Replay), OpenError> {
    let opening =
        move || EventLog::open(&dir, LogOptions { segment_bytes_max, ..LogOptions::default() }, from);
    Ok(tokio::task::spawn_blocking(opening).await.map_err(fault)??)
}

fn fault(error: tokio::task::JoinError) -> OpenError {
    OpenError::Foreign(error.to_string())
}

/// Adds up what the written sums may not hold; gives the decisions that were logged since.
async fn add_up_again(accounts: &Accounts, replay: Replay) -> Result<HashSet<DecisionId>, OpenError> {
    let mut logged = HashSet::new();
    for group in replay {
        let group = group?;
        for (at, payload) in group.payloads() {
            let unreadable = || OpenError::Foreign(format!("log position {at} holds no event"));
            let (id, event) = lane::parts(payload).ok_or_else(unreadable)?;
            let event = LogEvent::decode(event).map_err(|_| unreadable())?;
            accounts.add_again(&Adds::of(&event), at).await?;
            logged.insert(id);
        }
    }
    Ok(logged)
}

/// The first number that was never given out, whatever the clock says.
fn first_count(now: Timestamp, last: Option<DecisionId>) -> u64 {
    let milliseconds = u64::try_from(now.as_millisecond() - COUNT_EPOCH_MILLISECONDS).unwrap_or(0);
    let by_clock = milliseconds << COUNT_PER_MILLISECOND_BITS;
    by_clock.max(last.map_or(0, |last| last.count() + COUNT_GAP))
}

/// Codes in all buckets.
async fn count_codes(ledger: &Ledger) -> Result<u64, StoreError> {
    let mut codes = 0;
    for tags in ledger.layout.walk() {
        let mut batch = Batch::default();
        for tag in tags {
            for bucket in 0..ledger.layout.buckets.claims {
                let mut cmd = redis::cmd("HLEN");
                cmd.arg(claim_bucket(tag, bucket));
                batch.put(tag, cmd);
            }
        }
        for reply in ledger.link.run(batch).await? {
            if let Reply::Int(count) = reply {
                codes += u64::try_from(count).unwrap_or(0);
            }
        }
    }
    Ok(codes)
}

/// The position in a file; the beginning where there is none: then more is read than need be.
pub(super) fn read_position(dir: &Path, file: &str) -> u64 {
    let text = std::fs::read_to_string(dir.join(file));
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

impl Shared {
    /// Settles what an earlier life left, and looks which servers there are.
    async fn settle_left(&self, logged: &HashSet<DecisionId>) -> Result<Lineage, StoreError> {
        self.settle_own(logged).await?;
        Ok(Lineage::now(self).await?)
    }

    /// Remembers up to where sums are written. Where it is lost, more of the log is read at the next start.
    pub fn write_checkpoint(&self, position: u64) {
        let written = directory::write_durably(&self.directory.path, CHECKPOINT_FILE, &position.to_string());
        if let Err(error) = written {
            tracing::warn!(%error, "the checkpoint was not written; the next start takes longer");
        }
    }

    /// The position up to which everything is in the log.
    pub fn logged_up_to(&self) -> u64 {
        self.log_end.load(Ordering::Acquire)
    }
}
