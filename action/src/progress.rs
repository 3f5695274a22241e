//! What a person sees while a run goes on: one line a finished stage, one moving line for the present one.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use patchlift_report::text::{TextStyle, stage_line};
use patchlift_report::{Lane, Stage};

use crate::plan::Planned;

/// Without a terminal a long stage says this often that it lives: a workflow log shows no moving line.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// The progress of a run, on stderr; stdout is left to the result.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    style: TextStyle,
    planned: usize,
    begun: usize,
    words: String,
    last_beat: Cell<Instant>,
}

impl Progress {
    /// Progress for this terminal, or for a log where there is none.
    pub fn new(style: TextStyle) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let template = ProgressStyle::with_template("{spinner:.cyan} {prefix} {wide_msg} {elapsed:.dim}");
            bar.set_style(template.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar
        });
        Self { bar, style, planned: 0, begun: 0, words: String::new(), last_beat: Cell::new(Instant::now()) }
    }

    /// Tells how many stages there will be.
    pub fn plan(&mut self, stages: usize) {
        self.planned = stages;
    }

    /// A stage begins.
    pub fn started(&mut self, planned: Planned) {
        self.begun += 1;
        self.last_beat.set(Instant::now());
        let of = if planned.lane == Lane::Base { " (base)" } else { "" };
        self.words = format!("{}{of}", planned.name.in_words());
        match &self.bar {
            Some(bar) => {
                bar.reset_elapsed();
                bar.enable_steady_tick(Duration::from_millis(120));
                bar.set_prefix(format!("[{}/{}] {}", self.begun, self.planned, self.words));
                bar.set_message("");
            }
            None => self.print(&format!("[{}/{}] {} …", self.begun, self.planned, self.words)),
        }
    }

    /// What the present stage is doing.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None if self.last_beat.get().elapsed() >= HEARTBEAT => {
                self.last_beat.set(Instant::now());
                self.print(&format!("      {}: {text}", self.words));
            }
            None => {}
        }
    }

    /// A stage ended.
    pub fn ended(&mut self, stage: &Stage) {
        if matches!(stage.result, patchlift_report::StageResult::Skipped { .. }) {
            self.begun += 1;
        }
        let line = stage_line(stage, &self.style);
        match &self.bar {
            Some(bar) => {
                bar.println(line);
                bar.disable_steady_tick();
                bar.set_message("");
            }
            None => self.print(&line),
        }
    }

    /// Removes the moving line.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    #[expect(clippy::unused_self, reason = "the other ways to show a line need it")]
    fn print(&self, line: &str) {
        // A closed stderr must not end a run that has a box to give back.
        let _ = writeln!(io::stderr().lock(), "{line}");
    }
}
