//! `join-keys` and `purge`, from the outside.

use crate::support::eventually;
use crate::support::process::{GatewayProcess, PROGRAM, run};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Runs the program without a gateway; gives whether it succeeded, and what it said.
fn alone(args: &[&str], env: &[(&str, &str)]) -> (bool, String) {
    let output =
        Command::new(PROGRAM).args(args).envs(env.iter().copied()).output().expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn a_wrapping_key_is_made_and_join_keys_are_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("wrapping.key");
    let path = file.to_str().expect("a path");
    let (ok, said) = alone(&["join-keys", "new-wrapping-key", path], &[]);
    assert!(ok && said.contains("privacy.wrapping_key_files"), "{said}");
    let mode = std::fs::metadata(&file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "its owner's alone");
    let key = std::fs::read_to_string(&file).expect("a key");
    let (ok, said) = alone(&["join-keys", "new-wrapping-key", path], &[]);
    assert!(!ok, "a key is not overwritten: {said}");
    assert_eq!(std::fs::read_to_string(&file).expect("a key"), key);
    let data = dir.path().join("data");
    let gateway = GatewayProcess::start(&data, &[("TRACEGATE_PRIVACY_WRAPPING_KEY_FILES", path)]);
    let at = gateway.address.as_str();
    let (ok, said) = run(&["join-keys", "list", "--json"], at).await;
    assert!(ok && said.contains("\"version\":1") && said.contains("\"created_by\":\"gateway\""), "{said}");
    assert!(!said.contains(key.trim()));
    let (ok, said) = run(&["join-keys", "destroy", "1"], at).await;
    assert!(!ok && said.contains("is in force"), "{said}");
    let (ok, said) = run(&["join-keys", "rotate"], at).await;
    assert!(ok && said.contains("join key 2 is in force"), "{said}");
    let (ok, said) = run(&["join-keys", "destroy", "1"], at).await;
    assert!(ok && said.contains("join key 1 was destroyed"), "{said}");
    let (ok, said) = run(&["join-keys", "list"], at).await;
    assert!(ok && said.contains("2 join keys"), "{said}");
}

#[tokio::test]
async fn a_purge_is_asked_for_and_said_in_two_languages() {
    let dir = tempfile::tempdir().expect("a directory");
    let env = [("TRACEGATE_RETENTION_REQUESTS_DAYS", "90")];
    let gateway = GatewayProcess::start(&dir.path().join("data"), &env);
    let at = gateway.address.as_str();
    // Until it has read its cases, it says that one should ask again.
    let purged = async || {
        let (ok, said) = run(&["purge", "--dry-run"], at).await;
        ok.then_some(said)
    };
    let said = eventually("a purge", purged).await;
    assert!(said.contains("0 requests decided before") && said.contains("将清除"), "{said}");
    assert!(said.contains("the audit trail is kept for ever"), "{said}");
    let (ok, said) = run(&["purge", "--json"], at).await;
    assert!(ok && said.contains("\"dry_run\":false") && said.contains("\"requests\":0"), "{said}");
}

#[test]
fn nothing_is_removed_before_it_can_have_been_needed() {
    let check = |days: &str, expected: bool| {
        let (ok, said) = alone(&["check-config"], &[("TRACEGATE_RETENTION_REQUESTS_DAYS", days)]);
        assert_eq!(ok, expected, "{days}: {said}");
        assert!(ok || said.contains("retention.requests_days"), "{said}");
    };
    check("0", true);
    check("89", false);
    check("90", true);
    check("36501", false);
}
