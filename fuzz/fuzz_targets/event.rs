//! Bytes from the log are an event or an error; an event written again reads back as itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracegate::store::LogEvent;

fuzz_target!(|data: &[u8]| {
    let Ok(event) = LogEvent::decode(data) else {
        return;
    };
    let bytes = event.encode().expect("a decoded event can be written").bytes;
    let again = LogEvent::decode(&bytes).expect("a written event can be read");
    assert_eq!(again, event);
});
