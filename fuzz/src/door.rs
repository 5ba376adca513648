//! Any message to any method, from any kind of caller, gets an answer or a status that says what is wrong, and never the
//! one of a gateway that failed.

use super::world::World;
use prost::Message;
use std::sync::{Mutex, PoisonError};
use tonic::{Code, Status};
use tracegate::grpc::{RIGHTS, Right, pb};

/// They change what a gateway holds in memory: the next input would meet another world. Target `policy` has the files.
const LEFT_OUT: [&str; 3] =
    ["PolicyService/ReloadPolicy", "PolicyService/StartShadow", "PolicyService/StopShadow"];
/// Its stream ends when the client goes away.
const ENDLESS: &str = "BureauService/WatchCases";
const CALLERS: [&str; 4] = [
    "operator",
    "bureau 13",
    "institution P13010290005",
    "chain %E7%A4%BA%E4%BE%8B%E4%BB%81%E6%B5%8E%E8%BF%9E%E9%94%81",
];
/// Set in the byte of the caller: several messages follow, each with its length (two bytes) in front; else the rest is one.
const SEVERAL: u8 = 0x80;

static WORLD: Mutex<Option<World>> = Mutex::new(None);

/// Holds for any bytes: the method and a line break, the caller, then messages.
pub fn check(data: &[u8]) {
    let Some(line) = data.iter().position(|byte| *byte == b'\n') else { return };
    let (name, rest) = data.split_at(line);
    let Some(Right { method, .. }) = RIGHTS.iter().find(|right| right.method.as_bytes() == name) else {
        return;
    };
    let Some((&[_, caller], rest)) = rest.split_first_chunk() else { return };
    if LEFT_OUT.contains(method) {
        return;
    }
    let messages = if caller & SEVERAL == 0 { vec![rest] } else { split(rest) };
    let caller = CALLERS[usize::from(caller & !SEVERAL) % CALLERS.len()];
    let mut world = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    let status = world.get_or_insert_with(sold).call(method, caller, &messages, *method != ENDLESS);
    assert!(is_an_answer(&status), "{method}: {status:?}");
}

/// Ends the world and removes its directory, for whoever goes on with something else.
pub fn close() {
    drop(WORLD.lock().unwrap_or_else(PoisonError::into_inner).take());
}

/// Bytes that are no message, and no message at all, end a call as an internal error in tonic's own words. The gateway
/// has that code for a request that ended in a panic.
fn is_an_answer(status: &Status) -> bool {
    match status.code() {
        Code::Internal => !status.message().contains("the gateway failed"),
        Code::Unknown | Code::DataLoss => false,
        _ => true,
    }
}

fn split(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let Some((&[low, high], after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(after.len());
        let (message, others) = after.split_at(length);
        messages.push(message);
        rest = others;
    }
    messages
}

/// A world with sales of all kinds: whole, held, split, a duplicate with its case, a return.
fn sold() -> World {
    let mut world = World::open();
    let mut put = |method: &str, message: Vec<u8>| {
        let status = world.call(method, "operator", &[&message], true);
        assert_eq!(status.code(), Code::Ok, "{method}: {status:?}");
    };
    let dispensed = [
        ("1", "P13010290005", "8640011", "24", false, false),
        ("2", "P13010490006", "8640011", "24", false, false),
        ("3", "H13010290001", "8640011", "24", false, false),
        ("4", "H13010290001", "8640021", "20", true, false),
        ("5", "H13010290001", "8640151", "60", false, true),
        ("6", "H13010490002", "8640151", "60", false, true),
        ("7", "H13010490002", "8640031", "48", false, false),
    ];
    for (id, institution, prefix, units, hold, split) in dispensed {
        let document = Some(document(id, institution, prefix, units, split));
        let request = pb::DispenseRequest { request_id: id.to_owned(), document, hold, ..Default::default() };
        put("DispensingService/Dispense", request.encode_to_vec());
    }
    let back = document("7", "H13010490002", "8640031", "48", false);
    let back = pb::ReturnDocument {
        institution_code: back.institution_code,
        document_no: back.document_no,
        lines: back.lines,
        ..Default::default()
    };
    let back = pb::ReturnRequest { request_id: "8".to_owned(), document: Some(back) };
    put("DispensingService/Return", back.encode_to_vec());
    let found = pb::GetCaseRequest { case_id: "86400110000000000001-1".to_owned() };
    put("BureauService/GetCase", found.encode_to_vec());
    world.stop_accepting();
    let last = pb::DispenseRequest {
        request_id: "9".to_owned(),
        document: Some(document("9", "H13010490002", "8640041", "28", false)),
        ..Default::default()
    };
    let status = world.call("DispensingService/Dispense", "operator", &[&last.encode_to_vec()], true);
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    world
}

/// The first box of a drug.
fn document(number: &str, institution: &str, prefix: &str, units: &str, split: bool) -> pb::Document {
    let line = pb::Line {
        quantity: units.to_owned(),
        unit_price: "12.50".to_owned(),
        split,
        codes: vec![format!("{prefix}0000000000001")],
        ..Default::default()
    };
    pb::Document {
        institution_code: institution.to_owned(),
        document_no: format!("D{number}"),
        payment: pb::Payment::Insured.into(),
        lines: vec![line],
        ..Default::default()
    }
}
