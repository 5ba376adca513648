//! The head of a deployment: what every gateway of a fleet must agree on. It stands in Redis, and each gateway keeps
//! a copy beside its log, so that an empty Redis is never taken for the one that it worked with.

use super::OpenError;
use super::layout::{Buckets, PARTITIONS};
use super::link::{Batch, Link, LinkError, Tag};
use super::reply::{is_one, pairs_of};
use crate::store::StoreError;
use crate::store::directory::{Directory, hex_of, random_hex, write_durably};
use redis::Value as Reply;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// The form in which this gateway writes, and the newest it reads.
const SCHEMA: u32 = 1;
/// The copy in the data directory.
const COPY_FILE: &str = "deployment.toml";
/// The field of the head that names the store that is being moved in, while it is.
const MOVED_IN_FIELD: &str = "moved_in";
/// Attempts to find a number that no other gateway has.
const NUMBERS_TRIED_MAX: usize = 64;

/// What a fleet agrees on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub schema: u32,
    /// Names the deployment for its life.
    pub id: String,
    /// Keys the hash of document and visit numbers, and where codes lie; 32 hexadecimal digits.
    pub secret: String,
    pub partitions: u16,
    pub claim_buckets: u32,
    pub document_buckets: u32,
    /// Codes that it was planned for.
    pub codes_planned: u64,
}

/// A store that is being moved into an empty Redis.
#[derive(Clone)]
pub struct MovedIn {
    /// Names it.
    pub source: String,
    /// Its secret, which the deployment gets.
    pub secret: [u8; 16],
    /// All of it is there, only the mark may still stand, or not.
    pub verified: bool,
}

impl MovedIn {
    /// Whether this move may work with a deployment that bears such a mark.
    fn fits(&self, mark: Option<&str>) -> bool {
        mark.map_or(self.verified, |mark| mark == self.source)
    }
}

/// The copy, with what is this gateway's own.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Copy {
    head: Head,
    gateway: u16,
}

impl Head {
    fn new(codes_planned: u64, secret: Option<[u8; 16]>) -> Result<Self, OpenError> {
        let buckets = Buckets::for_codes(codes_planned);
        Ok(Self {
            schema: SCHEMA,
            id: random_hex()?,
            secret: secret.map_or_else(random_hex, |secret| Ok(hex_of(secret)))?,
            partitions: PARTITIONS,
            claim_buckets: buckets.claims,
            document_buckets: buckets.documents,
            codes_planned,
        })
    }

    pub fn secret(&self) -> Result<[u8; 16], OpenError> {
        u128::from_str_radix(&self.secret, 16)
            .map(u128::to_be_bytes)
            .map_err(|_| OpenError::Foreign("its secret is not 32 hexadecimal digits".to_owned()))
    }

    pub const fn buckets(&self) -> Buckets {
        Buckets { claims: self.claim_buckets, documents: self.document_buckets }
    }

