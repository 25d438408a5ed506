//! Prints the page of the protocol: `docs/protocol.md`, written by `cargo xtask gen`.
#![expect(clippy::print_stdout, reason = "this program prints a page")]

fn main() {
    print!("{}", supervisor_api::wire::protocol_page());
}
