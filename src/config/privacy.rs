//! What is kept of persons, and how long what is kept.

use crate::engine::Retention;
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// What is removed earlier would be missed: by late events, by appeals, by audits of a month.
const KEPT_DAYS: RangeInclusive<u32> = 90..=36_500;

#[derive(Debug, Deserialize)]
pub(super) struct RawPrivacy {
    pub wrapping_key_files: Vec<PathBuf>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawRetention {
    requests_days: u32,
    trail_days: u32,
}

impl RawRetention {
    pub fn mistakes(&self) -> Vec<String> {
        let days = [("requests_days", self.requests_days), ("trail_days", self.trail_days)];
        let wrong = days.into_iter().filter(|(_, days)| *days != 0 && !KEPT_DAYS.contains(days));
        let (least, most) = (KEPT_DAYS.start(), KEPT_DAYS.end());
        wrong
            .map(|(name, days)| {
                format!("retention.{name}: {days} is out of range; write 0 (for ever), or {least} to {most}")
            })
            .collect()
    }

    pub const fn into_retention(self) -> Retention {
        Retention { requests_days: self.requests_days, trail_days: self.trail_days }
    }
}
