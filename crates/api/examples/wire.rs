//! Prints the JSON Schema of the wire: `docs/wire.schema.json`, written by `cargo xtask gen`.
#![expect(clippy::print_stdout, reason = "this program prints a schema")]

fn main() -> Result<(), serde_json::Error> {
    println!("{}", serde_json::to_string_pretty(&supervisor_api::wire::wire_schema())?);
    Ok(())
}
