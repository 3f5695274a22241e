//! A diff: no panic, no name that is made up, hunks that stay inside the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchlift::patch::{Binary, binary, parse};

fuzz_target!(|data: &[u8]| {
    let Ok(files) = parse(data, None) else { return };
    for file in &files {
        assert!(!file.name().is_empty());
        assert!(file.hunks.iter().map(|hunk| hunk.body.len()).sum::<usize>() <= data.len());
        if let Some(Binary::Delta(delta)) = &file.binary {
            let _ = binary::apply_delta(data, delta);
        }
    }
});
