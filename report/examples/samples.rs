//! Writes a sample report for every ending: `cargo run -p patchlift-report --example samples -- <folder>`.

use std::path::PathBuf;
use std::{env, fs, io};

use patchlift_report::sample;
use patchlift_report::text::TextStyle;

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args_os().nth(1).unwrap_or_else(|| "samples".into()));
    fs::create_dir_all(&folder)?;
    for ending in sample::ENDINGS {
        let report = sample::report(ending);
        let name = serde_json::to_value(ending).map_err(io::Error::other)?;
        let file = |kind: &str| folder.join(format!("{}.{kind}", name.as_str().unwrap_or("sample")));
        fs::write(file("json"), report.to_json().map_err(io::Error::other)?)?;
        fs::write(file("html"), report.to_html())?;
        fs::write(file("md"), report.to_markdown())?;
        fs::write(file("txt"), report.to_text(&TextStyle::default()))?;
        fs::write(file("ansi"), report.to_text(&TextStyle { ansi: true, ..TextStyle::default() }))?;
    }
    Ok(())
}
