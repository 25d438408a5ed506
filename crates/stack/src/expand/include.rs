//! `include`: children that stand in other files.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use supervisor_yaml::{FileFinding, Node, Place, Source, Value};

use super::variables::Variables;
use super::{Expanded, Origin, error};
use crate::dialect;

/// The most files that one file may include.
const MOST: usize = 1_000;

/// One item of `include`: a path, or a pattern in the last part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    place: Place,
    /// As it was written.
    written: PathBuf,
}

impl Item {
    fn is_pattern(&self) -> bool {
        is_pattern(&self.name())
    }

    fn name(&self) -> String {
        self.written.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The files that are meant, as they are to be named, in their order.
    fn files(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let above = self.written.parent().unwrap_or(Path::new(""));
        if !self.is_pattern() {
            return Ok(vec![self.written.clone()]);
        }
        let pattern = self.name();
        let entries = match std::fs::read_dir(folder.join(above)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if fits(&pattern, &name) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names.into_iter().map(|name| above.join(name)).collect())
    }
}

impl Expanded {
    /// Puts the children of the included files after those of the file.
    pub(super) fn include(&mut self, root: &mut Node, origin: Origin<'_>, variables: &mut Variables) {
        let Some(items) = taken(root) else { return };
        self.changed = true;
        let Origin::File(main) = origin else {
            let place = items.first().map_or(Place::START, |item| item.place);
            return self.findings.push(error(
                place,
                "`include` is for a file: this text stands in none, so nothing can be beside it; put the children into it",
            ));
        };
        let folder = main.parent().unwrap_or(Path::new("/"));
        let mut read = vec![main.canonicalize().unwrap_or_else(|_| main.to_owned())];
        for item in items {
            self.include_item(root, &item, folder, &mut read, variables);
        }
        self.twice(root);
    }

    fn include_item(
        &mut self,
        root: &mut Node,
        item: &Item,
        folder: &Path,
        read: &mut Vec<PathBuf>,
        variables: &mut Variables,
    ) {
        let shown = item.written.display();
        let files = match problem(item) {
            Some(problem) => Err(problem),
            None => item.files(folder).map_err(|error| format!("cannot include '{shown}': {error}")),
        };
        let files = match files {
            Ok(files) => files,
            Err(message) => return self.findings.push(error(item.place, message)),
        };
        for file in files {
            let path = folder.join(&file);
            let known = path.canonicalize().unwrap_or_else(|_| path.clone());
            if read.contains(&known) {
                // A pattern may fit what is there already; who names a file means something by it.
                if !item.is_pattern() {
                    let message =
                        format!("'{shown}' is read already; include it once, and no file in itself");
                    self.findings.push(error(item.place, message));
                }
                continue;
            }
            if read.len() > MOST {
                let message = format!("more than {MOST} files are included");
                return self.findings.push(error(item.place, message));
            }
            read.push(known);
            self.include_file(root, item.place, &file, &path, variables);
        }
    }

    fn include_file(
        &mut self,
        root: &mut Node,
        named: Place,
        file: &Path,
        path: &Path,
        variables: &mut Variables,
    ) {
        let bytes = match supervisor_yaml::read(path) {
            Ok(bytes) => bytes,
            Err(unreadable) => return self.findings.push(error(named, format!("{unreadable}"))),
        };
        let name = Path::new(&self.sources[0].name).parent().unwrap_or(Path::new("")).join(file);
        // There are at most `MOST`.
        let number = u16::try_from(self.sources.len()).unwrap_or(u16::MAX);
        let here = |place: Place| Place { file: number, ..place };
        let source = match Source::new(name.display().to_string(), bytes) {
            Ok(source) => source,
            Err((source, place, message)) => {
                self.findings.push(error(here(place), message));
                return self.sources.push(source);
            }
        };
        let (included, mistakes) = supervisor_yaml::parse(&source.text, &dialect::INCLUDED);
        self.sources.push(source);
        self.mistakes.extend(mistakes.into_iter().map(|(place, message)| error(here(place), message)));
        let Some(mut included) = included else { return };
        included.is_from(number);
        variables.fill(&mut included, &mut self.findings);
        let children = self.children_of(included);
        if let Some(items) = root.get_mut("children").and_then(Node::items_mut) {
            items.extend(children);
        }
    }

    /// What an included file may have, which is its children.
    fn children_of(&mut self, included: Node) -> Vec<Node> {
        let place = included.place;
        let Value::Map(entries) = included.value else {
            self.findings.push(error(place, "an included file has `children` and nothing else"));
            return Vec::new();
        };
        let mut children = Vec::new();
        for entry in entries {
            match (entry.key.as_str(), entry.node.value) {
                ("children", Value::List(items)) => children = items,
                ("children", _) => {
                    self.findings
                        .push(error(entry.place, "`children` must be a list; begin each item with `-`"));
                }
                ("include", _) => self.findings.push(error(
                    entry.place,
                    "an included file includes no other; name that in the `include` of the stack file",
                )),
                (key, _) => {
                    let key = key.escape_debug();
                    let message =
                        format!("an included file has `children` alone; `{key}` belongs into the stack file");
                    self.findings.push(error(entry.place, message));
                }
            }
        }
        children
    }

