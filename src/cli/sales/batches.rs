//! The file as batches of rows for the wire, each with what is needed to tell its answer to a person.
//!
//! Where findings are looked for, a file with returns is read twice: first its returns, then its sales. A return
//! that stands far behind the resale would else come too late, and the resale would be called a duplicate.

use crate::cli::files::{PastReturnRow, PastRow, Place, Reject, Row, Rows, Taken, read_rows};
use crate::cli::load::moment;
use crate::domain::document::PastEvent;
use crate::grpc::pb;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Rows of one batch; at most the gateway's rows_per_import_batch_max.
const BATCH_ROWS_MAX: usize = 2_000;
/// Bytes of the file that one batch spans, so that it fits into a message and progress shows.
const BATCH_BYTES_MAX: u64 = 1 << 20;

/// One way through the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Pass {
    /// Everything, in the order of the file.
    All,
    /// Returns alone, before any sale.
    Returns,
    /// Sales alone, after the returns.
    Sales,
}

/// How far the file has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reached {
    /// In which pass.
    pub pass: Pass,
    /// Where the next row begins.
    pub place: Place,
}

/// What every batch asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub find_conflicts: bool,
    pub count_sold: bool,
}

impl Asked {
    pub fn request(self, batch_no: u64, rows: Vec<pb::PastSale>) -> pb::ImportSalesRequest {
        let Self { find_conflicts, count_sold } = self;
        pb::ImportSalesRequest { batch_no, find_conflicts, count_sold, rows }
    }
}

/// The part of the file that a batch stands for.
#[derive(Debug)]
pub(super) struct Span {
    pub batch_no: u64,
    /// Columns of the file.
    pub columns: std::sync::Arc<[String]>,
    /// Where each row of the batch stood.
    pub taken: Vec<Taken>,
    /// Rows that could not be read and were not sent.
    pub rejects: Vec<Reject>,
    /// Where the next batch begins.
    pub end: Reached,
}

impl Span {
    /// Rows, sent or not.
    pub fn rows(&self) -> u64 {
        (self.taken.len() + self.rejects.len()) as u64
    }
}

/// What is to be read.
#[derive(Debug)]
pub(super) struct Plan {
    pub file: PathBuf,
    /// Bytes of the file when the import began; what was appended since is left.
    pub file_bytes: u64,
    /// Where an interrupted import goes on.
    pub from: Option<Reached>,
    pub asked: Asked,
}

/// The passes that a file takes.
pub(super) fn passes(file: &Path, find_conflicts: bool) -> Result<&'static [Pass]> {
    let rows = read_rows::<PastRow>(open(file, 0, u64::MAX)?)?;
    let has_kind = rows.columns().iter().any(|column| is_named(column, "kind"));
    Ok(if find_conflicts && has_kind { &[Pass::Returns, Pass::Sales] } else { &[Pass::All] })
}

/// Whether a column of a file is the one of that name.
pub(super) fn is_named(column: &str, name: &str) -> bool {
    column.trim().eq_ignore_ascii_case(name)
}

impl Plan {
    /// Reads the file; `send` takes each batch and says whether to go on.
    pub fn read(&self, mut send: impl FnMut(pb::ImportSalesRequest, Span) -> bool) -> Result<()> {
        let mut batch_no = 0;
        let mut numbered = |rows, span: Span| {
            batch_no += 1;
            send(self.asked.request(batch_no, rows), Span { batch_no, ..span })
        };
        let passes = passes(&self.file, self.asked.find_conflicts)?;
        let from = |pass: Pass| self.from.filter(|from| from.pass == pass).map(|from| from.place);
        let begun = |pass: &&Pass| self.from.is_some_and(|from| from.pass == **pass);
        let done_before = passes.iter().position(|pass| begun(&pass)).unwrap_or(0);
        for pass in passes.iter().skip(done_before) {
            let goes_on = match pass {
                Pass::Returns => self.read_pass::<PastReturnRow>(*pass, from(*pass), &mut numbered)?,
                Pass::All | Pass::Sales => self.read_pass::<PastRow>(*pass, from(*pass), &mut numbered)?,
            };
            if !goes_on {
                return Ok(());
            }
        }
        let bytes = std::fs::metadata(&self.file).map(|m| m.len()).unwrap_or(self.file_bytes);
        if bytes != self.file_bytes {
            bail!("{} was changed while it was imported; import it again", self.file.display());
        }
        Ok(())
    }

