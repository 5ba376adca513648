//! A damaged log is opened or refused. What opening found is still there when it is opened again, followed by what was
//! appended meanwhile.
//!
//! The input is what was changed in the files of a log that was written in order: places and bytes. Where its first byte
//! says so, headers get the checksums that belong to what they hold then, so that what stands behind them is tried too.

use super::unsynced::Unsynced;
use std::path::Path;
use std::sync::LazyLock;
use tracegate::store::log::{EventLog, Group, LogOptions, OpenError, Replay, read_from};

/// Two or three groups in each segment.
const OPTIONS: LogOptions = LogOptions { segment_bytes_max: 256, room_bytes: 64 };
const GROUPS: u8 = 7;
/// Bytes before the first frame of a segment, and before the body of a frame; see the tables in the log's own files.
const SEGMENT_HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 36;

/// A file's name and bytes.
type File = (String, Vec<u8>);

struct Written {
    files: Vec<File>,
    /// Of each group: the file, and where in it the group begins.
    groups: Vec<(usize, usize)>,
    /// The position after each group.
    ends: Vec<u64>,
}

static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (mut log, _) = open(dir.path(), 0).expect("a new log");
    let mut receipts = Vec::new();
    for number in 0..GROUPS {
        let payloads = vec![vec![number; 10 + usize::from(number)]; 1 + usize::from(number % 3)];
        receipts.push(log.append_group(&payloads).expect("it takes groups"));
    }
    let files = files_of(dir.path());
    let starts: Vec<u64> = files.iter().map(|(name, _)| start_of(name)).collect();
    let place = |start: u64| {
        let file = starts.iter().rposition(|first| *first <= start).expect("a segment before");
        (file, usize::try_from(start - starts[file]).expect("a small file"))
    };
    let groups = receipts.iter().map(|receipt| place(receipt.start)).collect();
    Written { groups, ends: receipts.iter().map(|receipt| receipt.end).collect(), files }
});

fn open(dir: &Path, from: u64) -> Result<(EventLog, Replay), OpenError> {
    EventLog::open_with(dir, OPTIONS, from, Box::new(Unsynced::default()))
}

fn start_of(name: &str) -> u64 {
    name.trim_end_matches(".log").parse().expect("a segment is named by its start")
}

fn files_of(dir: &Path) -> Vec<File> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let mut files: Vec<File> = entries
        .map(|entry| entry.expect("an entry"))
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .filter(|(name, _)| name.ends_with(".log"))
        .map(|(name, path)| (name, std::fs::read(path).expect("a file that can be read")))
        .collect();
    files.sort();
    files
}

/// Holds for any bytes: flags (put checksums right; the log was applied up to one of its groups), how much of the last
/// file is cut off, then changes of four bytes each: the file, a place in it (two bytes), the new byte.
pub fn check(data: &[u8]) {
    let Some((&[flags, cut], edits)) = data.split_first_chunk() else { return };
    let mut files = WRITTEN.files.clone();
    for edit in edits.chunks_exact(4) {
        let &[file, low, high, byte] = edit else { continue };
        let count = files.len();
        let bytes = &mut files[usize::from(file) % count].1;
        let at = usize::from(u16::from_le_bytes([low, high])) % bytes.len();
        bytes[at] = byte;
    }
    if flags & 1 == 1 {
        seal(&mut files);
    }
    if let Some((_, last)) = files.last_mut() {
        last.truncate(last.len().saturating_sub(usize::from(cut)));
    }
    let from = WRITTEN.ends.get(usize::from(flags >> 1)).copied().unwrap_or(0);
    opens_as_it_was_left(&files, from);
}

/// Puts the checksums of segment headers and frames right.
fn seal(files: &mut [File]) {
    for (_, bytes) in files.iter_mut() {
        put_sum(bytes, 0, SEGMENT_HEADER_BYTES);
    }
    for (file, at) in &WRITTEN.groups {
        let bytes = &mut files[*file].1;
        let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().expect("four bytes"));
        let body = at + FRAME_HEADER_BYTES;
        if let Some(body) = bytes.get(body..body.saturating_add(length as usize)) {
            let sum = crc32fast::hash(body).to_le_bytes();
            bytes[at + 28..at + 32].copy_from_slice(&sum);
        }
        put_sum(bytes, *at, FRAME_HEADER_BYTES);
    }
}

/// The last four bytes of a header are the sum of the others.
fn put_sum(bytes: &mut [u8], start: usize, length: usize) {
    let end = start + length - 4;
    let sum = crc32fast::hash(&bytes[start..end]).to_le_bytes();
    bytes[end..end + 4].copy_from_slice(&sum);
}

fn opens_as_it_was_left(files: &[File], from: u64) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (name, bytes) in files {
        std::fs::write(dir.path().join(name), bytes).expect("it can be written");
    }
    if let Ok(reader) = read_from(dir.path(), from) {
        // Whatever stands there, it ends.
        assert!(reader.take(1000).count() < 1000);
    }
    let Ok((mut log, replay)) = open(dir.path(), from) else {
        assert!(files != WRITTEN.files, "a log that was left in order is refused");
        return;
    };
    let found: Vec<Group> = replay.map(|group| group.expect("it was checked")).collect();
    // With checksums put right a log can say that its groups have the last numbers that there are.
    let Ok(receipt) = log.append_group(&[b"one more"]) else { return };
    drop(log);
    let (_, replay) = open(dir.path(), from).expect("it was opened before");
    assert_eq!(replay.report().torn_bytes, 0, "what was torn was cut off");
    let again: Vec<Group> = replay.map(|group| group.expect("it was checked")).collect();
    let (last, before) = again.split_last().expect("what was appended");
    assert_eq!(before, found);
    assert_eq!((last.start, last.end, last.sequence), (receipt.start, receipt.end, receipt.sequence));
}
