//! A file of any content and of any kind that is imported ends, and every reject names a line.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tracegate_fuzz::csv::check(data));
