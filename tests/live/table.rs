//! What was covered, what was missing and why, and what was wrong: said at the end, on standard error, where libtest
//! does not hide it.

#![allow(dead_code, reason = "each test program that has this file uses a part of it")]

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
        Self::named(python, python.name.clone())
    }

    /// A Python has several rows.
    pub(crate) fn named(python: &Interpreter, name: String) -> Self {
        Self { name, order: python.version, cells: Vec::new(), note: String::new(), wrong: Vec::new() }
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

    /// As it stands in the table.
    pub(crate) fn line(&self) -> String {
        let cells = in_columns(&self.cells);
        let space = if self.note.is_empty() { "" } else { "  " };
        format!("{:24}{cells}{space}{}\n", self.name, self.note)
    }
}

impl Table {
    pub(crate) fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|column| (*column).to_owned()).collect(), rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// The names of the columns.
    pub(crate) fn head(&self) -> String {
        let columns = in_columns(&self.columns);
        format!("\n{:24}{columns}\n", "Python")
    }

    /// Prints it, and panics if anything was wrong; or if something was missing and `PYFLAME_TEST_REQUIRE_ALL` is 1.
    pub(crate) fn finish(self) {
        let wrong = self.print();
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
        require_all();
    }

    /// Prints it, and returns what was wrong.
    pub(crate) fn print(mut self) -> Vec<String> {
        self.rows.sort_by(|one, other| (one.order, &one.name).cmp(&(other.order, &other.name)));
        let mut text = self.head();
        for row in &self.rows {
            text.push_str(&row.line());
        }
        for missing in &pythons().missing {
            let _ = writeln!(text, "{:24}  MISSING: {}", missing.name, missing.why);
        }
        let wrong: Vec<_> = self.rows.iter().flat_map(|row| &row.wrong).cloned().collect();
        let (covered, missing) = (self.rows.len(), pythons().missing.len());
        let _ = writeln!(text, "{covered} rows, {missing} missing, {} things wrong", wrong.len());
        std::io::stderr().write_all(text.as_bytes()).unwrap();
        wrong
    }
}

fn in_columns(words: &[String]) -> String {
    words.iter().fold(String::new(), |mut text, word| {
        let _ = write!(text, "{word:>12}");
        text
    })
}

/// With `PYFLAME_TEST_REQUIRE_ALL=1` a Python that is not here is a failure.
pub(crate) fn require_all() {
    let all = std::env::var_os("PYFLAME_TEST_REQUIRE_ALL").is_some_and(|word| word == "1");
    assert!(!all || pythons().missing.is_empty(), "PYFLAME_TEST_REQUIRE_ALL=1, and some are missing");
}
