//! Time and limits.