    fn fields(&self) -> [(&'static str, String); 7] {
        [
            ("schema", self.schema.to_string()),
            ("id", self.id.clone()),
            ("secret", self.secret.clone()),
            ("partitions", self.partitions.to_string()),
            ("claim_buckets", self.claim_buckets.to_string()),
            ("document_buckets", self.document_buckets.to_string()),
            ("codes_planned", self.codes_planned.to_string()),
        ]
    }

    fn of_fields(fields: &HashMap<Vec<u8>, Vec<u8>>) -> Option<Self> {
        let text = |name: &str| {
            let bytes = fields.get(name.as_bytes())?;
            std::str::from_utf8(bytes).ok()
        };
        Some(Self {
            schema: text("schema")?.parse().ok()?,
            id: text("id")?.to_owned(),
            secret: text("secret")?.to_owned(),
            partitions: text("partitions")?.parse().ok()?,
            claim_buckets: text("claim_buckets")?.parse().ok()?,
            document_buckets: text("document_buckets")?.parse().ok()?,
            codes_planned: text("codes_planned")?.parse().ok()?,
        })
    }

    fn check(&self) -> Result<(), OpenError> {
        if self.schema > SCHEMA {
            return Err(OpenError::NewerSchema { found: self.schema, known: SCHEMA });
        }
        if self.partitions != PARTITIONS {
            return Err(OpenError::Foreign(format!(
                "it has {} partitions, not {PARTITIONS}",
                self.partitions
            )));
        }
        Ok(())
    }
}

/// The deployment that stands in Redis and this gateway's number in it. `init` = codes to plan for where Redis is
/// empty; a gateway that worked with a deployment before makes that one again.
pub(super) async fn join(
    link: &Link,
    directory: &Directory,
    init: Option<u64>,
    moved_in: Option<&MovedIn>,
) -> Result<(Head, u16), OpenError> {
    let copy = read_copy(&directory.path)?;
    let head = match (read_head(link).await?, &copy) {
        (Some((head, _)), Some(copy)) if head.id != copy.head.id => {
            return Err(OpenError::OtherDeployment { found: head.id, known: copy.head.id.clone() });
        }
        (Some((head, mark)), _) => match (moved_in, mark) {
            (None, None) => head,
            (Some(moved_in), mark) if moved_in.fits(mark.as_deref()) => head,
            (_, Some(mark)) => return Err(OpenError::Unfinished(mark)),
            (Some(_), None) => return Err(OpenError::NotEmpty(head.id)),
        },
        (None, Some(copy)) if moved_in.is_some() => {
            return Err(OpenError::FillLost(copy.head.id.clone()));
        }
        (None, copy) => {
            let Some(codes) = init else {
                return Err(OpenError::Empty { known: copy.as_ref().map(|copy| copy.head.id.clone()) });
            };
            let secret = moved_in.map(|moved_in| moved_in.secret);
            let head =
                copy.as_ref().map_or_else(|| Head::new(codes, secret), |copy| Ok(copy.head.clone()))?;
            put_head(link, &head, moved_in).await?
        }
    };
    head.check()?;
    let gateway = take_number(link, &directory.id, copy.map(|copy| copy.gateway)).await?;
    write_copy(&directory.path, &Copy { head: head.clone(), gateway })?;
    Ok((head, gateway))
}

/// The head, and which store is being moved in.
async fn read_head(link: &Link) -> Result<Option<(Head, Option<String>)>, OpenError> {
    let mut cmd = redis::cmd("HGETALL");
    cmd.arg(Tag::Deployment.key("head"));
    let fields: HashMap<_, _> = pairs_of(link.ask(Tag::Deployment, cmd).await?)?.into_iter().collect();
    if fields.is_empty() {
        return Ok(None);
    }
    let mark = fields.get(MOVED_IN_FIELD.as_bytes()).map(|mark| String::from_utf8_lossy(mark).into_owned());
    let head = Head::of_fields(&fields);
    head.map(|head| Some((head, mark))).ok_or_else(|| OpenError::Foreign("its head is incomplete".to_owned()))
}

/// From now on any gateway may join.
pub(super) async fn remove_mark(link: &Link) -> Result<(), LinkError> {
    let mut cmd = redis::cmd("HDEL");
    cmd.arg(Tag::Deployment.key("head")).arg(MOVED_IN_FIELD);
    link.ask(Tag::Deployment, cmd).await.map(drop)
}

/// Puts a head where none stands; gives the one that stands.
async fn put_head(link: &Link, head: &Head, moved_in: Option<&MovedIn>) -> Result<Head, OpenError> {
    let mut cmd = redis::cmd("EVAL");
    cmd.arg(
        "if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('HSET', KEYS[1], unpack(ARGV)) end return 1",
    );
    cmd.arg(1).arg(Tag::Deployment.key("head"));
    for (name, value) in head.fields() {
        cmd.arg(name).arg(value);
    }
    if let Some(moved_in) = moved_in {
        cmd.arg(MOVED_IN_FIELD).arg(&moved_in.source);
    }
    link.ask(Tag::Deployment, cmd).await?;
    let lost = || OpenError::Foreign("its head does not stay".to_owned());
    let (head, mark) = read_head(link).await?.ok_or_else(lost)?;
    // Another one may have made a deployment at the same time.
    match (mark, moved_in) {
        (Some(mark), None) => Err(OpenError::Unfinished(mark)),
        (None, Some(_)) => Err(OpenError::NotEmpty(head.id)),
        (None, None) | (Some(_), Some(_)) => Ok(head),
    }
}

/// Puts the head and a gateway's number where Redis lost them; gives whether it had.
pub(super) async fn put_again(link: &Link, head: &Head, gateway: u16, id: &str) -> Result<bool, StoreError> {
    let mut batch = Batch::default();
    let mut exists = redis::cmd("EXISTS");
    exists.arg(Tag::Deployment.key("head"));
    batch.put(Tag::Deployment, exists);
    let mut number = redis::cmd("HSETNX");
    number.arg(Tag::Deployment.key("gateways")).arg(gateway).arg(id);
    batch.put(Tag::Deployment, number);
    let stands = is_one(link.run(batch).await?.first().unwrap_or(&Reply::Nil));
    if !stands {
        let again =
            put_head(link, head, None).await.map_err(|error| StoreError::Unreadable(error.to_string()))?;
        if again != *head {
            let why = "Redis holds another deployment by now; stop this gateway and check store.url";
            return Err(StoreError::Unreadable(why.to_owned()));
        }
    }
    Ok(!stands)
}

/// A number that no other gateway has: the one it had, or a new one.
async fn take_number(link: &Link, id: &str, known: Option<u16>) -> Result<u16, OpenError> {
    for _ in 0..NUMBERS_TRIED_MAX {
        let number = match known {
            Some(number) => number,
            None => u16::from_str_radix(random_hex()?.get(..4).unwrap_or("0"), 16).unwrap_or(0),
        };
        let key = Tag::Deployment.key("gateways");
        let mut put = redis::cmd("HSETNX");
        put.arg(&key).arg(number).arg(id);
        link.ask(Tag::Deployment, put).await?;
        let mut get = redis::cmd("HGET");
        get.arg(&key).arg(number);
        if link.ask(Tag::Deployment, get).await? == Reply::BulkString(id.as_bytes().to_vec()) {
            return Ok(number);
        }
        if known.is_some() {
            return Err(OpenError::NumberTaken(number));
        }
    }
    Err(OpenError::Foreign("all gateway numbers that were tried are taken; retire old gateways".to_owned()))
}

fn read_copy(dir: &Path) -> Result<Option<Copy>, OpenError> {
    let path = dir.join(COPY_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => match toml::from_str(&text) {
            Ok(copy) => Ok(Some(copy)),
            Err(error) => Err(OpenError::Foreign(format!("{}: {error}", path.display()))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(crate::store::directory::OpenError::Io { path, source }.into()),
    }
}

fn write_copy(dir: &Path, copy: &Copy) -> Result<(), OpenError> {
    let text = toml::to_string(copy).map_err(|e| OpenError::Foreign(e.to_string()))?;
    write_durably(dir, COPY_FILE, &text)
        .map_err(|source| crate::store::directory::OpenError::Io { path: dir.join(COPY_FILE), source }.into())
}
