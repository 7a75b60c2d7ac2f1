//! Standing still ourselves, as a signal of job control asks. Were we stopped at any moment, a thread of the target that
//! we hold at that moment would stand with us until we go on: so such signals are only noted, and obeyed from here when
//! nothing is held. SIGSTOP cannot be noted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use signal_hook::consts::SIGCONT;

/// Does what the signal does by default, and returns when we have been continued: at once if it stops nobody, as in a
/// process group that has no shell to continue it. Says whether we stood still.
pub fn obey(signal: Signal) -> bool {
    let continued = Arc::new(AtomicBool::new(false));
    let noted = signal_hook::flag::register(SIGCONT, Arc::clone(&continued));
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    #[expect(unsafe_code, reason = "a handler is taken away and put back")]
    // SAFETY: no handler is made here; the one that is put back is the one that was there.
    unsafe {
        if let Ok(before) = sigaction(signal, &default) {
            let _ = raise(signal);
            let _ = sigaction(signal, &before);
        }
    }
    if let Ok(noted) = noted {
        signal_hook::low_level::unregister(noted);
    }
    continued.load(Ordering::SeqCst)
}
