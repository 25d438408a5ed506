//! The dashboard of a run.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::control::loopback;
use crate::life::words;

words! {
    /// The dashboard that is not there.
    NoDashboard {
        /// Nothing listens.
        Off = "off",
    }
}

/// The dashboard of a run: `off`, or where it listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "`off` or a mapping with `listen`")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DashboardManifest {
    /// `off`: nothing listens.
    Word(NoDashboard),
    /// It listens.
    Listens(DashboardListens),
}

/// Where the dashboard of a run listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DashboardListens {
    /// Where it listens, as `127.0.0.1:PORT` or `[::1]:PORT`; with port 0 on any that is free. Only addresses of
    /// loopback: the link by which people sign in is for this machine.
    pub listen: String,
}

/// Reads the address of the dashboard of a run. The error is a sentence.
pub fn dashboard_address(listen: &str) -> Result<SocketAddr, String> {
    let example = "write it as `127.0.0.1:9900`";
    loopback(listen, example)?.ok_or_else(|| {
        let shown = listen.escape_debug();
        format!(
            "the address '{shown}' can be reached from other machines, and a run shows itself to its own alone; \
             {example}, and forward that port with ssh"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dashboard_listens_on_loopback_alone_or_is_off() {
        assert!(dashboard_address("127.0.0.1:0").is_ok() && dashboard_address("[::1]:9900").is_ok());
        for (bad, words) in [("0.0.0.0:9900", "other machines"), ("localhost:9900", "is not IP:PORT")] {
            let said = dashboard_address(bad).unwrap_err();
            assert!(said.contains(words) && said.contains("127.0.0.1:9900"), "{bad}: {said}");
        }
        for text in [r#""off""#, r#"{"listen":"127.0.0.1:9900"}"#] {
            let read: DashboardManifest = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
        assert!(serde_json::from_str::<DashboardManifest>(r#""on""#).is_err());
    }
}
