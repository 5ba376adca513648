//! Moments and days. Days begin and end in Asia/Shanghai, whatever the machine's own time zone is.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use std::sync::LazyLock;

/// The time zone of every day and date in the trade.
pub const TIME_ZONE: &str = "Asia/Shanghai";

static SHANGHAI: LazyLock<TimeZone> =
    LazyLock::new(|| TimeZone::get(TIME_ZONE).unwrap_or_else(|_| TimeZone::fixed(jiff::tz::offset(8))));

/// The day of a moment.
pub fn day_of(moment: Timestamp) -> Date {
    SHANGHAI.to_datetime(moment).date()
}

/// A moment for people, to the minute.
pub fn local_time(moment: Timestamp) -> String {
    SHANGHAI.to_datetime(moment).strftime("%Y-%m-%d %H:%M").to_string()
}

/// The moment of a local date-time; `None` where it lies outside of what a clock can show.
pub fn moment_of(local: DateTime) -> Option<Timestamp> {
    SHANGHAI.to_timestamp(local).ok()
}
