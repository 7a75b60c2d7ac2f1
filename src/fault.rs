//! Faults of ours. A panic is noted here and told once, when target and terminal have been given back: not in the middle
//! of a screen, and not by the thread that it befell. A debug build can be asked for one, so that tests see what it does.

use std::panic;
use std::sync::OnceLock;

/// The first panic, whose followers only confuse.
static FIRST: OnceLock<String> = OnceLock::new();

/// From here on panics are noted; with `RUST_BACKTRACE` they are also reported where they happen.
pub fn note_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|wish| wish != "0") {
            before(panic);
        }
        let thread = std::thread::current();
        // A panic's own words take two lines: where, and what.
        let words = panic.to_string().replace('\n', " ");
        let _ = FIRST.set(format!("{}: {words}", thread.name().unwrap_or("a thread")));
    }));
}

/// The first panic, if there was one: its thread, place and words.
pub fn noted() -> Option<&'static str> {
    FIRST.get().map(String::as_str)
}

/// A place at which a test can have us panic.
///
/// # Panics
///
/// When `PYFLAME_TUI_FAULT` is `place:n` and this is the nth time that the place is passed.
#[cfg(debug_assertions)]
pub fn point(place: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static WISH: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(1);
    let wish = WISH.get_or_init(|| {
        let wish = std::env::var("PYFLAME_TUI_FAULT").ok()?;
        let (place, times) = wish.split_once(':')?;
        Some((place.to_owned(), times.parse().ok()?))
    });
    if let Some((wanted, times)) = wish
        && wanted == place
    {
        let passed = PASSED.fetch_add(1, Ordering::Relaxed);
        assert!(passed != *times, "a test has asked for it");
    }
}

/// Nothing: a release build cannot be asked.
#[cfg(not(debug_assertions))]
pub const fn point(_: &str) {}
