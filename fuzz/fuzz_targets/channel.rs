//! See `../src/bodies/channel.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| encke_fuzz::bodies::channel::check(data));
