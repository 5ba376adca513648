//! Any message to any method of the gateway gets an answer, or a status that says what is wrong.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tracegate_fuzz::door::check(data));
