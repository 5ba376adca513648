//! `keys` and the options that reach a guarded gateway, from the outside.

use crate::support::certificates::Authority;
use crate::support::process::{GatewayProcess, PROGRAM, run};
use std::path::Path;
use std::process::Command;

/// Runs the program with variables of its own; gives whether it succeeded, and what it said.
fn with(env: &[(&str, &str)], args: &[&str], address: &str) -> (bool, String) {
    let mut command = Command::new(PROGRAM);
    command.args(args).args(["--gateway", address]).envs(env.iter().copied());
    let output = command.output().expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

#[tokio::test]
async fn keys_are_made_listed_replaced_and_revoked() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let gateway = GatewayProcess::start(&data, &[("TRACEGATE_ACCESS_REQUIRED", "true")]);
    let at = gateway.address.as_str();
    let (ok, said) = run(&["keys", "list"], at).await;
    assert!(!ok && said.contains("show a key") && said.contains("docs/access.md"), "{said}");
    let local = data.join("operator.key");
    let operator = [("TRACEGATE_KEY_FILE", text(&local))];
    let out = dir.path().join("counter.key");
    let create =
        ["keys", "create", "--for", "terminal P12010100001", "--label", "counter 3", "--out", text(&out)];
    let (ok, said) = with(&operator, &create, at);
    assert!(ok && said.contains("terminal P12010100001") && !said.contains("tgk_"), "{said}");
    let key = std::fs::read_to_string(&out).expect("the key");
    let id = key.split('_').nth(1).expect("an id").to_owned();
    // The file is not overwritten, and no key is made for nothing.
    let (ok, said) = with(&operator, &create, at);
    assert!(!ok && said.contains("cannot be made"), "{said}");
    let (ok, said) = with(&operator, &["keys", "list", "--json"], at);
    assert!(ok && said.lines().count() == 1 && said.contains(&id) && !said.contains(key.trim()), "{said}");
    let shown = [("TRACEGATE_KEY", key.trim())];
    let (ok, said) = with(&shown, &["policy", "show"], at);
    assert!(ok, "{said}");
    let (ok, said) = with(&shown, &["cases", "list"], at);
    assert!(!ok && said.contains("terminal"), "{said}");
    let (ok, said) = with(&operator, &["keys", "replace", &id, "--overlap-hours", "0"], at);
    assert!(ok && said.contains("tgk_") && said.contains("counter 3"), "{said}");
    let (ok, said) = with(&shown, &["policy", "show"], at);
    assert!(!ok && said.contains("expired"), "{said}");
    let (ok, said) = with(&operator, &["keys", "revoke", &id], at);
    assert!(ok && said.contains("revoked"), "{said}");
    let (ok, said) = with(&operator, &["keys", "list", "--valid"], at);
    assert!(ok && said.contains("1 keys") && !said.contains(&id), "{said}");
}

#[tokio::test]
async fn a_gateway_with_certificates_is_reached_by_name_and_root() {
    let dir = tempfile::tempdir().expect("a directory");
    let authority = Authority::new();
    let (certificate, key) = authority.server().write(dir.path(), "server");
    let (mine, my_key) = authority.client(&["tracegate:operator"], 1).write(dir.path(), "mine");
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, &authority.root).expect("written");
    let data = dir.path().join("data");
    let env = [
        ("TRACEGATE_ACCESS_REQUIRED", "true"),
        ("TRACEGATE_TLS_CERTIFICATE", text(&certificate)),
        ("TRACEGATE_TLS_KEY", text(&key)),
        ("TRACEGATE_TLS_CLIENT_CA", text(&ca)),
    ];
    // It may listen for others, without a word of warning.
    let gateway = GatewayProcess::start(&data, &env);
    let at = gateway.address.as_str();
    let shown = ["--ca", text(&ca), "--certificate", text(&mine), "--certificate-key", text(&my_key)];
    let list = |more: &[&str]| with(&[], &[&["keys", "list"], more].concat(), at);
    let (ok, said) = list(&shown);
    assert!(ok && said.contains("0 keys"), "{said}");
    let (ok, said) = list(&["--ca", text(&ca)]);
    assert!(!ok && said.contains("show a key"), "{said}");
    let (ok, said) = list(&[]);
    assert!(!ok && said.contains("--ca"), "{said}");
    let (ok, said) = with(&[], &["keys", "list"], &format!("https://{at}"));
    assert!(!ok && said.contains("--ca"), "{said}");
}

#[test]
fn a_key_is_not_shown_to_the_network_in_clear() {
    let (ok, said) = with(&[("TRACEGATE_KEY", "tgk_x")], &["keys", "list"], "192.0.2.1:50051");
    assert!(!ok && said.contains("over TLS only"), "{said}");
}
