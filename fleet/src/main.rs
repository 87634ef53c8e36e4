//! The fleet as a program.
fn main() {}
