//! One group as bytes: a frame. Layout, encoding and decoding; no files. The payloads are opaque.
//!
//! All numbers are little-endian.
//!
//! | bytes | field |
//! | --- | --- |
//! | 4 | magic |
//! | 4 | body length in bytes |
//! | 8 | the group's sequence number |
//! | 8 | the log's durable end before this group: what stands before it was acknowledged |
//! | 4 | number of payloads |
//! | 4 | CRC-32 of the body |
//! | 4 | CRC-32 of the fields above |
//! | … | body: each payload as its length (4 bytes) and its bytes |
//!
//! The header has a CRC of its own because a whole header proves, even where its body is lost, that
//! everything before it was acknowledged.

use super::error::LogError;

/// The largest frame in bytes, header included. Part of the format: a larger one is damage.
pub const FRAME_BYTES_MAX: u64 = 64 << 20;

/// Never inside UTF-8 text, so that payloads made of text cannot be taken for a frame.
const MAGIC: [u8; 4] = [0xF5, b'g', b'r', 0xFF];

/// Bytes before each payload that give its length: a payload's position is theirs.
pub const PAYLOAD_LENGTH_BYTES: u64 = 4;

/// Bytes before the body.
pub(super) const FRAME_HEADER_BYTES: usize = 36;

/// What a frame says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub body_bytes: u32,
    pub sequence: u64,
    pub durable_before: u64,
    pub payload_count: u32,
    pub body_crc: u32,
}

impl FrameHeader {
    fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(FRAME_HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.body_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.durable_before.to_le_bytes());
        bytes.extend_from_slice(&self.payload_count.to_le_bytes());
        bytes.extend_from_slice(&self.body_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        let mut header = [0; FRAME_HEADER_BYTES];
        header.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
        header
    }

    /// Reads a header from the front of `bytes`; `None` if there is no whole and unchanged one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = &mut bytes.strip_prefix(&MAGIC)?;
        let header = Self {
            body_bytes: take_u32(rest)?,
            sequence: take_u64(rest)?,
            durable_before: take_u64(rest)?,
            payload_count: take_u32(rest)?,
            body_crc: take_u32(rest)?,
        };
        let covered = bytes.get(..FRAME_HEADER_BYTES - 4)?;
        (take_u32(rest)? == crc32fast::hash(covered)).then_some(header)
    }

    /// The whole frame in bytes.
    pub fn frame_bytes(&self) -> u64 {
        FRAME_HEADER_BYTES as u64 + u64::from(self.body_bytes)
    }
}

/// Bytes of the frame that would hold these payloads; an error over [`FRAME_BYTES_MAX`].
pub(super) fn frame_bytes(payloads: &[impl AsRef<[u8]>]) -> Result<u64, LogError> {
    let body: u64 = payloads.iter().map(|payload| 4 + payload.as_ref().len() as u64).sum();
    let bytes = FRAME_HEADER_BYTES as u64 + body;
    if bytes > FRAME_BYTES_MAX {
        return Err(LogError::TooLarge { bytes, limit_bytes: FRAME_BYTES_MAX });
    }
    Ok(bytes)
}

/// Writes the frame into `buffer` in place of what it held. The caller has checked [`frame_bytes`].
pub(super) fn encode(
    buffer: &mut Vec<u8>,
    sequence: u64,
    durable_before: u64,
    payloads: &[impl AsRef<[u8]>],
) {
    buffer.clear();
    buffer.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    for payload in payloads {
        let payload = payload.as_ref();
        buffer.extend_from_slice(&short(payload.len()).to_le_bytes());
        buffer.extend_from_slice(payload);
    }
    if let Some((head, body)) = buffer.split_first_chunk_mut::<FRAME_HEADER_BYTES>() {
        *head = FrameHeader {
            body_bytes: short(body.len()),
            sequence,
            durable_before,
            payload_count: short(payloads.len()),
            body_crc: crc32fast::hash(body),
        }
        .encode();
    }
}

/// Where each payload of a frame at `start` stands, as positions in the log.
pub(super) fn positions(start: u64, payloads: &[impl AsRef<[u8]>]) -> Vec<u64> {
    let mut next = start + FRAME_HEADER_BYTES as u64;
    let mut positions = Vec::with_capacity(payloads.len());
    for payload in payloads {
        positions.push(next);
        next += 4 + payload.as_ref().len() as u64;
    }
    positions
}

/// One group read back, with all its payloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The position of its first byte.
    pub start: u64,
    /// The position after its last byte: "all up to here" for whoever applied it.
    pub end: u64,
    /// Its number; groups are numbered from 1 without gaps.
    pub sequence: u64,
    body: Vec<u8>,
}

impl Group {
    /// Takes a body whose CRC was checked; `None` if its payloads do not fill it exactly.
    pub(super) fn new(start: u64, header: &FrameHeader, body: Vec<u8>) -> Option<Self> {
        let group = Self { start, end: start + header.frame_bytes(), sequence: header.sequence, body };
        let (count, bytes) = group
            .payloads()
            .fold((0, 0), |(count, bytes), (_, payload)| (count + 1, bytes + 4 + payload.len()));
        (count == u64::from(header.payload_count) && bytes == group.body.len()).then_some(group)
    }

    /// The payloads in the order of the append, each with the position that its receipt named.
    pub fn payloads(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut rest = self.body.as_slice();
        let mut position = self.start + FRAME_HEADER_BYTES as u64;
        std::iter::from_fn(move || {
            let bytes = usize::try_from(take_u32(&mut rest)?).ok()?;
            let (payload, tail) = rest.split_at_checked(bytes)?;
            let at = position;
            rest = tail;
            position += 4 + payload.len() as u64;
            Some((at, payload))
        })
    }
}

/// A length that is known to lie below [`FRAME_BYTES_MAX`].
fn short(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Takes four bytes from the front.
pub(super) fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (bytes, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(u32::from_le_bytes(*bytes))
}

/// Takes eight bytes from the front.
pub(super) fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    let (bytes, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(u64::from_le_bytes(*bytes))
}

/// The place of the first whole frame header in `bytes` whose sequence number is `sequence` or later.
pub(super) fn find_header(bytes: &[u8], sequence: u64) -> Option<usize> {
    let is_later = |window| FrameHeader::decode(window).is_some_and(|header| header.sequence >= sequence);
    bytes.windows(FRAME_HEADER_BYTES).position(is_later)
}
