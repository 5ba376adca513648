//! A damaged log is opened or refused. What opening found is still there when it is opened again, followed by what was
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tracegate_fuzz::log::check(data));
