//! Programs as people run them: Flask and Django under gunicorn, with threads and with gevent; FastAPI under uvicorn;
//! NumPy; greenlets on every Python that can have them. Their packages come from PyPI into a folder of the cache, so
//! only when asked:
//!
//! ```text
//! PYFLAME_TEST_LONG=1 cargo test --test frameworks -- --nocapture
//! ```

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../live/folded.rs"]
mod folded;
mod greenlets;
#[path = "../live/interpreters.rs"]
mod interpreters;
mod packages;
#[path = "../live/profiler.rs"]
mod profiler;
mod services;
#[path = "../live/subject.rs"]
mod subject;

use std::io::Write;

/// Is the long way wanted? If not, that is said.
fn is_wanted() -> bool {
    let is_wanted = std::env::var_os("PYFLAME_TEST_LONG").is_some_and(|word| word == "1");
    if !is_wanted {
        say(
            "not tried: frameworks need packages from PyPI; PYFLAME_TEST_LONG=1 cargo test --test frameworks",
        );
    }
    is_wanted
}

/// libtest keeps what is printed to itself, but not this.
fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}
