//! See `../src/bodies/chunks.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| encke_fuzz::bodies::chunks::check(data));
