//! Is this program a Python, and which? From the names of its files alone: good enough for a list of processes to choose
//! from, nothing more. What is chosen is then located in earnest.

use std::path::Path;

/// What the names say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A CPython; major and minor version where a name tells them.
    CPython(Option<(u8, u8)>),
    /// A PyPy, which cannot be read.
    PyPy,
}

/// What the files of a program make of it: its executable, and what it has mapped.
pub fn by_names<'a>(files: impl IntoIterator<Item = &'a Path>) -> Option<Kind> {
    let mut found = None;
    for path in files {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        match by_name(name) {
            Some(Kind::PyPy) => return Some(Kind::PyPy),
            Some(kind @ Kind::CPython(Some(_))) if !matches!(found, Some(Kind::CPython(Some(_)))) => {
                found = Some(kind);
            }
            Some(kind) => found = found.or(Some(kind)),
            None => {}
        }
    }
    found
}

fn by_name(name: &str) -> Option<Kind> {
    if name.starts_with("libpypy") || name.starts_with("pypy") {
        return Some(Kind::PyPy);
    }
    // An extension module: `_socket.cpython-311-x86_64-linux-gnu.so`. Who has one has a Python, however it is linked.
    if let Some((_, rest)) = name.split_once(".cpython-") {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        return Some(Kind::CPython(version(digits.get(..1), digits.get(1..))));
    }
    if name.contains(".so") && !name.starts_with("libpython") {
        return None;
    }
    let rest = name.strip_prefix("lib").unwrap_or(name).strip_prefix("python")?;
    // `python-config` and the like are scripts, and not mapped; `pythonista` is none.
    let rest = rest.split_once(['-', ' ']).map_or(rest, |(rest, _)| rest);
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
    let version = version(numbers.next(), numbers.next());
    let is_number = rest.starts_with(|c: char| c.is_ascii_digit()) || rest.is_empty();
    (is_number || rest.starts_with(".so")).then_some(Kind::CPython(version))
}

fn version(major: Option<&str>, minor: Option<&str>) -> Option<(u8, u8)> {
    Some((major?.parse().ok()?, minor?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(files: &[&str]) -> Option<Kind> {
        by_names(files.iter().map(Path::new))
    }

    #[test]
    fn names_of_pythons() {
        for (files, version) in [
            (&["/usr/bin/python3.11"][..], Some((3, 11))),
            (&["/usr/bin/python3"], None),
            (&["/usr/bin/python"], None),
            (&["/opt/bin/python2.7 (deleted)"], Some((2, 7))),
            (&["/usr/bin/python3", "/usr/lib/libpython3.9.so.1.0"], Some((3, 9))),
            (&["/usr/bin/uwsgi-core", "/usr/lib/libpython3.11.so.1.0"], Some((3, 11))),
            (&["/opt/bin/python3.13t"], Some((3, 13))),
            (&["/srv/bundle", "/srv/_json.cpython-310-x86_64-linux-gnu.so"], Some((3, 10))),
            (&["/usr/bin/python3", "/x/_json.cpython-38-x86_64-linux-gnu.so"], Some((3, 8))),
        ] {
            assert_eq!(kind(files), Some(Kind::CPython(version)), "{files:?}");
        }
        assert_eq!(kind(&["/usr/bin/pypy3", "/usr/lib/libpypy3.9-c.so"]), Some(Kind::PyPy));
    }

    #[test]
    fn names_of_others() {
        for file in
            ["/bin/sh", "/usr/lib/libc.so.6", "/usr/bin/pythonista", "/usr/lib/python3.11/x.so", "/", ""]
        {
            assert_eq!(kind(&[file]), None, "{file}");
        }
    }
}
