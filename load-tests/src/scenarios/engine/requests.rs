//! The documents that the engine gets, in its own terms, made before anything is measured.

use super::EngineSettings;
use crate::province::{Province, Sale};
use anyhow::Result;
use rust_decimal::Decimal;
use tracegate::clock::{Clock, SystemClock};
use tracegate::domain::document::{Document, Line};
use tracegate::domain::event::{Payment, Scene};
use tracegate::domain::party::{InstitutionCode, InstitutionKind};

/// A document and its request id.
pub(super) type Request = (String, Document);

/// The documents of each task, made beforehand: making them is not the engine's work.
pub(super) fn prepare(province: &Province, settings: &EngineSettings) -> Result<Vec<Vec<Request>>> {
    let mut shares: Vec<Vec<Request>> = vec![Vec::new(); settings.in_flight];
    let tasks = settings.in_flight as u64;
    for number in 0..settings.prepared.max(settings.documents) {
        let request = request(province.sale(number, settings.shape))?;
        let share = usize::try_from(number % tasks)?;
        if let Some(share) = shares.get_mut(share) {
            share.push(request);
        }
    }
    for (share, left) in shares.iter_mut().zip((0..tasks).rev()) {
        // Those that are only there to be made.
        share.truncate(usize::try_from((settings.documents + left) / tasks)?);
    }
    Ok(shares)
}

fn request(sale: Sale) -> Result<Request> {
    let institution = InstitutionCode::parse(&sale.institution)?;
    let scene = match institution.kind() {
        InstitutionKind::Hospital => Scene::Outpatient,
        InstitutionKind::Pharmacy => Scene::Pharmacy,
    };
    let occurred_at = SystemClock.now();
    let mut lines = Vec::with_capacity(sale.lines.len());
    for (number, line) in (1..).zip(sale.lines) {
        lines.push(Line {
            number,
            catalog_code: Some(line.catalog_code),
            quantity: Some(Decimal::from(line.units)),
            split: false,
            unit_price: Some(line.unit_price.parse()?),
            payment: Payment::Insured,
            occurred_at: Some(occurred_at),
            scanned: line.codes,
        });
    }
    let document = Document {
        institution,
        document_no: Some(sale.document_no),
        visit_no: None,
        settlement_id: None,
        scene,
        operator: Some("001".to_owned()),
        lines,
    };
    Ok((sale.request_id, document))
}
