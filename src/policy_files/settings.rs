//! Reads `[settings]`: a key that is there replaces what earlier layers said.

use super::table::Table;
use crate::domain::case::Calendar;
use crate::domain::policy::Settings;
use jiff::civil::Date;
use regex::RegexBuilder;
use std::ops::RangeInclusive;

/// The most hosts, and the most placeholder patterns.
const LIST_ENTRIES_MAX: usize = 200;
/// The longest host name that the domain name system allows.
const HOST_BYTES_MAX: usize = 253;
/// Memory for one compiled pattern.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;

type NumberSetting = (&'static str, RangeInclusive<u32>, fn(&mut Settings) -> &mut u32);

/// The longest lateness is one day, the shortest proposal limit too: the second limit never comes
/// before the first.
const NUMBERS: [NumberSetting; 12] = [
    ("lateness_minutes", 1..=1440, |settings| &mut settings.lateness_minutes),
    ("proposal_days", 1..=365, |settings| &mut settings.proposal_days),
    ("hold_minutes", 1..=1440, |settings| &mut settings.hold_minutes),
    ("close_window_days", 1..=365, |settings| &mut settings.close_window_days),
    ("future_skew_seconds", 0..=3600, |settings| &mut settings.future_skew_seconds),
    ("purchase_feed_lag_hours", 0..=720, |settings| &mut settings.purchase_feed_lag_hours),
    ("coaching_months", 0..=60, |settings| &mut settings.coaching_months),
    ("split_unknown_units_cap", 1..=1_000_000, |settings| &mut settings.split_unknown_units_cap),
    ("case_push_working_days", 0..=60, |settings| &mut settings.cases.push_working_days),
    ("case_answer_working_days", 1..=60, |settings| &mut settings.cases.answer_working_days),
    ("case_review_working_days", 1..=120, |settings| &mut settings.cases.review_working_days),
    ("case_second_review_working_days", 1..=120, |settings| &mut settings.cases.second_review_working_days),
];

type DateSetting = (&'static str, fn(&mut Settings) -> &mut Date);

const DATES: [DateSetting; 2] = [
    ("new_agreement_from", |settings| &mut settings.new_agreement_from),
    ("no_code_list_until", |settings| &mut settings.no_code_list_until),
];

const URL_HOSTS: &str = "url_hosts";
const PLACEHOLDER_PATTERNS: &str = "placeholder_patterns";
const HOLIDAYS: &str = "holidays";
const WORKING_WEEKENDS: &str = "working_weekends";

pub(super) fn read(table: &mut Table<'_, '_, '_>, settings: &mut Settings) {
    let numbers = NUMBERS.map(|(key, ..)| key);
    let dates = DATES.map(|(key, _)| key);
    table.refuse_unknown_keys(&[
        &numbers,
        &dates,
        &[URL_HOSTS, PLACEHOLDER_PATTERNS, HOLIDAYS, WORKING_WEEKENDS],
    ]);
    for (key, range, setting) in &NUMBERS {
        if let Some(number) = table.number(key, range) {
            *setting(settings) = number;
        }
    }
    for (key, setting) in &DATES {
        if let Some((date, _)) = table.date(key) {
            *setting(settings) = date;
        }
    }
    if let Some(hosts) = read_list(table, URL_HOSTS, read_host) {
        settings.url_hosts = hosts;
    }
    if let Some(patterns) = read_list(table, PLACEHOLDER_PATTERNS, read_pattern) {
        settings.placeholder_patterns = patterns;
    }
    if let Some(days) = read_list(table, HOLIDAYS, read_days) {
        settings.cases.calendar.holidays = days.into_iter().flatten().collect();
    }
    if let Some(days) = read_list(table, WORKING_WEEKENDS, read_days) {
        settings.cases.calendar.working_weekends = days.into_iter().flatten().collect();
    }
}

/// A day, or a run of days.
fn read_days(text: &str) -> Result<Vec<Date>, String> {
    Calendar::days(text).map_err(|bad| bad.to_string())
}

fn read_list<T>(
    table: &mut Table<'_, '_, '_>,
    key: &str,
    read_one: fn(&str) -> Result<T, String>,
) -> Option<Vec<T>> {
    let texts = table.texts(key)?;
    if let Some((_, line)) = texts.get(LIST_ENTRIES_MAX) {
        table.refuse(*line, format!("{key} has more than {LIST_ENTRIES_MAX} entries; remove some"));
        return None;
    }
    let mut list = Vec::with_capacity(texts.len());
    for (text, line) in texts {
        match read_one(text) {
            Ok(value) => list.push(value),
            Err(reason) => table.refuse(line, format!("{key}: {reason}")),
        }
    }
    Some(list)
}

/// A host name in lower case; hosts are compared as a whole, so neither scheme, port nor path.
fn read_host(text: &str) -> Result<String, String> {
    let host = text.to_ascii_lowercase();
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if host.len() <= HOST_BYTES_MAX && host.split('.').all(label) {
        Ok(host)
    } else {
        Err(format!("{text:?} is not a host name; write it without scheme, port and path"))
    }
}

/// A pattern that matches the empty text matches inside every scan and would turn all codes into
/// placeholders.
fn read_pattern(text: &str) -> Result<String, String> {
    let pattern = RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).build();
    let pattern = pattern.map_err(|error| {
        let lines = error.to_string();
        let words: Vec<_> = lines.split_whitespace().collect();
        format!("{text:?} is not a regular expression: {}", words.join(" "))
    })?;
    if pattern.is_match("") {
        return Err(format!("{text:?} matches the empty text; anchor it and make it ask for something"));
    }
    Ok(text.to_owned())
}
