//! Saved filters of any content are refused or used; damage is never believed.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tracegate_fuzz::index::check(data));
