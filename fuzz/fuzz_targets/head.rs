//! See `../src/bodies/head.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| encke_fuzz::bodies::head::check(data));
