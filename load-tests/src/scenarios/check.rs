//! `Check` of documents with fresh codes, or of codes that were sold before.

use super::compare::compare;
use super::{Ground, Settings, progress};
use crate::driver::{Fault, Unary, UnaryLane};
use crate::machine::machine;
use crate::peer::EmptyHandlers;
use crate::report::{Comparison, Goal, Report};
use crate::workload::{Check, Checked, Dispense};
use anyhow::{Context, Result, anyhow};
use prost::Message;
use serde::Serialize;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Goal: throughput of the gateway over that of the empty server, for fresh codes.
const RATIO_MIN: f64 = 0.8;
/// Documents that are sold before sold ones are checked.
const SOLD_DOCUMENTS: u64 = 20_000;
/// Senders that sell them.
const SELLERS: u64 = 64;

/// The settings, and what is checked.
#[derive(Debug, Clone, Serialize)]
pub struct CheckSettings {
    #[serde(flatten)]
    settings: Settings,
    /// Documents that were sold before; 0 = fresh codes are checked.
    sold_documents: u64,
}

/// Measures it; `sold`: of codes that were sold before.
pub async fn check(settings: Settings, sold: bool) -> Result<Report<CheckSettings, Comparison>> {
    let machine = machine();
    let mut ground = Ground::start(&settings, false).await?;
    let (province, shape) = (Arc::clone(&ground.province), settings.shape);
    let checked = if sold { sell(&mut ground, &settings).await? } else { Checked::Fresh };
    let make = |channel| Check::new(channel, Arc::clone(&province), shape, checked);
    let first = make(ground.channel().await?).ask(ground.numbers.block()).await;
    let wrong = |fault: Fault| anyhow!("the first document: {}", fault.0);
    let answer = first.map_err(wrong)?;
    checked.expected().of(answer.as_ref()).map_err(wrong)?;
    let answer = answer.context("a decision")?;
    let bytes = answer.encoded_len();
    let peer = ground.start_peer(&EmptyHandlers { check: answer, ..EmptyHandlers::default() }).await?;
    let lane = |channel| UnaryLane(make(channel));
    let compared = compare(&mut ground, peer, &settings, bytes, lane).await?;
    let ratio = compared.throughput_ratio.median;
    // The goal speaks of fresh codes: an answer about a sold one is another answer.
    let goals = if sold {
        Vec::new()
    } else {
        vec![Goal::at_least("throughput, gateway / empty server", RATIO_MIN, ratio)]
    };
    let (faults, name) = (compared.faults(), if sold { "check-sold" } else { "check" });
    let sold_documents = if sold { SOLD_DOCUMENTS } else { 0 };
    let report = Report::new(name, machine, CheckSettings { settings, sold_documents }, compared);
    Ok(Report { goals, faults, ..report })
}

/// Sells a number of documents.
async fn sell(ground: &mut Ground, settings: &Settings) -> Result<Checked> {
    let (first, channel) = (ground.numbers.block(), ground.channel().await?);
    let (mut sellers, bar) = (JoinSet::new(), progress(usize::try_from(SOLD_DOCUMENTS)?));
    bar.set_message("documents sold");
    for seller in 0..SELLERS {
        let mut dispense = Dispense::new(channel.clone(), Arc::clone(&ground.province), settings.shape);
        let bar = bar.clone();
        sellers.spawn(async move {
            let mut number = seller;
            while number < SOLD_DOCUMENTS {
                dispense.call(first + number).await?;
                bar.inc(1);
                number += SELLERS;
            }
            Ok(())
        });
    }
    while let Some(ended) = sellers.join_next().await {
        ended?.map_err(|fault: Fault| anyhow!("a document was not sold: {}", fault.0))?;
    }
    bar.finish_and_clear();
    Ok(Checked::Sold { first, count: SOLD_DOCUMENTS })
}
