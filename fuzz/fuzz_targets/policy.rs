//! A policy file of any content is taken or refused with a line; what is taken has one version.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tracegate_fuzz::policy::check(data));
