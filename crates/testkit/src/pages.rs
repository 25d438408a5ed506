//! The page for users, whose snippets are compiled and run as documentation tests.

#[doc = include_str!("../../../docs/testing.md")]
struct Testing;
