//! A line of the national interface is read or refused, the same way each time.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tracegate_fuzz::message::check(data));
