//! Removing months of entries after their time. An entry says up to which one they were removed, and its hash, before
//! they are: whoever verifies sees that the chain goes on where it was cut.

use super::entry::{Read, read};
use super::files::{Head, Line, Lines, Month, months};
use super::{Fact, Trail, TrailError};
use crate::store::log::{DiskFiles, LogFiles};
use jiff::Timestamp;
use std::io;
use std::path::Path;
use tokio::task::spawn_blocking;

/// A month that can be removed: its last entry, and how many it has.
struct Past {
    month: Month,
    last: Head,
    entries: u64,
}

impl Trail {
    /// Removes months that ended before a moment, the oldest first; gives how many entries they had. `fact` makes the
    /// entry that announces one of them. Damaged months stay: they are evidence. `only_counts` = nothing is changed.
    pub async fn purge(
        &self,
        before: Timestamp,
        only_counts: bool,
        fact: impl Fn(&Head) -> Fact,
    ) -> Result<u64, TrailError> {
        let Some(dir) = self.0.dir.clone() else { return Ok(0) };
        let failed = |error: io::Error| TrailError::Full(error.to_string());
        let ended = |error: tokio::task::JoinError| TrailError::Stopped(error.to_string());
        let looked = dir.clone();
        let past =
            spawn_blocking(move || past_months(&looked, before)).await.map_err(ended)?.map_err(failed)?;
        let mut removed = 0;
        for Past { month, last, entries } in past {
            removed += entries;
            if only_counts {
                continue;
            }
            self.append(fact(&last)).await?;
            let dir = dir.clone();
            let removing = spawn_blocking(move || {
                DiskFiles.remove(&month.file(&dir)).and_then(|()| DiskFiles.sync_dir(&dir))
            });
            removing.await.map_err(ended)?.map_err(failed)?;
        }
        Ok(removed)
    }
}

/// The first months that ended before a moment, up to one that is damaged. The newest one always stays.
fn past_months(dir: &Path, before: Timestamp) -> io::Result<Vec<Past>> {
    let mut found = months(dir)?;
    found.pop();
    let mut past = Vec::new();
    for month in found.into_iter().take_while(|month| *month < Month::of(before)) {
        match last_of(dir, month)? {
            Some((last, entries)) => past.push(Past { month, last, entries }),
            None => {
                tracing::warn!(%month, "this month of the audit trail is damaged, so it and later ones are kept");
                break;
            }
        }
    }
    Ok(past)
}

/// The last entry of a month and how many it has; `None` = something in it is no entry.
fn last_of(dir: &Path, month: Month) -> io::Result<Option<(Head, u64)>> {
    let mut lines = Lines::open(&month.file(dir))?;
    let (mut line, mut last, mut entries) = (Vec::new(), None, 0);
    loop {
        match lines.next(&mut line)? {
            Line::Whole => match read(&line) {
                Read::Whole(entry) => {
                    last = Some(Head { number: entry.number, hash: entry.hash });
                    entries += 1;
                }
                Read::Unreadable(_) | Read::Changed(_) => return Ok(None),
            },
            Line::TooLong | Line::Unfinished(_) => return Ok(None),
            Line::End => return Ok(last.map(|last| (last, entries))),
        }
    }
}
