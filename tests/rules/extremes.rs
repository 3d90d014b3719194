//! Runs that would never end.
