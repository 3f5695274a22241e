//! Lines that fit the terminal.

use std::io::{self, IsTerminal as _};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr};

/// How wide lines may be: the terminal's width; without a terminal nothing is cut.
pub(super) fn width() -> usize {
    if !io::stdout().is_terminal() {
        return usize::MAX;
    }
    let size = terminal_size::terminal_size_of(io::stdout());
    let width = size.map_or(80, |(width, _)| usize::from(width.0));
    // Narrower than this nothing can be read anyway.
    width.max(40)
}

/// The text in at most `width` columns; a longer one ends in `…`.
pub(super) fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 0;
    let room = width.saturating_sub(1);
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= room
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.truncate(cut.trim_end().len());
    cut.push('…');
    cut
}

/// The text in exactly `width` columns.
pub(super) fn column(text: &str, width: usize) -> String {
    let text = fit(text, width);
    let missing = width.saturating_sub(text.width());
    text + &" ".repeat(missing)
}

/// The columns the widest of these texts takes, at most `most`.
pub(super) fn widest<'t>(texts: impl Iterator<Item = &'t str>, most: usize) -> usize {
    texts.map(UnicodeWidthStr::width).max().unwrap_or(0).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_what_they_take_on_the_screen() {
        for (text, width, expected) in [
            ("short", 10, "short"),
            ("just fits", 9, "just fits"),
            ("is too long", 7, "is too…"),
            ("漢字漢字", 8, "漢字漢字"),
            ("漢字漢字", 6, "漢字…"),
            ("anything", 1, "…"),
        ] {
            assert_eq!(fit(text, width), expected);
        }
        assert_eq!(column("漢", 4), "漢  ");
        assert_eq!(column("abcdef", 4), "abc…");
    }
}
