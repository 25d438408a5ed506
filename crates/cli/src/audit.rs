//! `supervisor audit show|verify DIR`: the files themselves, without a target.

use std::io;

use serde_json::{Value, json};
use supervisor_api::wire::plain;
use supervisor_ledger::{Error, Reader, Record, Verified, verify};

use crate::args::{AnswerForm, AuditArgs, AuditVerb, LedgerArgs};
use crate::exit::Exit;
use crate::print;
use crate::steer::Screen;

/// The longest text of a record that is shown on one line.
const SHOWN: usize = 2_000;

/// Shows or checks an audit.
pub(crate) fn audit(args: &AuditArgs) -> Exit {
    let done = match &args.verb {
        AuditVerb::Show(args) => show(args),
        AuditVerb::Verify(args) => check(args),
    };
    done.unwrap_or_else(|error| {
        print::err(&format!("supervisor: {error}\n"));
        let denied =
            matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied);
        if denied { Exit::NotPermitted } else { Exit::Failed }
    })
}

/// A bad line is told in its place, and what follows is shown all the same.
fn show(args: &LedgerArgs) -> Result<Exit, Error> {
    let screen = Screen::plain(args.output);
    let mut exit = Exit::Good;
    let mut reader = Reader::open(&args.dir)?;
    for record in &mut reader {
        match record {
            Ok(record) if screen.is_json() => screen.json(&json!({
                "type": "audit_record",
                "sequence": record.sequence,
                "recorded_at_unix_nanos": record.recorded_at_unix_nanos,
                "body": record.body::<Value>().unwrap_or_default(),
            })),
            Ok(record) => print::out(&line(&screen, &record)),
            Err(flaw) => {
                print::err(&format!("supervisor: {}\n", plain(&flaw.to_string(), SHOWN)));
                exit = Exit::Failed;
            }
        }
    }
    if let Some(torn) = reader.torn_tail() {
        print::err(&format!("supervisor: {torn}\n"));
    }
    Ok(exit)
}

/// Sequence, time, who, what, whom it was about, and how it went.
fn line(screen: &Screen, record: &Record) -> String {
    let body = record.body().unwrap_or(Value::Null);
    let text = told(&body).unwrap_or_else(|| record.body_text().to_owned());
    let time = screen.time(record.recorded_at_unix_nanos);
    format!("{:>6} {time} {}\n", record.sequence, plain(&text, SHOWN))
}

/// A record of the control plane in words; `None` for any other, which is shown as it stands. `--output json` has all
/// of it.
fn told(body: &Value) -> Option<String> {
    let text = |at: &str| body.pointer(at).and_then(Value::as_str);
    let mut out = format!("{} {}", text("/actor/proved")?, text("/action")?);
    let claimed = text("/actor/claimed").map(|claimed| format!(" for {claimed}"));
    let parts = [
        text("/target").map(|target| format!(" {target}")),
        claimed,
        text("/reason").map(|reason| format!(" ({reason})")),
        text("/decision").map(|decision| format!(": {decision}")),
        text("/entry").map(|entry| format!(", {entry}")),
        text("/outcome/result").map(|result| format!(" {result}")),
        text("/outcome/error/code").map(|code| format!(": {code}")),
        text("/outcome/error/message").map(|message| format!(": {message}")),
    ];
    out.extend(parts.into_iter().flatten());
    Some(out)
}

fn check(args: &LedgerArgs) -> Result<Exit, Error> {
    let verified = match verify(&args.dir) {
        Err(error @ Error::Damaged(_)) if args.output == AnswerForm::Json => {
            Screen::plain(args.output).json(&json!({
                "type": "audit_verified", "ok": false, "problem": error.to_string(),
            }));
            return Err(error);
        }
        other => other?,
    };
    let screen = Screen::plain(args.output);
    if screen.is_json() {
        let Verified { segments, records, end, torn, .. } = &verified;
        screen.json(&json!({
            "type": "audit_verified", "ok": true, "segments": segments, "records": records,
            "end": {"sequence": end.sequence, "hash": end.hash.to_string()},
            "torn": torn.as_ref().map(ToString::to_string),
        }));
    } else {
        print::out(&format!("{verified}\n"));
    }
    Ok(Exit::Good)
}
