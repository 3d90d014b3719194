//! Full jitter ("Exponential Backoff and Jitter", AWS Architecture Blog, 2015): anything up to the window.

/// `U(0, w)`.
pub fn delay(w: f64, uniform: f64) -> f64 {
    w * uniform
}
