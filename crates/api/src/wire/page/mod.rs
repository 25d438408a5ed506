//! The page of the protocol of the control socket, made of the schema and of the tables beside it.
//!
//! What people write about a field stands at the field. Here is only what belongs to no field: how lines travel, what
//! holds for all of them, and the limits.

#[cfg(test)]
mod tests;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use schemars::generate::SchemaSettings;

use super::command::{Command, TargetNeed};
use super::error::{ErrorCode, Stage};
use super::method::Method;
use super::push::Push;
use super::register::{Registration, RegistrationAck};
use super::request::Request;
use super::response::Response;
use types::{Field, Kind, Shape, Type};

/// The page `docs/protocol.md`: every method, every type with every field, every code, every limit.
pub fn protocol_page() -> String {
    let mut page = Page::new();
    page.text(INTRODUCTION);
    page.methods();
    page.commands();
    page.section("Params", PARAMS, &params());
    page.section("Answers", ANSWERS, &["Response", "ResultBody"]);
    page.section("Pushes", PUSHES, &["Push"]);
    page.errors();
    page.limits();
    page.section("Registration", REGISTRATION, &["Registration", "RegistrationAck"]);
    page.rest();
    page.out
}

const INTRODUCTION: &str = "\
# The protocol of the control socket

This page is generated from the types in `crates/api/src/wire/` by `cargo xtask gen`. Do not edit it.

A running tree listens on a Unix stream socket and speaks `dashboard-ipc.v1`. [operating.md](operating.md) is about the
tool that uses it, [command-line.md](command-line.md#run) has a client in a few lines of Python, [wire.schema.json](wire.schema.json)
is the same as this page for programs.

## Lines

Each line is one JSON object in UTF-8 that ends with a newline. A client writes requests, the target writes one answer
to each, in the order of the requests. A connection may ask once or many times. After a subscription the target also
writes pushes, between the answers. An answer has `request_id`, a push has `type`.

```json
{\"request_id\":\"1\",\"method\":\"hello\",\"params\":{}}
```

| key of a request | type | what it means | absent | empty |
|---|---|---|---|---|
| `request_id` | text | The caller's id of the request, 1 to 128 printable bytes; the answer repeats it. | Refused; the answer has `invalid-request` in its place. | Refused, like that. |
| `method` | text | What is asked. | Refused. | Refused with `unsupported_method`. |
| `params` | object | What belongs to the method. | The same as null: for `hello`, `state` an empty object, otherwise refused. | See the method. |

These hold everywhere:

- A key that a reader does not know is passed by. A registration alone has exactly its keys.
- A key that stands on a line twice makes the line be refused.
- A key that may be absent may be null too, and means the same. Writers leave it out.
- A word that a reader does not know stays as text: a later version may have more of them.
- A time is an integer of Unix nanoseconds. A decimal string is read as well. 0 is a clock that stands before 1970.
- A path is `/`, or `/a/b` with at most 16 segments of `[A-Za-z0-9_][A-Za-z0-9._-]*` with 1 to 64 characters. It is never empty.
- A sequence counts events, or lines of logs, of one target from 1 without holes. It begins anew when the target does.

";

const PARAMS: &str = "\
Without a key that is \"always there\" a request is refused with `invalid_command_params`. The command in the params must be
that of the method.";

const ANSWERS: &str = "\
One to each request. A command that is refused has an answer with `ok: true`, in which `result.status` is `rejected` and
`result.error` says why; the table of errors says which codes make `ok` false.";

const PUSHES: &str = "\
Lines without `request_id`, after a subscription. `events.subscribe` brings `event`, `state_delta` and `gap`; `logs.tail`
brings `log` and `gap`. A reader that wants a view of the tree subscribes, reads the state, and then applies each event
whose `sequence` is greater than the `as_of` of its row. A client that reads too slowly is told what it lost by a gap and
gets the state afresh as a delta with topology; one that does not read at all is cut off. Events come at once. A delta
gathers what changed since the last one, at least 50 milliseconds before; one that is gathered when the connection ends is
pushed before the end. A delta with `connection_state` comes when the target stands in another way with its relay.";

const REGISTRATION: &str = "\
A target that has a relay connects to the relay's registration socket, writes one line, a `Registration`, waits for the
`RegistrationAck` and closes. It does so again on a new connection every 15 seconds, before the lease ends. It listens
before it registers. A relay that is absent or silent changes nothing in the tree: the target tries again with back-off, and
its health says that it is not registered.";

/// What, how much, and what happens beyond. A test of `supervisor-control` compares it with what is in force there.
const LIMITS: &[[&str; 3]] = &[
    ["length of a line from a client", "64 KiB", "`frame_too_large`, and the connection is closed"],
    [
        "length of a request `command.add_child`, `command.apply`, `plan` or `what_if`",
        "1 MiB, by configuration up to 8 MiB",
        "`frame_too_large`, and the connection is closed",
    ],
    ["levels of arrays and objects in a line", "64", "`invalid_json`"],
    [
        "`request_id`, `command_id`",
        "1 to 128 printable bytes of ASCII",
        "`invalid_json`, `invalid_command_params`",
    ],
    [
        "time from the first byte of a line to its newline",
        "10 seconds",
        "`incomplete_frame`, and the connection is closed",
    ],
    ["silence of a client that has not subscribed", "5 minutes", "the connection is closed"],
    ["time to take 64 KiB of answers and pushes", "10 seconds", "the connection is closed"],
    [
        "connections",
        "256 in all, 128 of one user; 16 of them are for admins",
        "`rate_limit_exceeded`, and the connection is closed",
    ],
    ["requests at once on one connection", "1; more wait in the socket", ""],
    ["commands of one user", "50 in a second, 200 at once", "`rate_limit_exceeded` with `retry_after_ms`"],
    ["connections of a user that may not connect", "5 in a minute are told why", "closed without an answer"],
    [
        "time until a command is answered",
        "30 seconds",
        "`accepted`: it goes on, and event `CommandCompleted` tells the outcome",
    ],
    ["how long a command id is kept", "24 hours, at most 10000 ids", "it can be used again"],
    ["newest events and lines of logs in a state", "128 of each", "the older are left out"],
    ["message of an error", "512 characters", "it is cut"],
];

/// The types of the params, in the order of the methods.
fn params() -> Vec<&'static str> {
    let mut seen = BTreeSet::new();
    Method::TABLE
        .iter()
        .map(|spec| spec.params)
        .filter(|name| !name.is_empty() && seen.insert(*name))
        .collect()
}