    /// Finds children of one name that stand in two files. Of one file that is found with everything else.
    fn twice(&mut self, root: &mut Node) {
        let Some(children) = root.get_mut("children").and_then(Node::items_mut) else { return };
        let mut first: HashMap<String, Place> = HashMap::new();
        let (sources, findings) = (&self.sources, &mut self.findings);
        children.retain(|child| {
            let Some(entry) = child.get("name") else { return true };
            let Some(name) = entry.node.text() else { return true };
            let known = *first.entry(name.to_owned()).or_insert(entry.node.place);
            if known.file == entry.node.place.file {
                return true;
            }
            let at = &sources[usize::from(known.file)].name;
            findings.push(again(name, entry.node.place, &format!("{at}:{}", known.line)));
            false
        });
    }
}

fn again(name: &str, place: Place, first: &str) -> FileFinding {
    let name = name.escape_debug();
    error(place, format!("the name '{name}' is there twice among these children; the first is at {first}"))
}

/// The items of `include`, taken out, if they are a list of texts.
pub(crate) fn taken(root: &mut Node) -> Option<Vec<Item>> {
    let text = |node: &Node| Some(Item { place: node.place, written: node.text()?.into() });
    let Value::List(items) = &root.get("include")?.node.value else { return None };
    let items = items.iter().map(text).collect::<Option<Vec<_>>>()?;
    root.take("include");
    Some(items)
}

fn problem(item: &Item) -> Option<String> {
    let shown = item.written.display();
    let above = item.written.parent().into_iter().flatten();
    if above.into_iter().any(|part| is_pattern(&part.to_string_lossy())) {
        return Some(format!(
            "'{shown}' has `*` or `?` in a directory; they are for the last part of a path, such as `conf.d/*.yaml`"
        ));
    }
    let is_file = item.written.file_name().is_some() && !item.written.as_os_str().is_empty();
    (!is_file).then(|| format!("'{shown}' is no path of a file"))
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// Whether a name fits a pattern: `*` is any characters, `?` is one. A dot at the beginning is only fitted by a dot.
fn fits(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let name: Vec<char> = name.chars().collect();
    // Which ends of the name are reached by what of the pattern was looked at.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for wanted in pattern.chars() {
        let mut next = vec![false; name.len() + 1];
        for at in 0..=name.len() {
            next[at] = match wanted {
                '*' => reached[at] || at > 0 && next[at - 1],
                _ => at > 0 && reached[at - 1] && (wanted == '?' || wanted == name[at - 1]),
            };
        }
        reached = next;
    }
    reached[name.len()]
}

/// What a stack file and all that it includes say, to see whether that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    main: Vec<u8>,
    items: Vec<Item>,
    included: Vec<(PathBuf, Vec<u8>)>,
}

impl Sight {
    /// Looks at the file at `path`, of which `before` was seen last. Included files that cannot be read are not seen.
    pub fn of(path: &Path, choices: &super::Choices, before: Option<&Self>) -> io::Result<Self> {
        let main = std::fs::read(path)?;
        let items = match before.filter(|before| before.main == main) {
            Some(before) => before.items.clone(),
            None => items(&main, choices),
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut included = Vec::new();
        for item in &items {
            for file in item.files(folder).unwrap_or_default() {
                let bytes = supervisor_yaml::read(&folder.join(&file));
                included.extend(bytes.ok().map(|bytes| (file, bytes)));
            }
        }
        Ok(Self { main, items, included })
    }
}

/// What a text includes.
fn items(text: &[u8], choices: &super::Choices) -> Vec<Item> {
    let Ok(source) = Source::new(String::new(), text.to_owned()) else { return Vec::new() };
    let (root, _) = supervisor_yaml::parse(&source.text, &dialect::STACK);
    let mut none = Expanded::of(source);
    let Some(mut root) = root else { return Vec::new() };
    let mut variables = none.variables(&mut root, choices);
    let Some(entry) = root.get_mut("include") else { return Vec::new() };
    variables.fill(entry, &mut none.findings);
    taken(&mut root).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_pattern_fits_as_in_a_shell() {
        for (pattern, name) in [
            ("*.yaml", "a.yaml"),
            ("*", "a"),
            ("a?c*", "abc"),
            ("*b*", "abc"),
            ("é?", "éa"),
            (".*", ".a"),
            ("a.yaml", "a.yaml"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("*.yaml", "a.yml"), ("*.yaml", ".a.yaml"), ("?", ""), ("a?", "a"), ("*b", "abc"), ("a", "ab")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
