//! What is done every now and then, beside requests: sums are written, finished changes taken off the list, the
//! gateway says that it is alive, and what dead ones left is settled.

use super::Shared;
use super::commands;
use super::effects;
use super::layout::partitions;
use super::life::{alive_key, policy_of};
use super::lineage::Lineage;
use super::link::{Batch, LinkError, Tag};
use super::reply::{bytes_of, list_of};
use crate::clock::Stopwatch;
use crate::store::StoreError;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How often it is done.
const EVERY: Duration = Duration::from_millis(100);
/// How often it is looked whether Redis answers.
const PROBE_EVERY: Duration = Duration::from_millis(250);
/// How often it is looked whether Redis lost anything.
const LOST_LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the registry is looked at.
const REGISTRY_EVERY: Duration = Duration::from_millis(200);
/// How often marks are written, and what was sold: others need it for a warning only.
const SUMS_EVERY: Duration = Duration::from_secs(1);
/// How often the checkpoint is written.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
/// How often it is looked who is not alive.
const FLEET_EVERY: Duration = Duration::from_secs(2);
/// A decision that somebody waits for and that nobody made for so long is aborted.
const ABANDONED_AFTER: Duration = Duration::from_secs(10);
/// Of so many partitions one is asked by a look; each server of a cluster has hundreds.
const PARTITIONS_PER_PROBE: usize = 16;

impl Shared {
    /// Works until the store is closed.
    pub async fn keep_up(self: Arc<Self>, mut from: u64, mut lineage: Lineage) {
        let mut ticks = self.every(EVERY);
        let (mut fleet, mut checkpoint) = (None::<Stopwatch>, Stopwatch::start());
        let (mut registry, mut summed) = (Stopwatch::start(), Stopwatch::start());
        let (mut looked, mut verified) = (Stopwatch::start(), !self.options.reconcile);
        while ticks.next().await {
            if !verified {
                verified = told(self.reconcile_from(from).await);
            } else if self.options.reconcile && looked.elapsed() >= LOST_LOOK_EVERY {
                looked = Stopwatch::start();
                if told(self.reconcile().await) {
                    verified = told(self.look_at_servers(&mut lineage, &mut from).await);
                }
            }
            let with_sums = summed.elapsed() >= SUMS_EVERY || self.accounts.is_urgent();
            if with_sums {
                summed = Stopwatch::start();
            }
            if let Err(error) = self.tidy(with_sums).await {
                tracing::debug!(%error, "Redis is not kept up to date");
            }
            if registry.elapsed() >= REGISTRY_EVERY {
                registry = Stopwatch::start();
                if let Err(error) = self.look_at_registry().await {
                    tracing::debug!(%error, "the registry is not looked at");
                }
            }
            if fleet.is_none_or(|looked: Stopwatch| looked.elapsed() >= FLEET_EVERY) {
                fleet = Some(Stopwatch::start());
                if let Err(error) = self.look_at_fleet().await {
                    tracing::debug!(%error, "the fleet is not looked after");
                }
            }
            if checkpoint.elapsed() >= CHECKPOINT_EVERY {
                checkpoint = Stopwatch::start();
                self.checkpoint().await;
                if let Err(error) = self.cut_feeds().await {
                    tracing::debug!(%error, "feeds are not cut");
                }
            }
        }
    }

    /// Where a server has taken another's place, what was logged lately is compared with it.
    async fn look_at_servers(&self, lineage: &mut Lineage, from: &mut u64) -> Result<(), StoreError> {
        // Servers that cannot be asked are looked at again in a moment, and compared with those of now.
        let Ok(changed) = lineage.look(self).await else { return Ok(()) };
        if let Some(position) = changed {
            tracing::warn!(
                "a server of Redis has taken another's place; what was logged lately is compared with it"
            );
            self.epoch.fetch_add(1, Ordering::AcqRel);
            // Also where this fails: then it is tried again from there.
            *from = position;
            self.reconcile_from(position).await?;
        }
        Ok(())
    }

    /// Looks whether Redis answers, until the store is closed. Beside everything else: what waits for Redis must not
    /// keep anybody from saying that it is away.
    pub async fn watch_redis(self: Arc<Self>) {
        let mut looks = self.every(PROBE_EVERY);
        let mut looked = Stopwatch::start();
        while looks.next().await {
            let failed = self.probe().await.err().map(|error| error.to_string());
            let since = std::mem::replace(&mut looked, Stopwatch::start()).elapsed();
            self.health.say_redis(failed.as_deref(), since);
        }
    }

