//! The audit: who asked for what, and how it went.
