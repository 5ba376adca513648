//! The documents that the engine gets, in its own terms, made before anything is measured.

use super::EngineSettings;
use crate::province::Province;
use crate::scenarios::inside::{Request, duplicate, request};
use anyhow::Result;

/// A document, and its boxes once more where duplicates are asked for.
pub(super) type Pair = (Request, Option<Request>);

/// The documents of each task, made beforehand: making them is not the engine's work.
pub(super) fn prepare(province: &Province, settings: &EngineSettings) -> Result<Vec<Vec<Pair>>> {
    let mut shares: Vec<Vec<Pair>> = vec![Vec::new(); settings.in_flight];
    let tasks = settings.in_flight as u64;
    for number in 0..settings.prepared.max(settings.documents) {
        let request = request(province.sale(number, settings.shape))?;
        let share = usize::try_from(number % tasks)?;
        let again = settings.again.then(|| duplicate(&request));
        if let Some(share) = shares.get_mut(share) {
            share.push((request, again));
        }
    }
    for (share, left) in shares.iter_mut().zip((0..tasks).rev()) {
        // Those that are only there to be made.
        share.truncate(usize::try_from((settings.documents + left) / tasks)?);
    }
    Ok(shares)
}
