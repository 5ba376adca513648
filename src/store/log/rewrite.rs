//! Puts another segment in the place of one that takes no more groups: the same groups at the same positions, some of
//! their payloads with other bytes. Whoever reads meanwhile reads the one or the other, never a mixture.

use super::error::OpenError;
use super::frame::{self, Group};
use super::scan::{SegmentScan, Step};
use super::segment::{self, SEGMENT_HEADER_BYTES, Segment};
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

/// The groups of one segment that takes no more of them, in order.
pub fn segment_groups(
    dir: &Path,
    start: u64,
) -> Result<impl Iterator<Item = Result<Group, OpenError>> + use<>, OpenError> {
    let mut scan = SegmentScan::open(Segment::read(start, &segment::path(dir, start))?)?;
    let mut done = false;
    Ok(std::iter::from_fn(move || {
        if done {
            return None;
        }
        let step = match scan.step() {
            Ok(Step::Group(group)) => Ok(group),
            Ok(Step::End) => {
                done = true;
                return None;
            }
            Ok(Step::Bad(bad)) => Err(OpenError::damaged(&scan.segment.path, bad.offset, bad.what)),
            Err(error) => Err(error),
        };
        done = step.is_err();
        Some(step)
    }))
}

/// Removes the first segment of a log, of which nothing is needed any more. On the disk when it returns.
pub fn remove_segment(dir: &Path, start: u64) -> Result<(), OpenError> {
    let path = segment::path(dir, start);
    std::fs::remove_file(&path).map_err(OpenError::io("remove", &path))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(OpenError::io("sync the directory", dir))
}

/// Writes a segment anew. `change` is given each payload with its position and gives what stands there from now on,
/// `None` = the same; the length must stay the same. On the disk when it returns.
pub fn rewrite_segment<E: From<OpenError>>(
    dir: &Path,
    start: u64,
    mut change: impl FnMut(u64, &[u8]) -> Result<Option<Vec<u8>>, E>,
) -> Result<(), E> {
    let path = segment::path(dir, start);
    let draft = path.with_extension("new");
    let io = |doing: &'static str, file: &Path| {
        let file = file.to_owned();
        move |error| E::from(OpenError::io(doing, &file)(error))
    };
    let mut header = Vec::new();
    let opened = File::open(&path).map_err(io("open", &path))?;
    opened.take(SEGMENT_HEADER_BYTES).read_to_end(&mut header).map_err(io("read", &path))?;
    let mut file = BufWriter::new(File::create(&draft).map_err(io("make", &draft))?);
    file.write_all(&header).map_err(io("write", &draft))?;
    let mut buffer = Vec::new();
    for group in segment_groups(dir, start)? {
        let group = group?;
        let mut payloads = Vec::new();
        for (at, payload) in group.payloads() {
            let changed = change(at, payload)?.unwrap_or_else(|| payload.to_vec());
            if changed.len() != payload.len() {
                let what = "a payload that was to take the place of another has another length";
                return Err(OpenError::damaged(&draft, at - start, what).into());
            }
            payloads.push(changed);
        }
        let is_first = group.start == start + SEGMENT_HEADER_BYTES;
        let durable_before = if is_first { start } else { group.start };
        frame::encode(&mut buffer, group.sequence, durable_before, &payloads);
        file.write_all(&buffer).map_err(io("write", &draft))?;
    }
    let file = file.into_inner().map_err(|error| io("write", &draft)(error.into_error()))?;
    file.sync_all().map_err(io("sync", &draft))?;
    std::fs::rename(&draft, &path).map_err(io("rename", &draft))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io("sync the directory", dir))
}
