//! Reads one line of the national interface (两定接口, JSON) into plain structs.
//!
//! Liberal in the shapes it accepts, strict about meaning: a value that could be read two ways is refused, and
//! nothing is dropped without a word. Knows the interface; knows nothing of the gateway's requests, of the
//! network, or of the day on which it runs.

mod codes;
mod fields;
mod json;
mod message;
mod request_id;
mod rows;
mod sales;
mod settlement;
mod time;

use fields::{Fields, fault, opened};
use jiff::Timestamp;
use json::Json;
use request_id::RequestIds;

pub use message::{Body, Message, MessageError, ReturnDocument, ReturnLine, SaleDocument, SaleLine};

/// The longest line that is read, in bytes.
pub const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Reads one message from one line of text.
///
/// Sales are 3505, 3505A and 2207 with `drug_trac_info`; returns are 3506 and 3506A; anything else comes back
/// as [`Body::NotSupported`]. Rows with another document or visit become documents of their own. A row that
/// cannot be read takes its own document with it, and is listed in [`Message::rejected`].
///
/// # Errors
/// A line that is too long or not a JSON object, an envelope without `infno`, `fixmedins_code` or `inf_time`,
/// more than 10,000 rows, or a message of which no document could be read.
pub fn read_message(line: &str) -> Result<Message, MessageError> {
    let message = parse(line)?;
    let envelope = Fields::of(&message, "", None)?;
    let mut read = Message {
        infno: envelope.required("infno")?.to_ascii_uppercase(),
        institution_code: envelope.required("fixmedins_code")?,
        clock: read_clock(&envelope)?,
        operator: envelope.text("opter")?,
        body: Body::Sales(Vec::new()),
        rejected: Vec::new(),
    };
    (read.body, read.rejected) = read_body(&envelope, &read)?;
    Ok(read)
}

fn parse(line: &str) -> Result<Json, MessageError> {
    let whole = |what: String, remedy| fault(String::new(), None, what, remedy);
    if line.len() > LINE_BYTES_MAX {
        let what = format!("has {} bytes, more than {LINE_BYTES_MAX}", line.len());
        return Err(whole(what, "send it in several messages"));
    }
    let line = line.trim_start_matches('\u{feff}').trim();
    if line.is_empty() {
        return Err(whole("is empty".to_owned(), "send one JSON object a line"));
    }
    Json::parse(line)
        .map_err(|problem| whole(format!("is not usable JSON: {problem}"), "send one JSON object a line"))
}

fn read_clock(envelope: &Fields<'_>) -> Result<Timestamp, MessageError> {
    let missing = || envelope.fault("inf_time", "is missing or empty", "send it as yyyy-MM-dd HH:mm:ss");
    envelope.time("inf_time")?.ok_or_else(missing)
}

fn read_body(envelope: &Fields<'_>, message: &Message) -> Result<sales::Documents, MessageError> {
    let infno = message.infno.as_str();
    if !matches!(infno, "3505" | "3505A" | "3506" | "3506A" | "2207") {
        let infno: String = infno.chars().take(20).collect();
        let why = format!("{infno} is neither a sale (3505, 3505A, 2207) nor a sale return (3506, 3506A)");
        return Ok((Body::NotSupported(why), Vec::new()));
    }
    let Some((_, raw)) = envelope.find(&["input"]) else {
        return Err(envelope.fault("input", "is missing or empty", "send the node of the transaction"));
    };
    let ids = RequestIds::new(&message.institution_code, infno, raw);
    let value = opened(raw, "input", None)?;
    let input = Fields::of(&value, "input", None)?;
    match infno {
        "2207" => Ok((settlement::read_settlement(&input, &ids)?, Vec::new())),
        "3506" | "3506A" => sales::read_returns(&input, ids),
        _ => sales::read_sales(&input, ids),
    }
}

#[cfg(test)]
mod tests;
