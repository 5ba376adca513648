//! Wires a move from one store to another: opens both sides, moves, opens the target again and compares. It knows which
//! stores there are; how rows are read, put and compared is the stores' matter.

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::store::embedded::{self, EmbeddedOptions, EmbeddedStore};
use crate::store::moving::{Carried, Compared, Movable, MoveError, Note, Stage, carry, compare};
use crate::store::redis::{self, Address, MovedIn, RedisOptions, RedisStore};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use crate::store::moving::Step;

/// How long Redis may take for one answer: nobody stands at a counter.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long one piece may take.
const PIECE_MAX: Duration = Duration::from_secs(120);

/// A store by its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// An embedded store in a directory.
    Directory(PathBuf),
    /// A deployment in Redis.
    Redis(Address),
}

impl Side {
    /// Reads a directory, or an address that begins with `redis`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Address::parse(text).map(Self::Redis).map_err(|error| format!("it {error}"));
        }
        Ok(Self::Directory(text.into()))
    }
}

/// What is moved where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The store that is read.
    pub from: Side,
    /// The empty one that is written.
    pub to: Side,
    /// The directory of the gateway through which this command works with Redis.
    pub data_dir: PathBuf,
    /// Codes that a new deployment in Redis is planned for.
    pub init_codes: Option<u64>,
    /// Stop after so many pieces; the same move goes on there. `None` = move everything.
    pub pieces_max: Option<u64>,
}

/// How a move ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moved {
    /// It was told to stop before everything was there.
    Stopped,
    /// Everything was there and compared already when the command was interrupted; now the target is open.
    Concluded,
    /// Everything was moved; what both sides hold. Only where it is the same may gateways work with the target.
    Whole(Box<Compared>),
}