    fn read_pass<T: Picked>(
        &self,
        pass: Pass,
        from: Option<Place>,
        send: &mut impl FnMut(Vec<pb::PastSale>, Span) -> bool,
    ) -> Result<bool> {
        let mut rows = read_rows::<T>(open(&self.file, 0, self.file_bytes)?)?;
        if let Some(place) = from {
            let rest = self.file_bytes.saturating_sub(place.offset_bytes);
            rows = rows.going_on_at(open(&self.file, place.offset_bytes, rest)?, place);
        }
        let columns: std::sync::Arc<[String]> = rows.columns().into();
        loop {
            let begin = rows.place().offset_bytes;
            let (mut wire, mut taken, mut rejects) = (Vec::new(), Vec::new(), Vec::new());
            let ended = fill(&mut rows, pass, begin, &mut wire, &mut taken, &mut rejects)?;
            let end = Reached { pass, place: rows.place() };
            let span = Span { batch_no: 0, columns: std::sync::Arc::clone(&columns), taken, rejects, end };
            if end.place.offset_bytes > begin && !send(wire, span) {
                return Ok(false);
            }
            if ended {
                return Ok(true);
            }
        }
    }
}

/// Reads rows until a batch is full; `true` at the end of the file.
fn fill<T: Picked>(
    rows: &mut Rows<'_, T>,
    pass: Pass,
    begin: u64,
    wire: &mut Vec<pb::PastSale>,
    taken: &mut Vec<Taken>,
    rejects: &mut Vec<Reject>,
) -> Result<bool> {
    while wire.len() + rejects.len() < BATCH_ROWS_MAX
        && rows.place().offset_bytes.saturating_sub(begin) < BATCH_BYTES_MAX
    {
        match rows.next() {
            None => return Ok(true),
            Some(Err(reject)) if reject.ends_file => bail!("line {}: {}", reject.line, reject.reason),
            // Told with the sales: every row is told once.
            Some(Err(_)) if pass == Pass::Returns => {}
            Some(Err(reject)) => rejects.push(reject),
            Some(Ok(row)) => {
                if let (Some(event), Some(place)) = (row.picked(pass), rows.taken()) {
                    wire.push(past_sale(event));
                    taken.push(place);
                }
            }
        }
    }
    Ok(false)
}

/// A row type of the file, of which a pass takes some.
trait Picked: Row {
    fn picked(self, pass: Pass) -> Option<PastEvent>;
}

impl Picked for PastRow {
    fn picked(self, pass: Pass) -> Option<PastEvent> {
        let wanted = match pass {
            Pass::All => true,
            Pass::Sales => !self.0.came_back,
            Pass::Returns => self.0.came_back,
        };
        wanted.then_some(self.0)
    }
}

impl Picked for PastReturnRow {
    fn picked(self, _: Pass) -> Option<PastEvent> {
        self.0
    }
}

fn past_sale(event: PastEvent) -> pb::PastSale {
    let kind = if event.came_back { pb::PastKind::Return } else { pb::PastKind::Sale };
    pb::PastSale {
        kind: kind.into(),
        institution_code: event.institution.to_string(),
        occurred_at: Some(moment(event.occurred_at)),
        line_no: event.line,
        quantity: event.quantity.map(|units| units.to_string()).unwrap_or_default(),
        line_quantity: event.line_quantity.map(|units| units.to_string()).unwrap_or_default(),
        split: event.split,
        document_no: event.document_no.unwrap_or_default(),
        visit_no: event.visit_no.unwrap_or_default(),
        catalog_code: event.catalog_code.unwrap_or_default(),
        code: event.scanned,
    }
}

/// A reader of so many bytes from an offset on.
fn open(path: &Path, offset_bytes: u64, bytes: u64) -> Result<impl Read + Send + 'static> {
    let mut file = File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
    file.seek(SeekFrom::Start(offset_bytes)).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(BufReader::new(file.take(bytes)))
}
