//! Cases as rows, one for each sale: pages are fetched while others are written, so that memory does not grow with the
//! number of rows.

use super::convert::{case_cells, case_columns};
use super::{Door, pb, status};
use crate::domain::access::Principal;
use crate::domain::party::Caller;
use crate::engine::{CaseFilter, CaseView};
use crate::sheets::{Cell, SheetFormat, write_rows};
use std::io::Write;
use tokio::sync::mpsc;
use tonic::Status;

/// Cases that are fetched at once.
const PAGE_CASES: usize = 500;
/// Pages that wait to be written.
const PAGES_WAITING_MAX: usize = 2;
/// Bytes of an answer, about.
const CHUNK_BYTES: usize = 64 << 10;

pub(super) type Exported = Result<pb::ExportDuplicatesResponse, Status>;

/// Sends everything that a filter lets pass.
pub(super) async fn export(
    door: Door,
    caller: Principal,
    filter: CaseFilter,
    format: SheetFormat,
    answers: mpsc::Sender<Exported>,
) {
    let (pages, waiting) = mpsc::channel(PAGES_WAITING_MAX);
    let out = Chunks { answers: answers.clone(), bytes: Vec::with_capacity(CHUNK_BYTES) };
    let writing = tokio::task::spawn_blocking(move || write(format, waiting, out));
    let fetched = fetch(&door, &caller, filter, pages).await;
    let written = writing.await.map_err(|error| error.to_string());
    let failed = match (fetched, written) {
        (Err(status), _) => status,
        (Ok(()), Ok(Ok(()))) => return,
        (Ok(()), Ok(Err(error)) | Err(error)) => {
            if answers.is_closed() {
                return;
            }
            tracing::warn!(%error, "an export failed");
            Status::internal("the export failed; see the log of the gateway")
        }
    };
    drop(answers.send(Err(failed)).await);
}

async fn fetch(
    door: &Door,
    caller: &Caller,
    filter: CaseFilter,
    pages: mpsc::Sender<Vec<CaseView>>,
) -> Result<(), Status> {
    let mut after = None;
    loop {
        let listed = door.engine.list_cases(caller, filter.clone(), after, PAGE_CASES).await;
        let page = listed.map_err(|error| status::of(&error))?;
        after = page.next;
        let sent = tokio::select! {
            sent = pages.send(page.cases) => sent.is_ok(),
            () = door.stop.cancelled() => {
                return Err(Status::unavailable("the gateway is stopping; export again once it is back"));
            }
        };
        if !sent || after.is_none() {
            return Ok(());
        }
    }
}

fn write(
    format: SheetFormat,
    mut pages: mpsc::Receiver<Vec<CaseView>>,
    mut out: Chunks,
) -> Result<(), String> {
    let cases = std::iter::from_fn(|| pages.blocking_recv()).flatten();
    let rows = cases.flat_map(|case| case_cells(&case));
    let rows: Box<dyn Iterator<Item = Vec<Cell>>> = Box::new(rows);
    write_rows(format, &case_columns(), rows, &mut out).map_err(|error| error.to_string())?;
    out.send().map_err(|error| error.to_string())
}

/// What is written, handed over in pieces; waits where nobody takes them.
struct Chunks {
    answers: mpsc::Sender<Exported>,
    bytes: Vec<u8>,
}

impl Chunks {
    fn send(&mut self) -> std::io::Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.bytes, Vec::with_capacity(CHUNK_BYTES));
        let sent = self.answers.blocking_send(Ok(pb::ExportDuplicatesResponse { chunk }));
        sent.map_err(|_| std::io::Error::from(std::io::ErrorKind::BrokenPipe))
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= CHUNK_BYTES {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
