//! One versioned value in Redis: what it is from its writer's decision on, and what it was before. Whose decision
//! is not known yet shows neither.

use super::decision::DecisionId;

/// A claim whose value is too long for its bucket leaves this there and stands under a key of its own.
pub(super) const ELSEWHERE: &[u8] = b"=";
/// Bytes that name a decision; a claim in its bucket has one or two of them.
const ID_BYTES: usize = 8;

/// What somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// The facts in the decision's own record.
    Facts(DecisionId),
    /// Bytes with their version.
    Stored {
        /// The decision that put it.
        by: DecisionId,
        /// Its version.
        version: u32,
        /// What it is.
        bytes: Vec<u8>,
    },
}

impl Value {
    pub const fn by(&self) -> DecisionId {
        match self {
            Self::Facts(by) | Self::Stored { by, .. } => *by,
        }
    }

    /// Version and bytes, where it has bytes of its own.
    pub fn stored(&self) -> Option<(u32, &[u8])> {
        match self {
            Self::Facts(_) => None,
            Self::Stored { version, bytes, .. } => Some((*version, bytes)),
        }
    }
}

/// A value, and the one that it takes the place of where its decision is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub now: Value,
    /// Committed; `None` = nothing stood.
    pub before: Option<Value>,
}

const NOTHING: u8 = 0;
const FACTS: u8 = 1;
const STORED: u8 = 2;

impl Cell {
    /// The form that fits into a bucket; `None` where it needs a key of its own.
    pub fn short(&self) -> Option<Vec<u8>> {
        let Value::Facts(now) = &self.now else { return None };
        let mut bytes = now.bytes().to_vec();
        match &self.before {
            None => {}
            Some(Value::Facts(before)) => bytes.extend_from_slice(&before.bytes()),
            Some(Value::Stored { .. }) => return None,
        }
        Some(bytes)
    }

    /// The form under a key of its own: who wrote it, then both values.
    pub fn long(&self) -> Vec<u8> {
        let mut bytes = self.now.by().bytes().to_vec();
        put(&mut bytes, Some(&self.now));
        put(&mut bytes, self.before.as_ref());
        bytes
    }

    pub fn read_short(bytes: &[u8]) -> Option<Self> {
        let now = Value::Facts(DecisionId::read(bytes)?);
        let rest = bytes.get(ID_BYTES..)?;
        let before = if rest.is_empty() { None } else { Some(Value::Facts(DecisionId::read(rest)?)) };
        let whole = bytes.len() == ID_BYTES || bytes.len() == 2 * ID_BYTES;
        whole.then_some(Self { now, before })
    }

    pub fn read_long(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.get(ID_BYTES..)?;
        let now = take(&mut rest)??;
        let before = take(&mut rest)?;
        let lawful = rest.is_empty() && bytes.starts_with(&now.by().bytes());
        lawful.then_some(Self { now, before })
    }
}

fn put(bytes: &mut Vec<u8>, value: Option<&Value>) {
    match value {
        None => bytes.push(NOTHING),
        Some(Value::Facts(by)) => {
            bytes.push(FACTS);
            bytes.extend_from_slice(&by.bytes());
        }
        Some(Value::Stored { by, version, bytes: stored }) => {
            bytes.push(STORED);
            bytes.extend_from_slice(&by.bytes());
            bytes.extend_from_slice(&version.to_be_bytes());
            bytes.extend_from_slice(&(stored.len() as u64).to_be_bytes());
            bytes.extend_from_slice(stored);
        }
    }
}

/// The next value; the outer `None` = not one.
#[expect(clippy::option_option, reason = "no value is a lawful value before the first")]
fn take(rest: &mut &[u8]) -> Option<Option<Value>> {
    let (tag, after) = rest.split_first()?;
    *rest = after;
    match *tag {
        NOTHING => Some(None),
        FACTS => Some(Some(Value::Facts(DecisionId::read(&take_bytes(rest, ID_BYTES)?)?))),
        STORED => {
            let by = DecisionId::read(&take_bytes(rest, ID_BYTES)?)?;
            let version = u32::from_be_bytes(take_bytes(rest, 4)?.try_into().ok()?);
            let length = u64::from_be_bytes(take_bytes(rest, 8)?.try_into().ok()?);
            let bytes = take_bytes(rest, usize::try_from(length).ok()?)?;
            Some(Some(Value::Stored { by, version, bytes }))
        }
        _ => None,
    }
}

fn take_bytes(rest: &mut &[u8], count: usize) -> Option<Vec<u8>> {
    let (first, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(first.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let stored = (any::<u64>(), any::<u32>(), proptest::collection::vec(any::<u8>(), 0..40));
        let id = |number: u64| DecisionId::read(&number.to_be_bytes()).unwrap();
        prop_oneof![
            any::<u64>().prop_map(move |by| Value::Facts(id(by))),
            stored.prop_map(move |(by, version, bytes)| Value::Stored { by: id(by), version, bytes }),
        ]
    }

    proptest! {
        #[test]
        fn cells_read_back(now in any_value(), before in proptest::option::of(any_value())) {
            let cell = Cell { now, before };
            prop_assert_eq!(Cell::read_long(&cell.long()), Some(cell.clone()));
            prop_assert!(cell.long().starts_with(&cell.now.by().bytes()));
            if let Some(short) = cell.short() {
                prop_assert!(short != ELSEWHERE && short.starts_with(&cell.now.by().bytes()));
                prop_assert_eq!(Cell::read_short(&short), Some(cell));
            }
        }

        #[test]
        fn any_bytes_are_a_cell_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            for cell in [Cell::read_long(&bytes), Cell::read_short(&bytes)].into_iter().flatten() {
                prop_assert_eq!(Cell::read_long(&cell.long()), Some(cell));
            }
        }
    }
}
