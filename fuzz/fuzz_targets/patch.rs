//! A diff: no panic, no name that is made up, hunks that stay inside the text and add no more than they hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchlift_fuzz::patch::{Binary, binary, parse};

fuzz_target!(|data: &[u8]| {
    let Ok(files) = parse(data, None) else { return };
    for file in &files {
        assert!(!file.name().is_empty());
        let held = file.hunks.iter().map(|hunk| hunk.body.len()).sum::<usize>();
        assert!(held <= data.len());
        for text in [data, b"a\nb\n\nb\nc\n"] {
            assert!(patchlift_fuzz::put_into(text, file).len() <= text.len() + held);
        }
        if let Some(Binary::Delta(delta)) = &file.binary {
            let _ = binary::apply_delta(data, delta);
        }
    }
});