/// Every type of the protocol. A type that a client writes is as a target reads it.
fn every_type() -> BTreeMap<String, Type> {
    let settings = SchemaSettings::draft2020_12;
    let mut all = BTreeMap::new();
    let written = [
        settings().for_serialize().into_generator().into_root_schema_for::<Response>(),
        settings().for_serialize().into_generator().into_root_schema_for::<Push>(),
        settings().for_serialize().into_generator().into_root_schema_for::<Registration>(),
        settings().for_serialize().into_generator().into_root_schema_for::<RegistrationAck>(),
        settings().for_deserialize().into_generator().into_root_schema_for::<Request>(),
    ];
    for schema in written {
        let mut schema = schema.to_value();
        // The root is a type too, and the only one that does not stand among the others.
        let name = schema["title"].as_str().unwrap_or_default().to_owned();
        let root = schema.clone();
        schema["$defs"][&name] = root;
        for (name, of) in types::types(&schema) {
            all.entry(name).or_insert(of);
        }
    }
    all.remove("Request");
    all
}

struct Page {
    out: String,
    types: BTreeMap<String, Type>,
    told: BTreeSet<String>,
}

impl Page {
    fn new() -> Self {
        // Codes and stages have a table of their own, the kinds of events a page.
        let told = ["ErrorCode", "Stage", "EventKind"].map(str::to_owned).into();
        Self { out: String::new(), types: every_type(), told }
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn row<const N: usize>(&mut self, cells: [&str; N]) {
        for cell in cells {
            self.out.push('|');
            if !cell.is_empty() {
                let _ = write!(self.out, " {}", cell.replace('|', "\\|"));
            }
            self.out.push(' ');
        }
        self.text("|\n");
    }

    fn head<const N: usize>(&mut self, cells: [&str; N]) {
        self.row(cells);
        self.out.push_str(&"|---".repeat(N));
        self.out.push_str("|\n");
    }

    fn methods(&mut self) {
        self.text("## Methods\n\n");
        self.text(
            "A method marked with \\* is beyond the contract: a target has it if `capabilities` in its answer to `hello` says so. \
             One that it does not have is refused with `unsupported_method`.\n\n",
        );
        self.head(["method", "params", "`type` of the result", "what it is for"]);
        for spec in Method::TABLE {
            let mark = if spec.contract { "" } else { " \\*" };
            let params =
                if spec.params.is_empty() { "not looked at".to_owned() } else { self.name(spec.params) };
            let (name, result) = (format!("`{}`{mark}", spec.name), format!("`{}`", spec.result));
            self.row([&name, &params, &result, spec.meaning]);
        }
        self.text("\n");
    }

    fn commands(&mut self) {
        self.text("## Commands\n\n");
        self.text(
            "The method is `command.` and the command's word. Confirmation is `confirmed: true`. A child's `command_permissions` \
             and the caller's role are looked at besides. A command sent again with the same `command_id` and the same body \
             gets the stored outcome; with another body it is refused with `command_id_conflict`.\n\n",
        );
        self.head(["command", "whom it is about", "confirmation", "keys of its own", "what it does"]);
        for command in Command::ALL {
            let whom = match command.needs() {
                TargetNeed::Child => "a child: `target.child_path`",
                TargetNeed::SupervisorAndManifest => "a supervisor: `target.child_path`, absent for the root",
                TargetNeed::Tree => "the tree: no `target`",
            };
            let confirmation = if command.needs_confirmation() { "needed" } else { "" };
            let own = match command {
                Command::AddChild => "`target.child_manifest`",
                Command::Apply => "`stack`, `rollback`",
                Command::SignalChild => "`signal`",
                _ => "",
            };
            let does = Method::Command(*command).spec().map_or("", |spec| spec.meaning);
            self.row([&format!("`{command}`"), whom, confirmation, own, does]);
        }
        self.text("\n");
    }

    fn errors(&mut self) {
        self.text("## Errors\n\n");
        self.text(
            "An error is a [WireError](#wireerror). At the stages marked with \\* the answer has `ok: false`. At the others an \
             error of a command stands inside its result, and the answer has `ok: true`. Retryable means that the same \
             request may go through later without anything else being changed.\n\n",
        );
        self.head(["stage", "code", "retryable", "what it means"]);
        let reach = |stage: &&Stage| **stage != Stage::Session;
        for stage in Stage::ALL.iter().filter(reach) {
            let mark = if stage.refuses_the_request() { " \\*" } else { "" };
            for code in ErrorCode::ALL.iter().filter(|code| code.stages().contains(stage)) {
                let retryable = if code.is_retryable() { "yes" } else { "no" };
                self.row([&format!("`{stage}`{mark}"), &format!("`{code}`"), retryable, code.meaning()]);
            }
        }
        self.text("\nThe stages:\n\n");
        self.head(["stage", "what was done"]);
        let stages = words_of(&self.types, "Stage");
        for (word, meaning) in stages.iter().filter(|(word, _)| word != Stage::Session.as_str()) {
            self.row([&format!("`{word}`"), meaning]);
        }
        self.text("\n");
    }

    fn limits(&mut self) {
        self.text("## Limits\n\n");
        self.text("Those of a target are the defaults. Times are the target's.\n\n");
        self.head(["what", "limit", "beyond it"]);
        for row in LIMITS {
            self.row(*row);
        }
        self.text("\n");
    }

    fn section(&mut self, title: &str, introduction: &str, names: &[&str]) {
        let _ = write!(self.out, "## {title}\n\n{introduction}\n\n");
        for name in names {
            self.tell(name);
        }
    }

    /// Every type that was not told yet, in alphabetical order.
    fn rest(&mut self) {
        self.text("## Other types\n\n");
        let names: Vec<_> = self.types.keys().filter(|name| !self.told.contains(*name)).cloned().collect();
        for name in names {
            self.tell(&name);
        }
        let end = self.out.trim_end().len();
        self.out.truncate(end + 1);
    }

    fn tell(&mut self, name: &str) {
        let Some(of) = self.types.remove(name) else { return };
        self.told.insert(name.to_owned());
        let _ = write!(self.out, "### {name}\n\n{}\n\n", of.meaning);
        match &of.shape {
            Shape::Fields(fields) => self.fields(fields),
            Shape::Tagged { tag, variants } => {
                for variant in variants {
                    let _ =
                        write!(self.out, "`{tag}` is `{}`: {}\n\n", variant.word, lower(&variant.meaning));
                    if !variant.fields.is_empty() {
                        self.fields(&variant.fields);
                    }
                }
            }
            Shape::Words(words) => {
                self.head(["word", "what it means"]);
                for (word, meaning) in words {
                    self.row([&format!("`{word}`"), meaning]);
                }
                self.text("\n");
            }
            Shape::Plain => {}
        }
        self.types.insert(of.name.clone(), of);
    }

    fn fields(&mut self, fields: &[Field]) {
        self.head(["key", "type", "what it means", "absent or null", "zero or empty"]);
        for field in fields {
            let kind = self.kind(&field.kind, false);
            let absence = match (field.may_be_absent, field.may_be_null, field.absence.as_str()) {
                (false, false, "") => "Always there.",
                (_, _, said) => said,
            };
            self.row([&format!("`{}`", field.key), &kind, &field.meaning, absence, &field.nothing]);
        }
        self.text("\n");
    }

    fn kind(&self, kind: &Kind, plural: bool) -> String {
        let word = |one: &str, many: &str| if plural { many } else { one }.to_owned();
        match kind {
            Kind::Text => word("text", "texts"),
            Kind::Number => word("integer", "integers"),
            Kind::Bool => "`true` or `false`".to_owned(),
            Kind::List(of) => format!("{} of {}", word("list", "lists"), self.kind(of, true)),
            Kind::Object(Some(of)) => format!("object of {}", self.kind(of, true)),
            Kind::Object(None) => word("object", "objects"),
            Kind::Named(name) => self.name(name),
            Kind::Any => "any JSON".to_owned(),
        }
    }

    /// A name with the way to where it is told.
    fn name(&self, name: &str) -> String {
        match name {
            "EventKind" => format!("[{name}](events.md)"),
            "ErrorCode" | "Stage" => format!("[{name}](#errors)"),
            _ => format!("[{name}](#{})", name.to_lowercase()),
        }
    }
}

fn words_of(types: &BTreeMap<String, Type>, name: &str) -> Vec<(String, String)> {
    match types.get(name).map(|of| &of.shape) {
        Some(Shape::Words(words)) => words.clone(),
        _ => Vec::new(),
    }
}

fn lower(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
