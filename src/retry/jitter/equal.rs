//! Equal jitter ("Exponential Backoff and Jitter", AWS Architecture Blog, 2015): half the window is kept.

/// `w/2 + U(0, w/2)`.
pub fn delay(w: f64, uniform: f64) -> f64 {
    w / 2.0 + w / 2.0 * uniform
}
