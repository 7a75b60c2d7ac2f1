//! What has changed from one picture to the next: the cells that a terminal must be told.

use ratatui::buffer::{Buffer, Cell};

use super::text;

/// The cells of `now` that are not as they were `before`, in a picture of the same size.
///
/// As Ratatui finds them, which asks of every cell how wide it is. Nearly all cells are as they were, and of those that
/// are not nearly all hold signs of one cell; where others come into play it is left to Ratatui.
pub(super) fn changed<'a>(before: &'a Buffer, now: &'a Buffer) -> Vec<(u16, u16, &'a Cell)> {
    let mut changed = Vec::new();
    let columns = usize::from(now.area.width).max(1);
    let rows = before.content.chunks_exact(columns).zip(now.content.chunks_exact(columns));
    for (y, (old, new)) in (0..).zip(rows) {
        for (x, (old, cell)) in (0..).zip(old.iter().zip(new)).filter(|(_, (old, cell))| !same(old, cell)) {
            let left = usize::from(x).checked_sub(1).map(|left| &new[left]);
            if !(is_plain(old) && is_plain(cell) && left.is_none_or(is_plain)) {
                return before.diff_iter(now).flat_map(|cell| with_room(now, cell)).collect();
            }
            changed.push((x, y, cell));
        }
    }
    changed
}

/// Signs that go together may take two cells here, and one on the terminal (Devanagari's vowels beside a consonant): what
/// was in the second cell before is wiped away first.
fn with_room<'a>(
    now: &'a Buffer,
    (x, y, cell): (u16, u16, &'a Cell),
) -> impl Iterator<Item = (u16, u16, &'a Cell)> {
    let symbol = cell.symbol();
    // Ratatui itself takes care of emoji with a variation selector.
    let doubtful = symbol.chars().nth(1).is_some() && !symbol.contains('\u{fe0f}') && text::width(symbol) > 1;
    let second = now.cell((x + 1, y)).filter(|_| doubtful).map(|second| (x + 1, y, second));
    second.into_iter().chain([(x, y, cell)])
}

fn is_plain(cell: &Cell) -> bool {
    text::is_plain(cell.symbol())
}

/// Are they the same? Of what cells can hold besides we use nothing.
fn same(one: &Cell, other: &Cell) -> bool {
    let symbols = match (one.symbol().as_bytes(), other.symbol().as_bytes()) {
        ([one], [other]) => one == other,
        (one, other) => one == other,
    };
    symbols && one.fg == other.fg && one.bg == other.bg && one.modifier == other.modifier
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::layout::Rect;
    use ratatui::style::{Color, Modifier, Style};

    use super::*;

    const AREA: Rect = Rect { x: 0, y: 0, width: 7, height: 3 };

    /// Words at places, over each other.
    fn any_picture(words: &'static [&'static str]) -> impl Strategy<Value = Buffer> {
        let colours = prop::sample::select(&[Color::Reset, Color::Red, Color::Rgb(1, 2, 3)]);
        let style = (colours, any::<bool>());
        let put = (0..AREA.width, 0..AREA.height, prop::sample::select(words), style);
        prop::collection::vec(put, 0..9).prop_map(|puts| {
            let mut buffer = Buffer::empty(AREA);
            for (x, y, word, (colour, bold)) in puts {
                let style = Style::new().fg(colour).bg(colour);
                let style = if bold { style.add_modifier(Modifier::BOLD) } else { style };
                buffer.set_stringn(x, y, word, usize::from(AREA.width - x), style);
            }
            buffer
        })
    }

    fn plain() -> impl Strategy<Value = Buffer> {
        any_picture(&["a", "ab ", "▶…", "  ", "┌─┐"])
    }

    fn unusual() -> impl Strategy<Value = Buffer> {
        any_picture(&["a", "ab ", "▶…", "関", "x関数y", "☎\u{fe0f}", "👍"])
    }

    proptest! {
        #[test]
        fn as_ratatui_finds_them(pictures in prop_oneof![(plain(), plain()), (unusual(), unusual())]) {
            let (before, now) = pictures;
            let theirs: Vec<_> = before.diff_iter(&now).collect();
            prop_assert_eq!(changed(&before, &now), theirs);
        }
    }

    #[test]
    fn behind_signs_that_may_be_narrower_is_a_blank() {
        let before = Buffer::with_lines(["abc"]);
        let mut now = Buffer::empty(before.area);
        now.set_string(0, 0, "हिx", Style::new());
        let told: Vec<_> =
            changed(&before, &now).into_iter().map(|(x, _, cell)| (x, cell.symbol())).collect();
        assert_eq!(told, [(1, " "), (0, "हि"), (2, "x")]);
    }
}
