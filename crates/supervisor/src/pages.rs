//! The pages for users, whose snippets are compiled and run as documentation tests.

#[doc = include_str!("../../../README.md")]
struct Readme;

#[doc = include_str!("../../../docs/library.md")]
struct Library;

#[doc = include_str!("../../../docs/contract.md")]
struct Contract;
