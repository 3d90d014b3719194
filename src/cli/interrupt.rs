//! Ctrl-C: whatever the program is doing, it ends at once. Only what must not stay half done is finished before.

use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use super::{Exit, say};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static UNDISTURBED: Mutex<()> = Mutex::new(());

/// How long the last word may take: nobody may be reading it.
const LAST_WORD: Duration = Duration::from_millis(200);

/// From now on an interrupt ends the program with its own exit code, from whatever loop or blocked call it is in.
pub fn watch() {
    // Without a handler an interrupt ends the process, as everywhere.
    let _ = ctrlc::set_handler(|| {
        let (said, heard) = mpsc::channel();
        thread::spawn(move || {
            say::line("interrupted");
            let _ = said.send(());
        });
        let _ = heard.recv_timeout(LAST_WORD);
        INTERRUPTED.store(true, Ordering::Relaxed);
        let _guard = UNDISTURBED.lock().unwrap_or_else(PoisonError::into_inner);
        exit(Exit::Interrupted.code().into());
    });
}

/// Is set by an interrupt, for runs to stop at, and for whoever is [`undisturbed`].
pub fn flag() -> &'static AtomicBool {
    &INTERRUPTED
}

/// Does something that an interrupt waits for.
pub fn undisturbed<T>(work: impl FnOnce() -> T) -> T {
    let _guard = UNDISTURBED.lock().unwrap_or_else(PoisonError::into_inner);
    work()
}
