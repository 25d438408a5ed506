//! A command id is carried out at most once.
