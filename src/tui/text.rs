//! What the target and the clock say, made fit for cells: the one place where names lose what a
//! terminal would obey or that takes no room, where text is cut to a width, and where numbers get
//! their words.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::signs::Signs;
use crate::export::escape::is_unseen;
use crate::sample::Micros;
pub(super) use crate::sample::local_name;

/// Nobody reads more of a name; a megabyte of it must not be walked at each picture.
const LONGEST: usize = 512;

/// More marks than this on one letter are not writing: they would run over the lines above and below.
const MOST_MARKS: usize = 3;

/// `raw` without anything that a terminal obeys, that turns text round, or that has no width and belongs to no letter.
/// Such characters appear as their number, so that what is there is seen.
pub(super) fn clean<'a>(raw: &'a str, signs: &Signs) -> Cow<'a, str> {
    if raw.len() <= LONGEST && raw.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return raw.into();
    }
    let mut out = String::with_capacity(raw.len().min(LONGEST));
    // Marks that the letter before may still have.
    let mut marks = 0;
    for character in raw.chars().take(LONGEST) {
        let harmless = !is_unseen(character) && (character.is_ascii() || !signs.ascii);
        let fills_cells = character.width().unwrap_or(0) > 0;
        if harmless && fills_cells {
            marks = if character.is_alphanumeric() { MOST_MARKS } else { 0 };
            out.push(character);
        } else if harmless && marks > 0 && is_mark(character) {
            marks -= 1;
            out.push(character);
        } else if character == '\t' {
            out.push(' ');
        } else {
            marks = 0;
            out.extend(character.escape_unicode());
        }
    }
    out.into()
}

/// Source text: as [`clean`], with tabs as wide as Python counts them in most editors.
pub(super) fn clean_line(raw: &str, signs: &Signs) -> String {
    clean(&raw.trim_end().replace('\t', "    "), signs).into_owned()
}

/// An accent or its like: it takes no cell, and belongs to the character before it. Left out are those of rare scripts,
/// those before what they mark, and those that Unicode counts with what they stand on although they take a cell beside it:
/// terminals give them one.
pub(super) fn is_mark(character: char) -> bool {
    let takes_a_cell = matches!(character,
        '\u{605}' | '\u{70F}' | '\u{890}' | '\u{891}' | '\u{8E2}' | '\u{D4E}' | '\u{A8FA}'
            | '\u{9BE}' | '\u{9D7}' | '\u{B3E}' | '\u{B57}' | '\u{BBE}' | '\u{BD7}' | '\u{CC0}' | '\u{CC2}' | '\u{CC7}'
            | '\u{CC8}' | '\u{CCA}' | '\u{CCB}' | '\u{CD5}' | '\u{CD6}' | '\u{D3E}' | '\u{D57}' | '\u{DCF}'
            | '\u{DDF}' | '\u{1160}'..='\u{11FF}' | '\u{1715}' | '\u{1734}' | '\u{1B35}' | '\u{1B3B}' | '\u{1B3D}'
            | '\u{1B43}' | '\u{1B44}' | '\u{1BAA}' | '\u{1BF2}' | '\u{1BF3}' | '\u{302E}' | '\u{302F}'
            | '\u{A953}' | '\u{A9C0}' | '\u{D7B0}'..='\u{D7FF}' | '\u{FF9E}' | '\u{FF9F}'..);
    !takes_a_cell && !is_unseen(character) && character.width() == Some(0)
}

/// The cells that `text` takes.
pub(super) fn width(text: &str) -> usize {
    if is_plain(text) { text.chars().count() } else { text.width() }
}

/// Nothing but characters that take one cell whatever stands beside them: most of what is on a screen, and needs no
/// tables to be measured.
pub(super) fn is_plain(text: &str) -> bool {
    let fills_a_cell = |character| {
        matches!(character,
            ' '..='~' | '\u{A1}'..='\u{AC}' | '\u{AE}'..='\u{FF}' | '\u{2010}'..='\u{2027}' | '\u{2500}'..='\u{25FC}')
    };
    text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || text.chars().all(fills_a_cell)
}

/// At most `cells` of `text`, from its start; what was cut ends in an ellipsis.
pub(super) fn cut(text: &str, cells: usize, signs: &Signs) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    if cells == 0 {
        return String::new();
    }
    let mut out = String::new();
    let mut used = 0;
    for character in text.chars() {
        let wide = character.width().unwrap_or(0);
        if used + wide > cells - 1 {
            break;
        }
        used += wide;
        out.push(character);
    }
    out.push_str(signs.ellipsis);
    out
}

/// At most `cells` of `text`, from its end: for paths, whose end tells most.
pub(super) fn cut_start(text: &str, cells: usize, signs: &Signs) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    if cells == 0 {
        return String::new();
    }
    let mut kept = Vec::new();
    let mut used = 0;
    for character in text.chars().rev() {
        let wide = character.width().unwrap_or(0);
        if used + wide > cells - 1 {
            break;
        }
        used += wide;
        kept.push(character);
    }
    while kept.last().is_some_and(|first| is_mark(*first)) {
        kept.pop();
    }
    let tail: String = kept.into_iter().rev().collect();
    format!("{}{tail}", signs.ellipsis)
}

/// `text` in exactly `cells` cells, blanks behind it.
pub(super) fn pad(text: &str, cells: usize, signs: &Signs) -> String {
    let cut = cut(text, cells, signs);
    let blanks = cells.saturating_sub(width(&cut));
    cut + &" ".repeat(blanks)
}

