//! Bytes from the log are an event or an error; an event written again reads back as itself.

use tracegate::store::LogEvent;

/// Holds for any bytes.
pub fn check(data: &[u8]) {
    let Ok(event) = LogEvent::decode(data) else {
        return;
    };
    let bytes = event.encode().expect("a decoded event can be written").bytes;
    let again = LogEvent::decode(&bytes).expect("a written event can be read");
    assert_eq!(again, event);
}
