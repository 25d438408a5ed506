//! Log files of process-compose.

use supervisor_yaml::Node;

use super::super::amount::number;
use super::super::sheet::{Keys, Value};
use super::super::text::Text;
use super::super::{Carried, Refusal};
use super::expand::Names;
use super::left::UNKNOWN;
use super::process::{NUMBER, Process};
use super::{flag, text};

impl Process<'_> {
    /// A log file. In its name braces are enough for the number of a replica; without it the number comes last.
    pub(super) fn log_file(&mut self, node: &Node) -> Result<Text, Refusal> {
        let braces = format!("{{{NUMBER}}}");
        let own = self.number.unwrap_or(0).to_string();
        let said = text(node)?;
        let named = said.contains(NUMBER);
        let names = Names { own: Default::default(), ..self.names.clone() };
        let said = said.replace(&format!("{{{braces}}}"), &own).replace(&braces, &own);
        let mut file = names.fill(self.sheet, &said)?;
        if self.number.is_some() && !named {
            file.say(&format!(".{own}"));
        }
        Ok(file)
    }

    pub(super) fn log(&mut self, key: &str, node: &Node) -> Carried {
        match key {
            // Its keys are taken one by one.
            "rotation" => {}
            "add_timestamp" => self.child.keys.set_in("log", "timestamps", Value::plain(flag(node)?)),
            "fields_order" | "disable_json" | "timestamp_format" | "no_color" | "no_metadata"
            | "flush_each_line" => {
                return Err("a log file has what was printed, line by line".to_owned());
            }
            _ => return Err(UNKNOWN.to_owned()),
        }
        Ok(())
    }

    pub(super) fn rotation(&mut self, key: &str, node: &Node) -> Carried {
        let said = match key {
            "max_size_mb" => ("max_size_mb", Value::plain(number::<u32>(text(node)?)?)),
            "max_backups" => ("keep", Value::plain(number::<u32>(text(node)?)?)),
            "compress" => ("compress", Value::plain(flag(node)?)),
            "directory" => ("dir", Value::Text(self.text(node)?)),
            "filename" => ("file", Value::Text(self.text(node)?)),
            "max_age_days" => {
                return Err("`max_age_days` removes old files there; `max_age_hours` here begins a new one"
                    .to_owned());
            }
            _ => return Err(UNKNOWN.to_owned()),
        };
        self.child.keys.set_in("log", said.0, said.1);
        Ok(())
    }
}

/// A folder and a file are one path here.
pub(super) fn join_log(keys: &mut Keys) {
    let (Some(Value::Text(folder)), Some(Value::Text(file))) =
        (keys.get_in("log", "dir").cloned(), keys.get_in("log", "file").cloned())
    else {
        return;
    };
    let mut path = folder;
    path.say("/");
    // A name of a variable after a `/` can always be written.
    if path.add(&file).is_err() {
        return;
    }
    if let Some(Value::Map(log)) = keys.get_mut("log") {
        log.retain(|(key, _)| *key != "dir");
    }
    keys.set_in("log", "file", Value::Text(path));
}
