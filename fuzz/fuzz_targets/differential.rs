//! See `../src/differential.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| encke_fuzz::differential::check(data));
