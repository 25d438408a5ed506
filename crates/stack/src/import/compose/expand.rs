//! What process-compose puts into texts: variables of the environment, and templates.

use std::collections::{BTreeMap, BTreeSet};

use supervisor_api::manifest::is_shell_name;
use supervisor_yaml::printable;

use super::super::Refusal;
use super::super::sheet::Sheet;
use super::super::text::Text;

/// What names in texts stand for.
#[derive(Debug, Default, Clone)]
pub(super) struct Names {
    /// `disable_env_expansion`: a `$` is one.
    pub(super) env_off: bool,
    /// `is_template_disabled`: braces are braces.
    pub(super) templates_off: bool,
    /// `vars`, for templates.
    pub(super) vars: BTreeMap<String, String>,
    /// Variables of the program: `$NAME` of one is left to the shell, which finds it there.
    pub(super) own: BTreeSet<String>,
}

impl Names {
    /// The text as it stands in a stack file.
    pub(super) fn fill(&self, sheet: &mut Sheet, text: &str) -> Result<Text, Refusal> {
        let text = self.template(text)?;
        let mut out = Text::default();
        let mut rest = text.as_str();
        while let Some(at) = rest.find('$').filter(|_| !self.env_off) {
            out.say(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.say("$");
                rest = after;
            } else if let Some(after) = rest.strip_prefix('{') {
                let (inner, after) = after.split_once('}').ok_or("a `${` in it is not closed")?;
                let (name, default) =
                    inner.split_once(":-").map_or((inner, None), |(name, or)| (name, Some(or)));
                if !is_shell_name(name) {
                    return Err(format!(
                        "`${{{}}}` changes a value, which a stack file cannot; write out what it stands for",
                        printable(inner)
                    ));
                }
                sheet.declare(name, default)?;
                out.name(name)?;
                rest = after;
            } else {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let (name, after) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
                if !is_shell_name(name) || self.own.contains(name) {
                    // `$1`, `$(date)`, and what the shell knows.
                    out.say("$");
                    out.say(name);
                } else {
                    sheet.declare(name, None)?;
                    out.name(name)?;
                }
                rest = after;
            }
        }
        out.say(rest);
        Ok(out)
    }

    /// With `{{.NAME}}` replaced by what `vars` says.
    fn template(&self, text: &str) -> Result<String, Refusal> {
        let (mut out, mut rest) = (String::new(), text);
        if self.templates_off {
            return Ok(text.to_owned());
        }
        while let Some((before, after)) = rest.split_once("{{") {
            let (inner, after) = after.split_once("}}").ok_or("a `{{` in it is not closed")?;
            let value = inner.trim().strip_prefix('.').and_then(|name| self.vars.get(name));
            let value = value.ok_or_else(|| {
                format!(
                    "the template `{{{{{}}}}}` is not filled in; write out what it stands for",
                    printable(inner)
                )
            })?;
            out.push_str(before);
            out.push_str(value);
            rest = after;
        }
        Ok(out + rest)
    }
}
