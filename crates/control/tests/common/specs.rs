//! Specs out of texts, for the tests: the JSON of a stack, whose children are tasks of a few factories.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use supervisor_api::SupervisorPath;
use supervisor_api::manifest::{Kind, StackManifest};
use supervisor_control::{Config, Declared, SpecSource, Specs};
use tokio_supervisor::{ChildContext, ChildSpec, Registry, SupervisorSpec, UnknownFactory};

use super::{config, idle};

/// Stacks of these texts, and of a file.
#[derive(Clone)]
pub struct Texts {
    registry: Registry,
    file: Option<PathBuf>,
    /// The versions that were applied.
    pub applied: Arc<Mutex<Vec<String>>>,
}

impl Texts {
    pub fn new(file: Option<PathBuf>) -> Self {
        let registry = Registry::new()
            .factory("worker", idle)
            .factory("never", |ctx: ChildContext| async move { _ = ctx.stopping().await })
            .factory("slow", |ctx: ChildContext| async move {
                tokio::time::sleep(super::secs(40)).await;
                ctx.ready();
                ctx.stopping().await;
            })
            .factory("program", |ctx: ChildContext| async move {
                ctx.on_signal(|_| Ok(()));
                ctx.ready();
                ctx.stopping().await;
            })
            .kind(Kind::Process, |manifest, _| Ok(ChildSpec::managed(&manifest.name, idle)));
        Self { registry, file, applied: Arc::default() }
    }

    /// A configuration with these specs, for a tree of the text.
    pub fn config(&self, text: &str) -> (Config, SupervisorSpec) {
        let launched = self.read(text).unwrap();
        let mut config = config();
        config.config_version = launched.config_version.clone();
        let spec = launched.spec.clone();
        config.specs = Some(Specs::new(self.clone(), launched));
        (config, spec)
    }
}

impl SpecSource for Texts {
    fn read(&self, text: &str) -> Result<Declared, String> {
        let manifest: StackManifest =
            serde_json::from_str(text).map_err(|error| format!("{error} in {text}"))?;
        let build = |child| self.registry.build(child, &SupervisorPath::root(), None, UnknownFactory::Refuse);
        let children: Result<Vec<_>, _> = manifest.children.iter().map(build).collect();
        let children = children.map_err(|findings| format!("{findings:?}"))?;
        let spec =
            SupervisorSpec::root(children).unlimited().order(tokio_supervisor::StartOrder::Dependencies);
        let version = format!("{:016x}", text.len());
        Ok(Declared::new(spec, manifest, version.into()))
    }

    fn has_file(&self) -> bool {
        self.file.is_some()
    }

    fn reread(&self) -> Result<Declared, String> {
        let file = self.file.as_ref().ok_or("no file")?;
        self.read(&std::fs::read_to_string(file).map_err(|error| error.to_string())?)
    }

    fn applied(&self, declared: &Declared) {
        self.applied.lock().unwrap().push(declared.config_version.to_string());
    }
}

/// A stack of tasks: each word is the name of a child and, behind a colon, its factory.
pub fn stack(children: &str) -> String {
    let child = |word: &str| {
        let (name, factory) = word.split_once(':').unwrap_or((word, "worker"));
        let readiness = if factory == "worker" { "immediate" } else { "explicit" };
        json!({"name": name, "kind": "async_worker", "factory": factory, "readiness": readiness,
            "ready_within_secs": if factory == "never" { 2 } else { 60 }})
    };
    let children: Vec<Value> = children.split_whitespace().map(child).collect();
    json!({"version": 1, "name": "shop", "children": children}).to_string()
}
