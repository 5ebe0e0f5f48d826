//! See `../src/bodies/response.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| encke_fuzz::bodies::response::check(data));
