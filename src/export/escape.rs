//! Names as text that stays one field of one line and drives no terminal.
//!
//! A name is whatever the target put into a string. What would end a field or a line, hide, or turn
//! text round is written as an escape: `;` is `\x3b`, `:` is `\x3a`, a backslash is two, line ends and
//! tabs are `\n`, `\r` and `\t`, other control characters, bidi controls, Unicode's line separators and what
//! is never seen are `\u{…}` with their number in hexadecimal. All else stays as it is. Different names give different
//! text, so an escaped name can be read back; and a separator in the text is always ours.

use std::fmt::{self, Display};

use crate::sample::Function;

/// A name, escaped when it is written.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((place, special)) = rest.char_indices().find(|(_, c)| is_special(*c)) {
            out.write_str(&rest[..place])?;
            match special {
                '\\' => out.write_str("\\\\")?,
                '\n' => out.write_str("\\n")?,
                '\r' => out.write_str("\\r")?,
                '\t' => out.write_str("\\t")?,
                ';' | ':' => write!(out, "\\x{:02x}", special as u32)?,
                _ => write!(out, "\\u{{{:x}}}", special as u32)?,
            }
            rest = &rest[place + special.len_utf8()..];
        }
        out.write_str(rest)
    }
}

/// Must this character not appear as it is?
pub fn is_special(c: char) -> bool {
    matches!(c, '\\' | ';' | ':') || is_unseen(c)
}

/// Would a terminal obey this character, or a reader not see it?
pub fn is_unseen(c: char) -> bool {
    // Unicode's default ignorable characters, separators of lines, and interlinear annotations.
    let misleads = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}');
    misleads || c.is_control()
}

/// A frame as all formats write it: `file:function:line`, or `file:function` without a line.
#[derive(Debug, Clone, Copy)]
pub struct FrameText<'a>(pub &'a Function, pub Option<u32>);

impl Display for FrameText<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", Escaped(&self.0.file), Escaped(&self.0.name))?;
        match self.1 {
            Some(line) => write!(out, ":{line}"),
            None => Ok(()),
        }
    }
}
