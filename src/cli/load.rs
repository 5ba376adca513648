//! CSV rows into a gateway: batches over the load streams, rejects for what either side refuses.

use super::connect::Clients;
use super::files::{GoLiveRow, OpeningStockRow, OwnSchemeRow, Reject, Row, Rows, Taken};
use crate::domain::drug::{Drug, NoCodeEntry};
use crate::domain::party::Institution;
use crate::domain::purchase::{FeedScope, PurchaseFeed, PurchaseRecord, PurchaseSource};
use crate::grpc::pb;
use anyhow::Result;
use jiff::Timestamp;
use jiff::civil::Date;
use std::io::Read;
use tonic::Status;

/// Rows sent in one stream; at most the gateway's rows_per_load_max.
const BATCH_ROWS: usize = 2_000;

/// What one load did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loaded {
    /// New rows.
    pub added: u64,
    /// Rows that were known already.
    pub unchanged: u64,
    /// Rows that replaced others.
    pub replaced: u64,
    /// Rows that were refused.
    pub refused: u64,
}

/// A row that can be sent to a gateway.
pub trait Load: Row + Send + 'static {
    /// Its wire form.
    type Wire: Send + 'static;

    /// The row on the wire.
    fn wire(self) -> Self::Wire;

    /// Sends a batch.
    fn send(
        clients: &mut Clients,
        batch: Vec<Self::Wire>,
    ) -> impl Future<Output = Result<Vec<pb::LoadResult>, Status>> + Send;
}

/// Loads all rows of a file. `on_row` is told of every row, `on_reject` of every refusal.
pub async fn load<T: Load>(
    clients: &mut Clients,
    mut rows: Rows<'_, T>,
    mut on_row: impl FnMut(),
    mut on_reject: impl FnMut(&Reject) -> Result<()>,
) -> Result<Loaded> {
    let mut loaded = Loaded::default();
    let (mut batch, mut places) = (Vec::new(), Vec::new());
    loop {
        let row = rows.next();
        let ended = row.is_none();
        match row {
            Some(Ok(row)) => {
                batch.push(row.wire());
                places.push(rows.taken());
                on_row();
            }
            Some(Err(reject)) => {
                on_row();
                loaded.refused += 1;
                on_reject(&reject)?;
            }
            None => {}
        }
        if batch.len() >= BATCH_ROWS || (ended && !batch.is_empty()) {
            let results = T::send(clients, std::mem::take(&mut batch)).await?;
            for (place, result) in places.drain(..).zip(results) {
                loaded.count(&result);
                if let (Some(place), true) = (place, result.status() == pb::LoadStatus::Refused) {
                    on_reject(&Taken::refused(place, result.refusal))?;
                }
            }
        }
        if ended {
            return Ok(loaded);
        }
    }
}

impl Loaded {
    fn count(&mut self, result: &pb::LoadResult) {
        match result.status() {
            pb::LoadStatus::Added => self.added += 1,
            pb::LoadStatus::Unchanged => self.unchanged += 1,
            pb::LoadStatus::Replaced => self.replaced += 1,
            pb::LoadStatus::Refused | pb::LoadStatus::Unspecified => self.refused += 1,
        }
    }
}

impl std::fmt::Display for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { added, unchanged, replaced, refused } = self;
        write!(f, "{added} added, {unchanged} unchanged, {replaced} replaced, {refused} refused")
    }
}

