//! See `../src/bodies/framing.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| encke_fuzz::bodies::framing::check(data));
