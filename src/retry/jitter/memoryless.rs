//! Exponentially distributed delays: the retrial queue of Falin and Templeton ("Retrial Queues", 1997), whose theory is exact.

/// Exponential with mean `w`.
pub fn delay(w: f64, uniform: f64) -> f64 {
    -w * libm::log1p(-uniform)
}
