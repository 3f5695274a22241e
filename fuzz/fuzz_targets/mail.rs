//! One mail, read in every way there is: no panic, and the patch is never longer than what can be decoded from it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchlift_fuzz::mail::{self, Options, overview, subject};

fuzz_target!(|data: &[u8]| {
    for (scissors, strip_quoted_cr) in [(false, false), (true, true)] {
        if let Ok(content) = mail::read(data, Options { scissors, strip_quoted_cr }) {
            // Latin-1 doubles a byte; nothing makes more of one.
            assert!(content.message.len() + content.patch.len() <= 3 * data.len() + 16);
            let _ = patchlift_fuzz::date::parse(&content.date.unwrap_or_default());
        }
    }
    let _ = subject::Prefix::parse(data);
    let _ = overview::overview(data);
});
