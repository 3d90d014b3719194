//! Ctrl-C: finish nothing more, leave nothing half written.

use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on an interrupt sets the flag that runs look at, instead of ending the process.
pub fn watch() -> &'static AtomicBool {
    // Without a handler an interrupt ends the process, as everywhere.
    let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed));
    &INTERRUPTED
}