/// Why a move does not go on.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// Both sides are of one kind.
    #[error(
        "a store is moved from a data directory to Redis or from Redis to a data directory; to copy one directory, stop \
         its gateway and copy the files"
    )]
    SameKind,
    /// There is nothing to be moved.
    #[error("{0} is no data directory of a gateway; name the one that the gateway was started with")]
    NoSource(PathBuf),
    /// Everybody needs a directory of their own.
    #[error("--data-dir must be another directory than the one that is moved")]
    SameDirectory,
    /// A deployment cannot grow its buckets.
    #[error(
        "the source holds about {held} codes, --init-codes plans for {planned} only; plan for what the next years will \
         bring, it cannot be changed later"
    )]
    TooSmall {
        /// Codes in the source.
        held: u64,
        /// Codes planned for.
        planned: u64,
    },
    /// The directory cannot be opened.
    #[error(transparent)]
    Directory(#[from] embedded::OpenError),
    /// Redis cannot be opened.
    #[error(transparent)]
    Redis(#[from] redis::OpenError),
    /// The move failed.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// A task ended in a panic.
    #[error("a task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Moves a store, or goes on where the same move was interrupted, and compares both sides.
pub async fn migrate(
    plan: &Plan,
    config: &Config,
    told: &mut (dyn FnMut(Step) + Send),
) -> Result<Moved, MigrateError> {
    let opening = Opening { plan, options: &config.store };
    let source = opening.source().await?;
    let moved = opening.from(source.as_ref(), told).await;
    source.close().await;
    moved
}

/// Opens stores as a plan says.
struct Opening<'a> {
    plan: &'a Plan,
    options: &'a EmbeddedOptions,
}

impl Opening<'_> {
    async fn source(&self) -> Result<Box<dyn Movable>, MigrateError> {
        match (&self.plan.from, &self.plan.to) {
            (Side::Directory(_), Side::Directory(_)) | (Side::Redis(_), Side::Redis(_)) => {
                Err(MigrateError::SameKind)
            }
            (Side::Directory(dir), Side::Redis(_)) => {
                // Opened, an empty directory would become a new store.
                if !dir.join("tracegate.toml").exists() {
                    return Err(MigrateError::NoSource(dir.clone()));
                }
                if same_place(dir, &self.plan.data_dir) {
                    return Err(MigrateError::SameDirectory);
                }
                let (dir, options) = (dir.clone(), self.options.clone());
                let opening =
                    tokio::task::spawn_blocking(move || EmbeddedStore::open_to_read(&dir, &options));
                Ok(Box::new(opening.await??))
            }
            (Side::Redis(address), Side::Directory(dir)) => {
                if same_place(dir, &self.plan.data_dir) {
                    return Err(MigrateError::SameDirectory);
                }
                let options = self.redis_options(address);
                let options = RedisOptions { init_codes: None, ..options };
                let opened = RedisStore::open(&self.plan.data_dir, &options, SystemClock.now()).await?;
                Ok(Box::new(opened))
            }
        }
    }

    /// The directory in which the note is kept: the target's own, or that of its gateway.
    fn target_dir(&self) -> &Path {
        match &self.plan.to {
            Side::Directory(dir) => dir,
            Side::Redis(_) => &self.plan.data_dir,
        }
    }

    fn redis_options(&self, address: &Address) -> RedisOptions {
        RedisOptions {
            init_codes: self.plan.init_codes,
            answer_max: ANSWER_MAX,
            commit_max: PIECE_MAX,
            disk_free_bytes_min: self.options.disk_free_bytes_min,
            segment_bytes_max: self.options.segment_bytes_max,
            ..RedisOptions::at(address.clone())
        }
    }

    async fn target(&self, source: &dyn Movable, note: &Note) -> Result<Box<dyn Movable>, MigrateError> {
        match &self.plan.to {
            Side::Directory(dir) => {
                let (dir, options, secret) = (dir.clone(), self.options.clone(), source.secret());
                let opening =
                    tokio::task::spawn_blocking(move || EmbeddedStore::open_to_fill(&dir, &options, secret));
                Ok(Box::new(opening.await??))
            }
            Side::Redis(address) => {
                let moved_in = MovedIn {
                    source: source.identity().to_owned(),
                    secret: source.secret(),
                    verified: note.stage() == Stage::Verified,
                };
                let options = self.redis_options(address);
                let (dir, now) = (&self.plan.data_dir, SystemClock.now());
                Ok(Box::new(RedisStore::open_to_fill(dir, &options, now, &moved_in).await?))
            }
        }
    }

    async fn from(
        &self,
        source: &dyn Movable,
        told: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Moved, MigrateError> {
        source.quieten().await?;
        if let (Side::Redis(_), Some(planned)) = (&self.plan.to, self.plan.init_codes)
            && source.codes_about() > planned
        {
            return Err(MigrateError::TooSmall { held: source.codes_about(), planned });
        }
        let mut note = Note::open(self.target_dir(), source.identity())?;
        if note.resumes() {
            tracing::info!(stage = ?note.stage(), "going on with an interrupted move");
        }
        if note.stage() == Stage::Verified {
            // Not compared again: others may have been working with the target since.
            let target = self.target(source, &note).await?;
            let opened = target.moved_in().await.map_err(MoveError::from);
            target.close().await;
            opened?;
            note.remove()?;
            return Ok(Moved::Concluded);
        }
        let target = self.target(source, &note).await?;
        let carried = carry(source, target.as_ref(), &mut note, self.plan.pieces_max, told).await;
        target.close().await;
        drop(target);
        if carried? == Carried::Stopped {
            return Ok(Moved::Stopped);
        }
        // Opened again: what is compared is what whoever comes next will find.
        let target = self.target(source, &note).await?;
        let compared = self.conclude(source, target.as_ref(), &mut note, told).await;
        target.close().await;
        let compared = compared?;
        if compared.is_same() {
            note.remove()?;
        }
        Ok(Moved::Whole(Box::new(compared)))
    }

    /// Compares; where both are the same, others may work with the target.
    async fn conclude(
        &self,
        source: &dyn Movable,
        target: &dyn Movable,
        note: &mut Note,
        told: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Compared, MigrateError> {
        source.quieten().await?;
        let compared = compare(source, target, told).await?;
        if compared.is_same() {
            note.save(Stage::Verified)?;
            target.moved_in().await.map_err(MoveError::from)?;
        }
        Ok(compared)
    }
}

fn same_place(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
