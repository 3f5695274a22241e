//! Root of another crate, which fuzz/Cargo.toml names: the half of the bridge that reads what strangers send, without
//! the other. A fuzzer instruments every crate it is built with; this half needs a dozen of them, the whole program
//! three hundred.
#![expect(unused_imports, reason = "some names only serve the half that is left out")]

mod bytes;
pub mod date;
#[path = "apply/image.rs"]
mod image;
pub mod mail;
pub mod mbox;
pub mod patch;
pub mod series;

/// Puts the hunks of one file into a text, as far as they fit; where one does not, the nearest place is looked for.
pub fn put_into(text: &[u8], file: &patch::FilePatch<'_>) -> Vec<u8> {
    let mut image = image::Image::new(text);
    let mut steps = image::Steps { taken: 0, limit: 10_000_000 };
    for hunk in &file.hunks {
        if image.apply(hunk, &mut steps).is_err() {
            let _ = image.nearest(hunk, &mut steps);
        }
    }
    image.content()
}
