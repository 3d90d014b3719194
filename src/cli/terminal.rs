//! What the terminal can show.

use std::io::IsTerminal;

/// True if stdout may be coloured.
pub fn stdout_colour() -> bool {
    std::io::stdout().is_terminal() && colour_allowed()
}

/// True if stderr may be coloured.
pub fn stderr_colour() -> bool {
    std::io::stderr().is_terminal() && colour_allowed()
}

fn colour_allowed() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Columns of stdout; 80 if it is not a terminal.
pub fn width() -> usize {
    columns(std::io::stdout()).unwrap_or(80)
}

/// Columns of stderr; 80 if it is not a terminal.
pub fn stderr_width() -> usize {
    columns(std::io::stderr()).unwrap_or(80)
}

/// Columns of a terminal, whatever is known of its lines: new pseudo-terminals have none.
#[cfg(target_os = "linux")]
fn columns(stream: impl std::os::fd::AsFd) -> Option<usize> {
    rustix::termios::tcgetwinsize(stream).ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

#[cfg(all(unix, not(target_os = "linux")))]
fn columns(stream: impl std::os::fd::AsFd) -> Option<usize> {
    terminal_size::terminal_size_of(stream).map(|(width, _)| usize::from(width.0))
}

#[cfg(windows)]
fn columns(stream: impl std::os::windows::io::AsHandle) -> Option<usize> {
    terminal_size::terminal_size_of(stream).map(|(width, _)| usize::from(width.0))
}

/// True if the locale is UTF-8 (the first of LC_ALL, LC_CTYPE, LANG that is set decides).
pub fn unicode() -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let utf8 = locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    });
    utf8 && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
