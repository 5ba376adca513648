//! Rows of tables, as stores keep them on disk and in Redis: read or refused, read back as themselves once written,
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tracegate_fuzz::stored::check(data));