/// Reads a file of rows.
pub(super) fn open<T: Row>(reader: impl Read + Send + 'static) -> Result<Rows<'static, T>> {
    Ok(super::files::read_rows(reader)?)
}

/// Implements [`Load`] for a row type: its message, its client, its call.
macro_rules! load {
    ($row:ty => $wire:ident via $client:ident.$call:ident, $make:expr) => {
        impl Load for $row {
            type Wire = pb::$wire;

            fn wire(self) -> pb::$wire {
                let make: fn($row) -> pb::$wire = $make;
                make(self)
            }

            async fn send(
                clients: &mut Clients,
                batch: Vec<pb::$wire>,
            ) -> Result<Vec<pb::LoadResult>, Status> {
                Ok(clients.$client.$call(tokio_stream::iter(batch)).await?.into_inner().results)
            }
        }
    };
}

load!(Institution => LoadInstitutionsRequest via registry.load_institutions, |row| {
    let institution = pb::Institution {
        institution_code: row.code.to_string(),
        kind: row.kind.name().to_owned(),
        division: row.division.to_string(),
        ownership: row.ownership.name().to_owned(),
        agreement_signed_on: text_of(row.agreement_signed_on),
        transition_ends_on: text_of(row.transition_ends_on),
        status: row.status.name().to_owned(),
        goes_live_on: text_of(row.goes_live_on),
        chain_group: row.chain_group.unwrap_or_default(),
        name: row.name,
    };
    pb::LoadInstitutionsRequest { institution: Some(institution) }
});

load!(Drug => LoadDrugsRequest via registry.load_drugs, |row| {
    let drug = pb::Drug {
        pack_level: row.pack_level.name().to_owned(),
        units_per_pack: row.units_per_pack.unwrap_or_default(),
        drug_class: row.drug_class.name().to_owned(),
        listed_price: row.listed_price.map(|p| p.to_string()).unwrap_or_default(),
        code_prefix: row.code_prefix,
        catalog_code: row.catalog_code,
        name: row.name,
        dosage_form: row.dosage_form,
        carton_only: row.carton_only,
        must_split: row.must_split,
    };
    pb::LoadDrugsRequest { drug: Some(drug) }
});

load!(NoCodeEntry => LoadNoCodeListRequest via registry.load_no_code_list, |row| {
    let entry = pb::NoCodeEntry {
        valid_from: text_of(row.valid_from),
        valid_to: text_of(row.valid_to),
        catalog_code: row.catalog_code,
        division_prefix: row.division_prefix,
        note: row.note,
    };
    pb::LoadNoCodeListRequest { entry: Some(entry) }
});

load!(OwnSchemeRow => LoadOwnSchemesRequest via registry.load_own_schemes, |row| {
    let scheme = pb::OwnScheme {
        pack_level: row.pack_level.name().to_owned(),
        units_per_pack: row.units_per_pack.unwrap_or_default(),
        catalog_code: row.catalog_code.unwrap_or_default(),
        issuer: row.issuer,
        pattern: row.pattern,
    };
    pb::LoadOwnSchemesRequest { scheme: Some(scheme) }
});

load!(PurchaseRecord => SubmitPurchasesRequest via purchases.submit_purchases, |row| {
    let source = match row.source {
        PurchaseSource::Platform => pb::PurchaseSource::Platform,
        PurchaseSource::Filed => pb::PurchaseSource::Filed,
        PurchaseSource::OpeningStock => pb::PurchaseSource::OpeningStock,
    };
    pb::SubmitPurchasesRequest {
        institution_code: row.institution.to_string(),
        source: source.into(),
        quantity: row.quantity.to_string(),
        unit_price: row.unit_price.map(|p| p.to_string()).unwrap_or_default(),
        purchased_at: Some(moment(row.purchased_at)),
        catalog_code: row.catalog_code,
        order_no: row.order_no,
        supplier: row.supplier,
        lot_no: row.lot_no,
    }
});

load!(OpeningStockRow => SubmitPurchasesRequest via purchases.submit_purchases, |row| row.0.wire());

load!(GoLiveRow => LoadGoLiveDatesRequest via registry.load_go_live_dates, |row| {
    pb::LoadGoLiveDatesRequest {
        institution_code: row.institution.to_string(),
        goes_live_on: row.goes_live_on.to_string(),
    }
});

load!(PurchaseFeed => SubmitPurchaseFeedsRequest via purchases.submit_purchase_feeds, |row| {
    let scope = match row.scope {
        FeedScope::Institution(code) => code.to_string(),
        FeedScope::DivisionPrefix(prefix) => format!("{prefix}*"),
    };
    pb::SubmitPurchaseFeedsRequest { scope, complete_up_to: Some(moment(row.complete_up_to)) }
});

fn text_of(date: Option<Date>) -> String {
    date.map(|d| d.to_string()).unwrap_or_default()
}

/// A moment on the wire.
pub(super) fn moment(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}
