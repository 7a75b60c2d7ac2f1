//! Which CPython: its version and what sort of build. Asked once, when the layout is chosen; after
//! that nobody needs to know.

use std::fmt;

/// A CPython version, ordered as released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// 2 or 3.
    pub major: u8,
    /// The number after the first dot.
    pub minor: u8,
    /// The number after the second dot; 0 where only the ABI is known.
    pub micro: u8,
    /// `0xA0` and up for an alpha, `0xB0` a beta, `0xC0` a candidate, `0xF0` a final release: the low byte of
    /// `PY_VERSION_HEX`.
    pub release: u8,
}

/// How a CPython was configured, as far as it moves what we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Build {
    /// As released.
    #[default]
    Ordinary,
    /// Every heap object has two pointers more in front (`Py_TRACE_REFS`; implied by `Py_DEBUG` up to 3.7).
    TraceRefs,
    /// `--disable-gil`, 3.13 and later.
    FreeThreaded,
}

impl Build {
    /// As people are told which Python it is.
    pub fn name(self, version: Version) -> String {
        match self {
            Self::Ordinary => version.to_string(),
            Self::TraceRefs => format!("{version} debug"),
            Self::FreeThreaded => format!("{version} free-threaded"),
        }
    }
}

/// The versions that `--abi` takes, in the words that the original used.
pub const ABIS: [&str; 14] =
    ["27", "33", "34", "35", "36", "37", "38", "39", "310", "311", "312", "313", "314", "315"];

const FIRST_CANDIDATE: u8 = 0xC0;
const FINAL: u8 = 0xF0;

impl Version {
    /// A final release.
    pub const fn new(major: u8, minor: u8, micro: u8) -> Self {
        Self { major, minor, micro, release: FINAL }
    }

    /// From `PY_VERSION_HEX`, which the target holds in `Py_Version` (3.11) and in its debug offsets (3.13).
    pub const fn from_hex(hex: u32) -> Self {
        let [major, minor, micro, release] = hex.to_be_bytes();
        Self { major, minor, micro, release }
    }

    /// What `--abi` was given: `27`, `2.7`, `311`, `3.11`; the original's `26` stands for 2.7's layout.
    pub fn from_abi(word: &str) -> Option<Self> {
        let (major, minor) = word.split_at_checked(1)?;
        let minor = minor.strip_prefix('.').unwrap_or(minor);
        let abi = match format!("{major}{minor}") {
            original if original == "26" => "27".to_owned(),
            abi => abi,
        };
        if !ABIS.contains(&abi.as_str()) {
            return None;
        }
        let (major, minor) = abi.split_at_checked(1)?;
        // 3.7.4 moved what 3.7.3 had; all but four patch releases are like it.
        let micro = if abi == "37" { 4 } else { 0 };
        Some(Self::new(major.parse().ok()?, minor.parse().ok()?, micro))
    }

    /// From the text that begins `Py_GetVersion()`'s answer: `3.12.1+ (main, …`.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next()?.parse().ok()?;
        let rest = parts.next()?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let micro = rest.get(..digits)?.parse().ok()?;
        let tag = rest.get(digits..)?;
        let serial = |from: usize| tag.get(from..).map_or(0, leading_number);
        let release = match tag.as_bytes() {
            [b'a', ..] => 0xA0 | serial(1),
            [b'b', ..] => 0xB0 | serial(1),
            [b'r', b'c', ..] => 0xC0 | serial(2),
            _ => FINAL,
        };
        Some(Self { major, minor, micro, release })
    }

    /// Major and minor, for choosing.
    pub const fn minor(self) -> (u8, u8) {
        (self.major, self.minor)
    }

    /// Neither alpha nor beta: structures still moved in those (3.15's fourth beta put a field into the
    /// thread state), and are frozen from the first candidate on.
    pub const fn is_settled(self) -> bool {
        self.release >= FIRST_CANDIDATE
    }
}

fn leading_number(text: &str) -> u8 {
    text.bytes()
        .take_while(u8::is_ascii_digit)
        .fold(0_u8, |number, digit| number.saturating_mul(10).saturating_add(digit - b'0'))
        .min(15)
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)?;
        let serial = self.release & 0x0F;
        match self.release >> 4 {
            0xA => write!(f, "a{serial}"),
            0xB => write!(f, "b{serial}"),
            0xC => write!(f, "rc{serial}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abi_words_of_the_original_and_dotted_ones() {
        assert_eq!(Version::from_abi("27"), Some(Version::new(2, 7, 0)));
        assert_eq!(Version::from_abi("26"), Some(Version::new(2, 7, 0)));
        assert_eq!(Version::from_abi("3.6"), Some(Version::new(3, 6, 0)));
        assert_eq!(Version::from_abi("3.15"), Some(Version::new(3, 15, 0)));
        assert_eq!(Version::from_abi("37"), Some(Version::new(3, 7, 4)));
        for wrong in
            ["0", "", "3", "316", "3.1", "2.5", "x", "3..6", "-27", "31.1", "27.", ".27", "2.7 ", "é7"]
        {
            assert_eq!(Version::from_abi(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hex_and_text_agree() {
        for (hex, text) in [
            (0x0207_12F0, "2.7.18"),
            (0x030C_01F0, "3.12.1"),
            (0x030F_00A3, "3.15.0a3"),
            (0x030E_00C2, "3.14.0rc2"),
        ] {
            assert_eq!(Version::from_hex(hex).to_string(), text);
            assert_eq!(Version::from_text(text), Some(Version::from_hex(hex)));
        }
        assert_eq!(Version::from_text("3.10.0+"), Some(Version::new(3, 10, 0)));
        assert_eq!(Version::from_text("3.x.0"), None);
        assert_eq!(Version::from_text("3.999.0"), None);
    }
}
