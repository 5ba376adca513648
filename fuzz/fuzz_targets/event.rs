//! Bytes from the log are an event or an error; an event written again reads back as itself.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tracegate_fuzz::event::check(data));
