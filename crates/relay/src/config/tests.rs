//! Each key has an effect, and each mistake its place.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::rights::Role;
use crate::web::{ClientAuthorities, ClientCertificates};

const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn around() -> Surroundings {
    Surroundings::new(1000, |name| (name == "HOME").then(|| "/home/ann".into()))
}

fn read(text: &str) -> Result<ConfigFile, String> {
    let text = format!("version: 1\n{}", text.replace("DIGEST", DIGEST));
    ConfigFile::parse("relay.yaml", text, Path::new("/etc/relay"), &around())
        .map_err(|error| error.to_string())
}

fn good(text: &str) -> ConfigFile {
    read(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_file_that_says_nothing_has_the_defaults() {
    let file = good("");
    let config = file.relay().unwrap();
    assert_eq!(file.listen().to_string(), "127.0.0.1:9900");
    assert_eq!(config.registration, Path::new("/home/ann/.local/state/tokio-supervisor/run/relay.sock"));
    assert_eq!(config.state.as_deref(), Some(Path::new("/home/ann/.local/state/tokio-supervisor/relay")));
    assert_eq!(config.audit, Path::new("/home/ann/.local/state/tokio-supervisor/relay/audit"));
    assert_eq!((config.max_targets, config.ring_bytes), (1_000, 2 << 20));
    assert!(file.login_link() && file.tls().is_none() && file.health().is_none());
    assert_eq!(file.mapping().unwrap().principal("ann").role_on("shop"), Some(Role::Viewer));
    assert_eq!((file.warnings().errors(), file.warnings().warnings()), (0, 0));
}

#[test]
fn every_key_of_the_relay_has_its_effect() {
    let text = "registration: r.sock\nstate_dir: /var/state\naudit_dir: /var/audit\nusers: [7]\n\
                socket_directories: [/run/a, b]\nmax_targets: 5\nring_kib: 100\n\
                limits: {answer_secs: 3, stop_secs: 4}\n";
    let config = good(text).relay().unwrap();
    assert_eq!(config.registration, Path::new("/etc/relay/r.sock"), "it begins at the file's directory");
    assert_eq!(config.state.as_deref(), Some(Path::new("/var/state")));
    assert_eq!(config.audit, Path::new("/var/audit"));
    assert_eq!(config.users, [7]);
    assert_eq!(config.socket_directories, [Path::new("/run/a"), Path::new("/etc/relay/b")]);
    assert_eq!((config.max_targets, config.ring_bytes), (5, 100 << 10));
    assert_eq!((config.client.read, config.stop), (Duration::from_secs(3), Duration::from_secs(4)));
}

#[test]
fn every_key_of_the_port_has_its_effect() {
    let file = good(
        "listen: 10.0.0.7:443\nnames: [relay.example]\nhealth: {listen: \"127.0.0.1:9464\"}\n\
         tls: {cert: c.pem, key: k.pem, client_ca: ca.pem, client_auth: required, revocation_lists: [crl.pem]}\n",
    );
    assert_eq!(file.listen().to_string(), "10.0.0.7:443");
    assert_eq!(file.health().unwrap().port(), 9464);
    assert!(!file.login_link(), "others reach this address");
    let tls = file.tls().unwrap();
    let at = |name: &str| Path::new("/etc/relay").join(name);
    assert_eq!((tls.certificate, tls.key), (at("c.pem"), at("k.pem")));
    let of = |authorities: &str, revoked: &[&str]| ClientAuthorities {
        authorities: at(authorities),
        revoked: revoked.iter().map(|name| at(name)).collect(),
    };
    assert_eq!(tls.clients, ClientCertificates::Required(of("ca.pem", &["crl.pem"])));
    let names = file.names(file.listen());
    let has = |host: &str| names.has_host([host.as_bytes()].into_iter());
    assert!(has("10.0.0.7") && has("relay.example") && !has("localhost") && !has("10.0.0.7:443"));
    let may = |origin: &str| names.has_origin([origin.as_bytes()].into_iter());
    assert!(may("https://relay.example") && !may("http://relay.example"));
    assert!(!good("login_link: false\n").login_link());
    let clients = |text: &str| good(text).tls().unwrap().clients;
    for auth in ["", ", client_auth: optional"] {
        let optional = clients(&format!("tls: {{cert: c, key: k, client_ca: ca{auth}}}\n"));
        assert_eq!(optional, ClientCertificates::Optional(of("ca", &[])));
    }
    assert_eq!(clients("tls: {cert: c, key: k}\n"), ClientCertificates::Unused);
}

#[test]
fn every_key_of_people_has_its_effect() {
    let file = good(
        "tls: {cert: c, key: k, client_ca: ca, revoked: [DIGEST]}\n\
         tokens: [{name: ann, sha256: DIGEST, expires: 2100-01-01}]\n\
         certificates: [{name: laptop-7, identity: ann}]\n\
         roles:\n  - {identity: ann, targets: shop-*, role: operator}\n  - {identity: root, role: admin}\n\
         others: nothing\n",
    );
    let mapping = file.mapping().unwrap();
    let role = |who: &str, target: &str| mapping.principal(who).role_on(target);
    assert_eq!((role("ann", "shop-eu"), role("ann", "bank")), (Some(Role::Operator), None));
    assert_eq!((role("root", "bank"), role("bob", "shop-eu")), (Some(Role::Admin), None));
    let of = |text: &str| good(&format!("tls: {{cert: c, key: k, client_ca: ca{text}\n")).mapping().unwrap();
    let token = format!("}}\ncertificates: []\ntokens: [{{name: a, sha256: {DIGEST}, expires: 2100-01-01}}]");
    let all = [
        "}",
        ", revoked: [DIGEST]}",
        "}\ncertificates: [{name: laptop-7, identity: ann}]",
        &token,
        &token.replace("2100-01-01", "2100-01-02"),
    ];
    for (at, text) in all.iter().enumerate() {
        assert!(all[..at].iter().all(|other| of(other) != of(text)), "{text}");
    }
}

#[test]
fn a_mistake_is_told_where_it_is_with_what_was_meant() {
    for (text, at, words) in [
        ("listn: 127.0.0.1:1\n", "2:1", "did you mean `listen`?"),
        ("listen: localhost:1\n", "2:9", "no address"),
        ("listen: 0.0.0.0:1\n", "2:9", "add `tls`"),
        ("max_targets: 0\n", "2:14", "from 1 to 10000"),
        ("max_targets: many\n", "2:14", "whole number"),
        ("ring_kib: 1\n", "2:11", "from 64"),
        ("login_link: yes\n", "2:13", "write `true`"),
        ("roles: [{identity: a, role: boss}]\n", "2:29", "one of `viewer`, `operator`, `admin`"),
        ("roles: [{identity: a}]\n", "2:9", "needs `role`"),
        ("roles: {identity: a}\n", "2:8", "begin each item with `-`"),
        ("tokens: [{name: a, sha256: abc, expires: 2100-01-01}]\n", "2:28", "64 hexadecimal digits"),
        ("tokens: [{name: a, sha256: DIGEST, expires: 30d}]\n", "2:103", "write a day"),
        ("tls: {cert: c}\n", "2:6", "`tls` needs `key`"),
        ("tls: {cert: c, key: k, client_auth: required}\n", "2:37", "needs `client_ca`"),
        ("tls: {cert: c, key: k, client_auth: off}\n", "2:37", "one of `optional`, `required`"),
        ("tls: {cert: c, key: k, revoked: [DIGEST]}\n", "2:33", "no effect"),
        ("tls: {cert: c, key: k, revocation_lists: [l]}\n", "2:42", "no effect"),
        ("certificates: [{name: a, identity: b}]\n", "2:15", "without `tls`"),
        ("health: {listen: \"0.0.0.0:1\"}\n", "2:18", "reached from other machines"),
        ("listen: 127.0.0.1:7\nhealth: {listen: \"127.0.0.1:7\"}\n", "3:18", "take another port"),
        ("listen: 0.0.0.0:1\ntls: {cert: c, key: k}\n", "2:9", "add `names"),
        ("listen: 10.0.0.1:1\ntls: {cert: c, key: k}\nlogin_link: true\n", "4:13", "remove one"),
        ("names: [https://x]\n", "2:9", "more than a host"),
        ("state_dir: \"\"\n", "2:12", "no path"),
        ("listen: &x 127.0.0.1:1\n", "2:9", "anchors"),
        ("version: 1\n", "2:1", "there twice"),
    ] {
        let error = read(text).err().unwrap_or_else(|| panic!("{text}"));
        assert!(error.starts_with(&format!("relay.yaml:{at}: error: ")), "{text}{error}");
        assert!(error.contains(words), "{text}{error}");
    }
    let twice = "tokens:\n  - {name: a, sha256: DIGEST, expires: 2100-01-01}\n  - {name: b, sha256: DIGEST, expires: 2100-01-01}\n";
    assert!(read(twice).unwrap_err().contains("relay.yaml:4:23: error: 'b' has the same token as 'a'"));
}

#[test]
fn all_mistakes_are_told_at_once() {
    let error = read("listn: x\nmax_targets: 0\nroles: [{}]\n").unwrap_err();
    for line in ["relay.yaml:2:", "relay.yaml:3:", "relay.yaml:4:"] {
        assert!(error.contains(line), "{error}");
    }
}

#[test]
fn what_is_doubtful_is_a_warning() {
    let warned = |text: &str| good(text).warnings().to_string();
    assert!(warned("tokens: [{name: a, sha256: DIGEST, expires: 2020-01-01}]\n").contains("has expired"));
    let nothing = "others: nothing\ntokens: [{name: a, sha256: DIGEST, expires: 2100-01-01}]\n";
    assert!(warned(nothing).contains("sees nothing"));
}

#[test]
fn a_file_that_is_none_is_said_to_be_so() {
    let parse = |bytes: &[u8]| {
        ConfigFile::parse("r", bytes.to_vec(), Path::new("/"), &around()).unwrap_err().to_string()
    };
    assert!(parse(b"").contains("a relay needs `version: 1`"));
    assert!(parse(b"listen: 127.0.0.1:1\n").contains("needs `version`, for example `version: 1`"));
    assert!(parse(b"version: 2\n").contains("must be 1"));
    assert!(parse(b"\xff").contains("UTF-8"));
    assert!(parse(b"[1]").contains("must be a mapping"));
    let nowhere = Surroundings::new(1000, |_| None);
    let file = ConfigFile::parse("r", "version: 1\n", Path::new("/"), &nowhere).unwrap();
    assert!(file.relay().unwrap_err().to_string().contains("write `state_dir` in the file"));
}

#[test]
fn every_key_is_described_and_none_may_be_null() {
    let schema = ConfigFile::schema();
    assert!(!schema.to_string().contains("\"null\""));
    let definitions = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    for definition in definitions {
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "{key}");
        }
    }
}
