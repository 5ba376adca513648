//! Whatever a scanner sends gets an answer, and what is printed of a code reads back to the same key.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tracegate_fuzz::code::check(data));