    /// Whether every partition answers; in a cluster they lie on many servers.
    async fn probe(&self) -> Result<(), LinkError> {
        let mut batch = Batch::default();
        for tag in partitions().step_by(PARTITIONS_PER_PROBE) {
            let mut cmd = redis::cmd("EXISTS");
            cmd.arg(tag.key("m"));
            batch.put(tag, cmd);
        }
        self.ledger.link.run(batch).await.map(drop)
    }

    /// Writes what changed, and remembers up to where.
    pub async fn checkpoint(&self) {
        let end = self.logged_up_to();
        match self.tidy(true).await {
            Ok(()) => {
                self.marks.save(&self.directory.path);
                self.write_checkpoint(self.settled_up_to(end));
            }
            Err(error) => {
                tracing::warn!(%error, "sums wait to be written, and finished changes stay on the list")
            }
        }
    }

    /// Takes finished changes off the list; before that writes what changed, `with_sums`.
    pub async fn tidy(&self, with_sums: bool) -> Result<(), StoreError> {
        if with_sums {
            self.accounts.write().await?;
            self.write_marks().await?;
        }
        let retired = std::mem::take(&mut *self.retired.lock().unwrap_or_else(PoisonError::into_inner));
        let mut batch = Batch::default();
        let ids: Vec<_> = retired.iter().map(|(_, id)| *id).collect();
        effects::retire(&mut batch, self.gateway, &ids);
        if let Err(error) = self.ledger.link.run(batch).await {
            self.retired.lock().unwrap_or_else(PoisonError::into_inner).extend(retired);
            return Err(error.into());
        }
        let mut unretired = self.unretired.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in &retired {
            unretired.remove(entry);
        }
        Ok(())
    }

    /// The last position up to `end` before which nothing is on the list of what is under way.
    fn settled_up_to(&self, end: u64) -> u64 {
        let unretired = self.unretired.lock().unwrap_or_else(PoisonError::into_inner);
        unretired.first().map_or(end, |(place, _)| end.min(*place))
    }

    /// Settles what gateways left that are not alive, and what nobody decided.
    async fn look_at_fleet(&self) -> Result<(), StoreError> {
        for id in self.ledger.suspects_since(ABANDONED_AFTER) {
            let decision = self.settle(id).await?;
            tracing::debug!(?id, ?decision, "settled a decision that nobody made");
        }
        let others: Vec<u16> =
            self.gateways().await?.into_iter().filter(|number| *number != self.gateway).collect();
        let others = self.alive(others).await?;
        self.life.compare_policies(others.iter().filter_map(|(_, policy)| policy.as_ref()));
        for (number, _) in others.iter().filter(|(_, policy)| policy.is_none()) {
            self.settle_gateway(*number).await?;
        }
        Ok(())
    }

    /// Feeds of everybody: who is dead cuts no more.
    async fn cut_feeds(&self) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for gateway in self.gateways().await? {
            effects::cut_feed(&mut batch, gateway, self.options.feed_kept);
        }
        self.ledger.link.run(batch).await?;
        Ok(())
    }

    /// Which of these gateways were heard of lately, with the policies that they judge by.
    pub async fn alive(&self, gateways: Vec<u16>) -> Result<Vec<(u16, Option<String>)>, StoreError> {
        let mut batch = Batch::default();
        for number in &gateways {
            batch.put(Tag::Gateway(*number), commands::get(&alive_key(*number)));
        }
        let mut found = Vec::with_capacity(gateways.len());
        for (number, reply) in gateways.into_iter().zip(self.ledger.link.run(batch).await?) {
            found.push((number, bytes_of(reply)?.as_deref().map(policy_of)));
        }
        Ok(found)
    }

    /// The numbers of all gateways of the fleet.
    pub async fn gateways(&self) -> Result<Vec<u16>, StoreError> {
        let mut cmd = redis::cmd("HKEYS");
        cmd.arg(Tag::Deployment.key("gateways"));
        let names = list_of(self.ledger.link.ask(Tag::Deployment, cmd).await?)?;
        let number = |name: &Vec<u8>| std::str::from_utf8(name).ok()?.parse().ok();
        Ok(names.iter().filter_map(number).collect())
    }
}

/// Whether it went well; what did not is tried again.
fn told(reconciled: Result<(), StoreError>) -> bool {
    if let Err(error) = &reconciled {
        tracing::warn!(%error, "what Redis holds is not compared with the log yet");
    }
    reconciled.is_ok()
}
