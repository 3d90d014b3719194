//! What is counted, where and until when.
