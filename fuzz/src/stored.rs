//! Rows of tables, as stores keep them on disk and in Redis: read or refused, read back as themselves once written,
//! and never too strange to be folded and added up.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use tracegate::domain::case::Dossier;
use tracegate::domain::claim::{History, Lens};
use tracegate::domain::outcome::Outcome;
use tracegate::domain::tally::{Tally, TallyKey};

/// Holds for any bytes: the first says what kind of row the others are.
pub fn check(data: &[u8]) {
    let Some((kind, row)) = data.split_first() else { return };
    match kind % 4 {
        0 => history(row),
        1 => dossier(row),
        2 => {
            reads_back::<Outcome>(row);
        }
        _ => tally(row),
    }
}

fn history(row: &[u8]) {
    let Ok(history) = History::from_stored(row) else { return };
    let stored = history.stored().expect("what was read can be written");
    assert_eq!(History::from_stored(&stored).as_ref(), Ok(&history));
    assert_eq!(History::version_of_stored(row), Some(history.version));
    let lens = Lens {
        now: Timestamp::UNIX_EPOCH,
        units_per_pack: Some(24),
        proposal_limit: SignedDuration::from_hours(72),
        close_window: SignedDuration::from_mins(10),
    };
    let picture = history.picture(std::iter::empty(), &lens);
    assert!(picture.sales.len() <= history.events.len());
}

fn dossier(row: &[u8]) {
    let Ok(dossier) = Dossier::from_stored(row) else { return };
    let stored = dossier.stored();
    assert_eq!(Dossier::from_stored(&stored).as_ref(), Ok(&dossier));
    assert_eq!(Dossier::version_of_stored(row), Some(dossier.version));
    assert_eq!(Dossier::is_open_in_stored(&stored), Some(dossier.open_case().is_some()));
    for case in &dossier.cases {
        dossier.at_stake(case);
    }
}

fn tally(row: &[u8]) {
    if let Some(key) = TallyKey::unpack(row) {
        assert_eq!(TallyKey::unpack(&key.packed()), Some(key));
    }
    let Some(tally) = reads_back::<Tally>(row) else { return };
    let mut twice = tally.clone();
    twice.add(&tally);
    let once = twice.without(&tally);
    assert!(once.days().len() <= 2 * tally.days().len(), "days of their own");
}

/// A row that can be read; it is the same once it was written and read again.
fn reads_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(row: &[u8]) -> Option<T> {
    let read: T = postcard::from_bytes(row).ok()?;
    let written = postcard::to_stdvec(&read).expect("what was read can be written");
    assert_eq!(postcard::from_bytes::<T>(&written).as_ref(), Ok(&read));
    Some(read)
}
