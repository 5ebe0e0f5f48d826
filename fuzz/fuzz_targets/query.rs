//! See `../src/bodies/query.rs` and `../src/references/urlencoded.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| encke_fuzz::references::urlencoded::query(data));
