//! What was covered, what was missing and why, and what was wrong: said at the end, on standard error, where libtest
//! does not hide it.

use std::fmt::{Display, Write as _};
use std::io::Write as _;

use crate::interpreters::{Interpreter, pythons};

/// One Python.
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    order: (u32, u32),
    cells: Vec<String>,
    note: String,
    wrong: Vec<String>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<Row>,
}

impl Row {
    pub(crate) fn of(python: &Interpreter) -> Self {
        Self {
            name: python.name.clone(),
            order: python.version,
            cells: Vec::new(),
            note: String::new(),
            wrong: Vec::new(),
        }
    }

    /// The next cells.
    pub(crate) fn figures<T: Display>(&mut self, figures: impl IntoIterator<Item = T>) {
        self.cells.extend(figures.into_iter().map(|figure| figure.to_string()));
    }

    /// Words instead of figures, or what went wrong.
    pub(crate) fn note(&mut self, note: Result<String, String>) {
        match note {
            Ok(note) => self.note = note,
            Err(wrong) => self.wrong("", &wrong),
        }
    }

    /// Something that must not be.
    pub(crate) fn wrong(&mut self, what: &str, wrong: &str) {
        /// What a terminal can bear of a truth of 60 threads.
        const LONGEST: usize = 3000;
        let wrong: String = wrong.chars().take(LONGEST).collect();
        self.wrong.push(format!("{}, {what}: {wrong}", self.name));
        self.note = "WRONG, see below".into();
    }
}

impl Table {
    pub(crate) fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|column| (*column).to_owned()).collect(), rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Prints it, and panics if anything was wrong; or if something was missing and `PYFLAME_TEST_REQUIRE_ALL` is 1.
    pub(crate) fn finish(mut self) {
        self.rows.sort_by(|one, other| (one.order, &one.name).cmp(&(other.order, &other.name)));
        let mut text = format!("\n{:24}", "Python");
        for column in &self.columns {
            let _ = write!(text, "{column:>12}");
        }
        text.push('\n');
        for row in &self.rows {
            let _ = write!(text, "{:24}", row.name);
            for cell in &row.cells {
                let _ = write!(text, "{cell:>12}");
            }
            let _ = writeln!(text, "{}{}", if row.note.is_empty() { "" } else { "  " }, row.note);
        }
        for missing in &pythons().missing {
            let _ = writeln!(text, "{:24}  MISSING: {}", missing.name, missing.why);
        }
        let wrong: Vec<_> = self.rows.iter().flat_map(|row| &row.wrong).cloned().collect();
        let _ = writeln!(
            text,
            "{} covered, {} missing, {} things wrong",
            self.rows.len(),
            pythons().missing.len(),
            wrong.len()
        );
        std::io::stderr().write_all(text.as_bytes()).unwrap();
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
        let all = std::env::var_os("PYFLAME_TEST_REQUIRE_ALL").is_some_and(|word| word == "1");
        assert!(!all || pythons().missing.is_empty(), "PYFLAME_TEST_REQUIRE_ALL=1, and some are missing");
    }
}
