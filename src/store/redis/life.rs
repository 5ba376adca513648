//! One process for one gateway: two with copies of a data directory would write under one number. Whoever starts looks
//! whether somebody lives under it; whoever lives looks whether somebody else has begun to.

use super::link::{Link, LinkError, Tag};
use super::reply::{bytes_of, is_one};
use super::{OpenError, Shared};
use crate::store::StoreState;
use crate::store::directory::random_hex;
use crate::telemetry;
use redis::Value as Reply;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often a gateway says that it lives.
const SAY_EVERY: Duration = Duration::from_millis(500);
/// Who says nothing for so long does not live, or not here.
const SILENT_MAX: Duration = Duration::from_millis(1_250);
/// Who was not heard of for so long is taken for dead by others.
const ALIVE_MAX: Duration = Duration::from_secs(15);

/// Begins the next life of a number: KEYS lives; ARGV number, token. Gives which one it is.
const BEGIN: &str = "local now = redis.call('HGET', KEYS[1], ARGV[1])
local life = (now and tonumber(string.match(now, '^%d+')) or 0) + 1
redis.call('HSET', KEYS[1], ARGV[1], life .. ' ' .. ARGV[2])
return life";

/// Looks whether no later life has begun: KEYS lives; ARGV number, life, token. Where Redis holds an earlier one it has
/// lost this one, and gets it again. Gives 1 where this is the one that lives.
const STILL: &str = "local now = redis.call('HGET', KEYS[1], ARGV[1])
local own = ARGV[2] .. ' ' .. ARGV[3]
if (now and tonumber(string.match(now, '^%d+')) or 0) < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], ARGV[1], own)
  return 1
end
return now == own and 1 or 0";

/// A process's claim to a number.
pub(super) struct Life {
    gateway: u16,
    /// Which one it is, and what tells it from another of that count.
    life: i64,
    token: String,
    beats: AtomicU64,
    /// The version of the policy in force.
    policy: Mutex<String>,
    /// The versions that were found beside each other last.
    compared: Mutex<BTreeSet<String>>,
}

/// The policy that a living gateway says it judges by.
pub(super) fn policy_of(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    text.split(' ').nth(2).unwrap_or_default().to_owned()
}

pub(super) fn alive_key(gateway: u16) -> Vec<u8> {
    Tag::Gateway(gateway).key("alive")
}

/// The last life that began, for each number.
fn lives_key() -> Vec<u8> {
    Tag::Deployment.key("lives")
}

impl Life {
    /// Begins, where nobody lives under the number.
    pub async fn begin(link: &Link, gateway: u16) -> Result<Self, OpenError> {
        let heard = last_heard(link, gateway).await?;
        if heard.is_some() {
            // signal: who lives says so again; who was killed a moment ago does not.
            tokio::time::sleep(SILENT_MAX).await;
            if last_heard(link, gateway).await? != heard {
                return Err(OpenError::Lives(gateway));
            }
        }
        let token = random_hex()?;
        let mut begin = redis::cmd("EVAL");
        begin.arg(BEGIN).arg(1).arg(lives_key()).arg(gateway).arg(&token);
        let Reply::Int(life) = link.ask(Tag::Deployment, begin).await? else {
            return Err(OpenError::Foreign("its lives are no numbers".to_owned()));
        };
        let beats = AtomicU64::new(0);
        Ok(Self { gateway, life, token, beats, policy: Mutex::default(), compared: Mutex::default() })
    }

    /// From now on this policy is in force.
    pub fn has_policy(&self, version: String) {
        *self.policy.lock().unwrap_or_else(PoisonError::into_inner) = version;
    }

    /// Compares its policy with those of others that live.
    pub fn compare_policies<'a>(&self, others: impl Iterator<Item = &'a String>) {
        let own = self.policy.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let versions: BTreeSet<String> =
            others.cloned().chain([own.clone()]).filter(|version| !version.is_empty()).collect();
        telemetry::policies_in_fleet(versions.len().max(1));
        let mut compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        if versions.len() > 1 && *compared != versions {
            let others: Vec<_> = versions.iter().filter(|version| **version != own).collect();
            tracing::warn!(?others, %own, "other gateways judge by other rules; give all of them the same rule files");
        }
        *compared = versions;
    }

    /// Says that it lives; gives whether it is the one that does.
    async fn say(&self, link: &Link) -> Result<bool, LinkError> {
        let mut still = redis::cmd("EVAL");
        still.arg(STILL).arg(1).arg(lives_key()).arg(self.gateway).arg(self.life).arg(&self.token);
        if !is_one(&link.ask(Tag::Deployment, still).await?) {
            return Ok(false);
        }
        let beat = self.beats.fetch_add(1, Ordering::Relaxed);
        let mut said = redis::cmd("SET");
        let policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner).clone();
        said.arg(alive_key(self.gateway)).arg(format!("{} {beat} {policy}", self.token));
        said.arg("PX").arg(ALIVE_MAX.as_millis() as u64);
        link.ask(Tag::Gateway(self.gateway), said).await?;
        Ok(true)
    }
}

async fn last_heard(link: &Link, gateway: u16) -> Result<Option<Vec<u8>>, LinkError> {
    let mut heard = redis::cmd("GET");
    heard.arg(alive_key(gateway));
    bytes_of(link.ask(Tag::Gateway(gateway), heard).await?)
}

impl Shared {
    /// Says that it lives, until the store is closed.
    pub async fn keep_saying(self: Arc<Self>) {
        let mut ticks = self.every(SAY_EVERY);
        while ticks.next().await {
            self.say_alive().await;
        }
    }

    /// Says that it lives. Where another process has begun under its number, it stops: one of the two is a copy.
    async fn say_alive(&self) {
        match self.life.say(&self.ledger.link).await {
            Ok(true) => {}
            Ok(false) => self.health.say_disk(StoreState::Stopped(format!(
                "another process has begun to work as gateway {}, with a copy of this data directory: stop one of the two \
                 and give it an empty directory",
                self.gateway
            ))),
            Err(error) => tracing::debug!(%error, "nobody hears that this gateway lives"),
        }
    }

    /// Nobody needs to wait until this gateway is taken for dead.
    pub async fn say_goodbye(&self) {
        let mut cmd = redis::cmd("DEL");
        cmd.arg(alive_key(self.gateway));
        if let Err(error) = self.ledger.link.ask(Tag::Gateway(self.gateway), cmd).await {
            tracing::debug!(%error, "the fleet was not told that this gateway ends");
        }
    }
}
