//! What a scanner sent, and what it is: a trace code of one of three families, a code without a serial,
//! a placeholder, or something else that was scanned by mistake.
//!
//! Only layout is normalised: no letter becomes a digit, nothing is padded or repaired, no check digit of an
//! MSFX code is computed (its rule is not public). The room knows no registry, no policy and no history; what
//! a prefix stands for and whether a placeholder is acceptable is decided elsewhere.

mod element;
mod gs1;
mod key;
mod msfx;
mod noise;
mod own;
mod refusal;
mod rules;
mod split;
#[cfg(test)]
mod tests;
mod url;
mod wrong;

pub use gs1::{Gs1Code, Gs1Date};
pub use key::CodeKey;
pub use msfx::MsfxCode;
pub use own::{OwnCode, OwnScheme};
pub use refusal::{ElementFault, Refusal, UrlFault};
pub use rules::{BadPattern, ScanRules};

use crate::domain::verdict::Reason;
use gs1::Gs1Reading;
use noise::Layout;
use wrong::Wrong;

/// The longest text that is looked at, in bytes of UTF-8. Longer input is `CODE_MALFORMED`.
pub const SCANNED_BYTES_MAX: usize = 512;

/// A lawful trace code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceCode {
    /// 码上放心: 20 digits, first digit 8.
    Msfx(MsfxCode),
    /// GS1: GTIN and serial.
    Gs1(Gs1Code),
    /// A registered manufacturer's own scheme.
    Own(OwnCode),
}

impl TraceCode {
    /// The identity that duplicates are judged by. Lot and expiry are no part of it.
    pub fn key(&self) -> CodeKey {
        match self {
            Self::Msfx(code) => CodeKey::msfx(code.as_str()),
            Self::Gs1(code) => CodeKey::gs1(code.gtin(), code.serial()),
            Self::Own(code) => CodeKey::own(&code.text),
        }
    }

    /// What the prefix map is asked for: seven digits of an MSFX code, or the GTIN-14. `None` for an own scheme,
    /// which says itself what it stands for.
    pub fn prefix(&self) -> Option<&str> {
        match self {
            Self::Msfx(code) => Some(code.prefix()),
            Self::Gs1(code) => Some(code.gtin()),
            Self::Own(_) => None,
        }
    }
}

/// Canonical text: 20 digits; `(01)GTIN(21)SERIAL`; the string of an own scheme. It reads back to the same key.
impl std::fmt::Display for TraceCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Msfx(code) => f.write_str(code.as_str()),
            Self::Gs1(code) => write!(f, "(01){}(21){}", code.gtin(), code.serial()),
            Self::Own(code) => f.write_str(&code.text),
        }
    }
}

/// What was scanned. Every `text` is a printable copy of the scan of at most 100 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scan {
    /// A trace code with an identity.
    Code(TraceCode),
    /// A lawful GS1 text whose serial is missing, or lost between two ways to read it: duplicates cannot be judged.
    NoSerial {
        /// GTIN-14; `None` where the readings disagree about it.
        gtin: Option<String>,
        /// What was scanned.
        text: String,
        /// More than one way to read it, because separators were lost.
        ambiguous: bool,
    },
    /// A text that stands for "no code".
    Placeholder {
        /// What was scanned.
        text: String,
    },
    /// Not a trace code.
    Refused {
        /// What it is instead.
        reason: Reason,
        /// What was scanned.
        text: String,
        /// What exactly is wrong with it.
        detail: Refusal,
    },
}

/// Says what a scan is. Total: every input gets an answer, and the same rules give the same answer.
pub fn read(scanned: &str, rules: &ScanRules) -> Scan {
    identify(scanned, rules).unwrap_or_else(|Wrong { reason, detail }| Scan::Refused {
        reason,
        text: noise::printable(scanned),
        detail,
    })
}

fn identify(scanned: &str, rules: &ScanRules) -> Result<Scan, Wrong> {
    if scanned.len() > SCANNED_BYTES_MAX {
        return Err(Wrong::malformed(Refusal::TooLong(scanned.len())));
    }
    let layout = Layout::of(scanned);
    if layout.core.is_empty() {
        return Err(Wrong::malformed(Refusal::Empty));
    }
    wrong::refuse_spreadsheet_damage(&layout.core)?;
    if url::is_url(&layout.core) {
        let code = url::trace_code(&layout.core, rules.url_hosts()).map_err(Wrong::foreign_url)?;
        return Ok(placeholder(code.as_str(), rules).unwrap_or(Scan::Code(TraceCode::Msfx(code))));
    }
    let digits = layout.digits.as_deref();
    let other_form = digits.filter(|digits| *digits != layout.core);
    if let Some(scan) = placeholder(&layout.core, rules).or_else(|| placeholder(other_form?, rules)) {
        return Ok(scan);
    }
    if let Some(code) = digits.and_then(MsfxCode::parse) {
        return Ok(Scan::Code(TraceCode::Msfx(code)));
    }
    if let Some(code) = rules.own_code(&layout.core) {
        return Ok(Scan::Code(TraceCode::Own(code)));
    }
    match gs1::read(&layout.elements).or_else(|| gs1::read(digits?)) {
        Some(Ok(reading)) => Ok(scan_of(reading, scanned)),
        // Twenty digits are far more often a misread MSFX code than a GS1 text with a two-digit serial.
        Some(Err(_)) if digits.is_some_and(|d| d.len() == msfx::DIGITS) => Err(wrong::explain(&layout)),
        Some(Err(detail)) => Err(Wrong::malformed(detail)),
        None => Err(wrong::explain(&layout)),
    }
}

fn placeholder(text: &str, rules: &ScanRules) -> Option<Scan> {
    rules.is_placeholder(text).then(|| Scan::Placeholder { text: noise::printable(text) })
}

fn scan_of(reading: Gs1Reading, scanned: &str) -> Scan {
    match reading {
        Gs1Reading::Code(code) => Scan::Code(TraceCode::Gs1(code)),
        Gs1Reading::NoSerial { gtin, ambiguous } => {
            Scan::NoSerial { gtin, text: noise::printable(scanned), ambiguous }
        }
    }
}