/// `text` in exactly `cells` cells, blanks before it.
pub(super) fn pad_start(text: &str, cells: usize, signs: &Signs) -> String {
    let cut = cut(text, cells, signs);
    let blanks = cells.saturating_sub(width(&cut));
    " ".repeat(blanks) + &cut
}

/// The file's name without its directories; what is frozen into Python keeps its brackets.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A command line without the directories of the interpreter: they are long, and matter least.
pub(super) fn command(words: &str) -> String {
    let (interpreter, rest) = words.split_once(' ').unwrap_or((words, ""));
    format!("{} {rest}", base_name(interpreter)).trim_end().to_owned()
}

/// A share of one as a percentage that never claims more than it knows.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent <= 0.0 {
        "0 %".to_owned()
    } else if percent < 0.95 {
        format!("{percent:.1} %").replace("0.0 %", "<0.1 %")
    } else {
        format!("{percent:.0} %")
    }
}

/// A mean number of threads.
pub(super) fn threads(mean: f64) -> String {
    match mean {
        9.95.. => format!("{mean:.0}"),
        0.005..0.095 => format!("{mean:.2}"),
        mean if 0.0 < mean && mean < 0.005 => "<0.01".to_owned(),
        _ => format!("{mean:.1}"),
    }
}

/// Without its class as well: `readinto` of `SocketIO.readinto`.
pub(super) fn last_name(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A length of time as people say it: `0.4 s`, `12 s`, `4m12s`, `5h07m`, `3d04h`.
pub(super) fn span(length: Micros) -> String {
    let seconds = length.0 / 1_000_000;
    match seconds {
        0..10 => format!("{:.1} s", length.0 as f64 / 1e6),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Whole seconds, for a number that changes while somebody reads it.
pub(super) fn seconds(length: Micros) -> String {
    if length.0 < 60_000_000 { format!("{} s", length.0 / 1_000_000) } else { span(length) }
}

/// The time of day, `03:07:12`, `offset` seconds east of Greenwich.
pub(super) fn clock(at: Micros, offset: i64) -> String {
    let day = (i64::try_from(at.0 / 1_000_000).unwrap_or(0) + offset).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", day / 3600, day / 60 % 60, day % 60)
}

/// Lines of at most so many cells, broken between words where that can be.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && width(&line) + 1 + width(word) > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{Depth, Theme};

    fn signs(ascii: bool) -> &'static Signs {
        Theme::new(Depth::True, ascii).signs
    }

    #[test]
    fn nothing_that_a_terminal_obeys_survives() {
        let hostile = "a\x1b]52;c;AAAA\x07b\u{202E}c\u{200B}d\n\u{9b}31m\u{0301} \u{0301}";
        let safe = clean(hostile, signs(false));
        assert_eq!(safe, "a\\u{1b}]52;c;AAAA\\u{7}b\\u{202e}c\\u{200b}d\\u{a}\\u{9b}31m\u{301} \\u{301}");
        assert!(clean("naïve 関数", signs(true)).is_ascii());
        assert_eq!(clean("naïve 関数", signs(false)), "naïve 関数");
    }

    #[test]
    fn marks_stand_on_letters() {
        let zalgo = format!("a{}", "\u{301}".repeat(5));
        assert_eq!(clean(&zalgo, signs(false)), "a\u{301}\u{301}\u{301}\\u{301}\\u{301}");
        for name in ["ฟังก์ชัน", "हिन्दी", "שָׁלוֹם", "é"] {
            assert_eq!(clean(name, signs(false)), name);
            assert_eq!(clean(&clean(name, signs(true)), signs(true)), clean(name, signs(true)));
        }
        assert_eq!(clean("a\u{fe0f}\u{34f}\u{3164}", signs(false)), "a\\u{fe0f}\\u{34f}\\u{3164}");
        // Terminals do not agree on whether this vowel takes a cell.
        assert_eq!(clean("বা", signs(false)), "ব\\u{9be}");
        assert_eq!(cut_start("xyza\u{301}", 1, signs(false)), "…");
    }

    #[test]
    fn cuts_count_cells_and_not_characters() {
        assert_eq!(cut("関数関数", 5, signs(false)), "関数…");
        assert_eq!(cut("関数", 4, signs(false)), "関数");
        assert_eq!(width(&pad("関数関数", 6, signs(false))), 6);
        assert_eq!(cut_start("/srv/app/web.py", 7, signs(false)), "…web.py");
        for cells in 0..12 {
            assert!(width(&cut("関数abc関数", cells, signs(false))) <= cells);
            assert!(width(&cut_start("関数abc関数", cells, signs(false))) <= cells);
            assert_eq!(width(&pad("関数abc関数", cells, signs(false))), cells);
        }
    }

    #[test]
    fn numbers_in_words() {
        assert_eq!(span(Micros(252_000_000)), "4m12s");
        assert_eq!(span(Micros(273_600_000_000)), "3d04h");
        assert_eq!(span(Micros(400_000)), "0.4 s");
        assert_eq!(grouped(1_252_000), "1,252,000");
        assert_eq!(percent(0.514), "51 %");
        assert_eq!(percent(0.004), "0.4 %");
        assert_eq!(percent(0.0001), "<0.1 %");
        assert_eq!(clock(Micros(11_232_000_000), 0), "03:07:12");
    }
}
