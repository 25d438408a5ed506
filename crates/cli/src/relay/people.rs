//! Who may come in: what the file and the files that it names say, at the start and at each SIGHUP.

use std::path::Path;

use supervisor_relay::{ConfigFile, Identities, Mapping, Tls};

use super::read;

/// Who may come in. What of it is in files is read again with [`reload`].
pub(super) struct People {
    pub(super) identities: Identities,
    pub(super) tls: Option<Tls>,
}

impl People {
    /// Reads the certificates that the file names.
    pub(super) fn read(config: &ConfigFile) -> Result<Self, String> {
        let identities = Identities::new();
        identities.replace(mapping(config)?);
        let tls = config.tls().map(|files| Tls::read(files, identities.clone())).transpose();
        Ok(Self { identities, tls: tls.map_err(|error| error.to_string())? })
    }

    fn renew(&self, config: &ConfigFile) -> Result<(), String> {
        let mapping = mapping(config)?;
        // This refuses or does all, so it goes first.
        if let Some(tls) = &self.tls {
            tls.reload().map_err(|error| error.to_string())?;
        }
        self.identities.replace(mapping);
        Ok(())
    }
}

fn mapping(config: &ConfigFile) -> Result<Mapping, String> {
    config.mapping().map_err(|error| error.to_string())
}

/// Reads the file again. The answer is what to say.
pub(super) fn reload(file: &Path, before: &ConfigFile, people: &People) -> String {
    let kept = "what held before holds";
    // What is wrong with it was printed.
    let Ok(config) = read(file) else { return format!("the file was not taken; {kept}") };
    if let Err(problem) = people.renew(&config) {
        return format!("the file was not taken: {problem}; {kept}");
    }
    let later = match &before.differs(&config)[..] {
        [] => String::new(),
        keys => format!("; after a restart also: {}", keys.join(", ")),
    };
    format!("the file was read again: certificates, tokens and roles hold{later}")
}
