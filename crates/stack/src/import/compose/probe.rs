//! Probes of process-compose.

use supervisor_yaml::Node;

use super::super::amount::number;
use super::super::sheet::Value;
use super::super::text::Text;
use super::super::{Carried, Refusal};
use super::left::UNKNOWN;
use super::{Process, entries, seconds, text};

/// How often it asks, and what a good answer is, when it is not told.
const PERIOD: f64 = 10.0;
const STATUS: u16 = 200;

impl Process<'_> {
    /// A key of `liveness_probe`.
    pub(super) fn liveness(&mut self, key: &str, node: &Node) -> Carried {
        if self.child.keys.get_in("health_check", "check_interval_secs").is_none() {
            self.child.keys.set_in("health_check", "check_interval_secs", Value::plain(PERIOD));
        }
        let said = match key {
            "initial_delay_seconds" => ("start_period_secs", Value::plain(seconds(node)?)),
            "period_seconds" => ("check_interval_secs", Value::plain(seconds(node)?)),
            "timeout_seconds" => ("timeout_secs", Value::plain(seconds(node)?)),
            "failure_threshold" => ("max_retries", Value::plain(number::<u32>(text(node)?)?)),
            "success_threshold" if text(node)? == "1" => return Ok(()),
            "success_threshold" => return Err("one good answer is enough".to_owned()),
            _ => self.probe(key, node)?,
        };
        self.child.keys.set_in("health_check", said.0, said.1);
        Ok(())
    }

    /// A key of `readiness_probe`.
    pub(super) fn readiness(&mut self, key: &str, node: &Node) -> Carried {
        let said = match key {
            "period_seconds" => ("check_interval_secs", Value::plain(seconds(node)?)),
            "timeout_seconds" => ("timeout_secs", Value::plain(seconds(node)?)),
            "success_threshold" if text(node)? == "1" => return Ok(()),
            "success_threshold" => ("success_threshold", Value::plain(number::<u32>(text(node)?)?)),
            "initial_delay_seconds" => {
                return Err("it is tried from the start on, and no failure counts".to_owned());
            }
            "failure_threshold" => {
                return Err(
                    "a program that is not ready within `ready_within_secs` is started again".to_owned()
                );
            }
            _ => self.probe(key, node)?,
        };
        self.child.keys.set_in("readiness", said.0, said.1);
        Ok(())
    }

    /// What is tried.
    fn probe(&mut self, key: &str, node: &Node) -> Result<(&'static str, Value), Refusal> {
        match key {
            "exec" => {
                let known = ["command", "working_dir"];
                if let Some(entry) = entries(node).iter().find(|entry| !known.contains(&entry.key.as_str())) {
                    return Err(format!("`{}` of it is no key that is known", entry.key));
                }
                let part = |name: &str| node.get(name).and_then(|entry| entry.node.text());
                let line = part("command").ok_or("it has no `command`")?;
                let Some(folder) = part("working_dir") else { return Ok(("exec", self.line(line)?)) };
                let line = format!("cd {} || exit; {line}", super::super::words::quoted(folder));
                Ok(("exec", self.line(&line)?))
            }
            "http_get" => self.http(node),
            _ => Err(UNKNOWN.to_owned()),
        }
    }

    fn http(&mut self, node: &Node) -> Result<(&'static str, Value), Refusal> {
        let (mut scheme, mut host, mut port, mut path) =
            (Text::from("http"), Text::from("127.0.0.1"), Text::default(), Text::from("/"));
        let (mut status, mut headers) = (STATUS, Vec::new());
        for entry in entries(node) {
            let node = &entry.node;
            match entry.key.as_str() {
                "scheme" => scheme = self.text(node)?,
                "host" => host = self.text(node)?,
                "port" | "num_port" => port = self.text(node)?,
                "path" => path = self.text(node)?,
                "status_code" => status = number(text(node)?)?,
                "headers" => {
                    for header in entries(node) {
                        let value = self.text(&header.node)?;
                        let name = Value::text(header.key.as_str());
                        headers.push(Value::Map(vec![("name", name), ("value", Value::Text(value))]));
                    }
                }
                other => return Err(format!("`{other}` of it is no key that is known")),
            }
        }
        if scheme.said() != Some("http") {
            return Err("a probe asks by plain http; one with `exec` and curl can ask by https".to_owned());
        }
        let mut url = Text::from("http://");
        url.add(&host)?;
        if port != Text::default() {
            url.say(":");
            url.add(&port)?;
        }
        url.add(&path)?;
        let mut http = vec![("url", Value::Text(url)), ("status", Value::plain(status))];
        if !headers.is_empty() {
            http.push(("headers", Value::List(headers)));
        }
        Ok(("http", Value::Map(http)))
    }
}
