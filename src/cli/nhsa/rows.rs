//! Finds the rows of a sale or return message and groups them by document and visit.
//!
//! A row that cannot be read takes its own document with it and no other. Knows rows and groups; what a line
//! holds is left to the caller.

use super::fields::{Fields, fault, opened};
use super::json::Json;
use super::message::MessageError;
use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The most rows that one message may have.
pub(super) const ROWS_MAX: usize = 10_000;
/// How the node with the rows is called: one row, and the batch variant.
const NODE_NAMES: &[&str] = &["selinfo", "selinfoDetail"];

/// One row and where it stands.
pub(super) struct Row<'a> {
    pub(super) value: Cow<'a, Json>,
    pub(super) path: String,
    pub(super) number: u32,
}

/// Which request a row belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) document_no: Option<String>,
    pub(super) visit_no: Option<String>,
}

/// The lines of one document and visit, all of them readable.
pub(super) struct Group<L> {
    pub(super) key: Key,
    pub(super) lines: Vec<L>,
}

/// The rows of a message, sorted into groups.
pub(super) struct Groups<L> {
    /// In order of first appearance.
    pub(super) good: Vec<Group<L>>,
    /// In order of rows.
    pub(super) rejected: Vec<MessageError>,
    /// Good and bad documents together.
    pub(super) count: usize,
}

/// The node with the rows, whichever of its names it has.
pub(super) fn rows_node<'a>(input: &Fields<'a>) -> Result<(String, Cow<'a, Json>), MessageError> {
    let mut filled = Vec::new();
    for &name in NODE_NAMES {
        if let Some((name, node)) = input.find(&[name]) {
            let node = opened(node, &input.path_to(name), None)?;
            if !is_hollow(&node) {
                filled.push((name, node));
            }
        }
    }
    match (filled.pop(), filled.pop()) {
        (Some((name, node)), None) => Ok((input.path_to(name), node)),
        (Some((_, one)), Some((name, other))) if one == other => Ok((input.path_to(name), other)),
        (Some(_), Some(_)) => {
            let what = "and selinfo are both filled, with different rows";
            Err(input.fault("selinfoDetail", what, "send all rows in one of the two"))
        }
        (None, _) => {
            let what = format!("has no row; the input holds {}", input.names());
            Err(input.fault("selinfo", what, "send the rows as selinfo or selinfoDetail"))
        }
    }
}

fn is_hollow(node: &Json) -> bool {
    node.is_blank() || matches!(node, Json::List(items) if items.is_empty())
}

/// The rows of a node: the entries of an array, or one object; each may be JSON text.
///
/// The second list holds the rows that could not even be opened.
pub(super) fn rows_of<'a>(
    node: &'a Json,
    path: &str,
) -> Result<(Vec<Row<'a>>, Vec<MessageError>), MessageError> {
    let Json::List(items) = node else {
        return Ok((vec![Row { value: Cow::Borrowed(node), path: path.to_owned(), number: 1 }], Vec::new()));
    };
    if items.len() > ROWS_MAX {
        let what = format!("has {} rows, more than {ROWS_MAX}", items.len());
        return Err(fault(path.to_owned(), None, what, "send the rest in further messages"));
    }
    let (mut rows, mut closed) = (Vec::with_capacity(items.len()), Vec::new());
    for (number, (at, item)) in (1..).zip(items.iter().enumerate()) {
        let path = format!("{path}[{at}]");
        match opened(item, &path, Some(number)) {
            Ok(value) => rows.push(Row { value, path, number }),
            Err(error) => closed.push(error),
        }
    }
    Ok((rows, closed))
}

/// Reads every row with `read` and groups them.
///
/// # Errors
/// The first error, where no document could be read.
pub(super) fn group<L>(
    node: &Json,
    path: &str,
    read: impl Fn(&Fields<'_>, u32) -> Result<L, MessageError>,
) -> Result<Groups<L>, MessageError> {
    let (rows, closed) = rows_of(node, path)?;
    let mut pending = Pending { closed, ..Pending::default() };
    for row in &rows {
        match open_row(row) {
            Ok((fields, key)) => pending.place(key, read(&fields, row.number)),
            Err(error) => pending.closed.push(error),
        }
    }
    let groups = pending.settle();
    if groups.good.is_empty() { Err(first_of(groups.rejected, path)) } else { Ok(groups) }
}

fn open_row<'a>(row: &'a Row<'_>) -> Result<(Fields<'a>, Key), MessageError> {
    let fields = Fields::of(&row.value, &row.path, Some(row.number))?;
    let key = Key { document_no: fields.text("rtal_docno")?, visit_no: fields.text("mdtrt_sn")? };
    Ok((fields, key))
}

fn first_of(rejected: Vec<MessageError>, path: &str) -> MessageError {
    let more = rejected.len().saturating_sub(1);
    let mut rejected = rejected.into_iter();
    let Some(mut first) = rejected.next() else {
        return fault(path.to_owned(), None, "has no row", "send at least one row");
    };
    if more > 0 {
        first.what.push_str(&format!(" (and {more} more row(s) cannot be read)"));
    }
    first
}

struct PendingGroup<L> {
    key: Key,
    lines: Vec<L>,
    errors: Vec<MessageError>,
}

struct Pending<L> {
    groups: Vec<PendingGroup<L>>,
    places: HashMap<Key, usize>,
    /// Rows whose document is not known.
    closed: Vec<MessageError>,
}

impl<L> Default for Pending<L> {
    fn default() -> Self {
        Self { groups: Vec::new(), places: HashMap::new(), closed: Vec::new() }
    }
}

impl<L> Pending<L> {
    fn place(&mut self, key: Key, line: Result<L, MessageError>) {
        let at = match self.places.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => {
                let key = free.key().clone();
                self.groups.push(PendingGroup { key, lines: Vec::new(), errors: Vec::new() });
                *free.insert(self.groups.len() - 1)
            }
        };
        let Some(group) = self.groups.get_mut(at) else {
            return;
        };
        match line {
            Ok(line) => group.lines.push(line),
            Err(error) => group.errors.push(error),
        }
    }

    fn settle(self) -> Groups<L> {
        let count = self.groups.len() + self.closed.len();
        let mut rejected = self.closed;
        let mut good = Vec::new();
        for PendingGroup { key, lines, errors } in self.groups {
            if errors.is_empty() {
                good.push(Group { key, lines });
            } else {
                rejected.extend(errors.into_iter().map(|error| with_company(error, lines.len())));
            }
        }
        rejected.sort_by_key(|error| error.row);
        Groups { good, rejected, count }
    }
}

/// Says how many readable rows go down with a bad one, so that nothing is dropped in silence.
fn with_company(mut error: MessageError, readable: usize) -> MessageError {
    if readable > 0 {
        error.what.push_str(&format!(" ({readable} more row(s) of its document are not taken either)"));
    }
    error
}
