//! Defaults, files and environment over each other, and mistakes.

use super::*;
use crate::telemetry::CAN_TRACE;
use std::io::Write;

fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    Config::load_with(Some(file.path()), |name| {
        env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn defaults_are_valid_and_loopback() {
    let config = Config::built_in().unwrap();
    assert!(config.grpc.listen.ip().is_loopback());
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.store, EmbeddedOptions::default());
}

#[test]
fn environment_wins_over_file_over_defaults() {
    let file = "[grpc]\nlisten = '127.0.0.1:1'\n[limits]\ntext_bytes_max = 64\n";
    let config =
        load(file, &[("TRACEGATE_GRPC_LISTEN", "127.0.0.1:2"), ("TRACEGATE_POLICY_FILES", "a.toml, b.toml")]);
    let config = config.unwrap();
    assert_eq!(config.grpc.listen.port(), 2);
    assert_eq!(config.limits.text_bytes_max, 64);
    assert_eq!(config.policy_files, [PathBuf::from("a.toml"), PathBuf::from("b.toml")]);
}

#[test]
fn every_mistake_is_reported_at_once() {
    let file = "[grpc]\nlisten = 'nowhere'\nlissten = 'x'\n[limits]\ntext_bytes_max = 'many'\n[nope]\na = 1\n[log]\nformat = 'xml'\n[shutdown]\ndrain_seconds_max = 0\n";
    let ConfigError(mistakes) = load(file, &[("TRACEGATE_GRPC_REFLECTION", "perhaps")]).unwrap_err();
    for part in [
        "grpc.lissten",
        "limits.text_bytes_max",
        "[nope]",
        "grpc.listen:",
        "log.format",
        "drain_seconds_max",
        "TRACEGATE_GRPC_REFLECTION",
    ] {
        assert!(mistakes.iter().any(|m| m.contains(part)), "{part} in {mistakes:#?}");
    }
}

#[test]
fn a_collector_needs_a_build_that_can_send_to_it_and_a_plain_address() {
    let check = |endpoint: &str, part: &str| {
        let file = format!("[telemetry]\notlp_endpoint = '{endpoint}'\n");
        let ConfigError(mistakes) = load(&file, &[]).unwrap_err();
        let [mistake] = mistakes.as_slice() else { panic!("{mistakes:?}") };
        assert!(mistake.starts_with("telemetry.otlp_endpoint: ") && mistake.contains(part), "{mistake}");
    };
    if CAN_TRACE {
        for endpoint in ["https://collector:4317", "collector:4317", "http://", "http://a b"] {
            check(endpoint, "http://127.0.0.1:4317");
        }
        let config = load("[telemetry]\notlp_endpoint = 'http://127.0.0.1:4317'\n", &[]).unwrap();
        assert_eq!(config.traces.endpoint.as_deref(), Some("http://127.0.0.1:4317"));
    } else {
        check("http://127.0.0.1:4317", "--features otlp");
    }
    let ConfigError(mistakes) = load("[telemetry]\nsampled_per_mille = 1001\n", &[]).unwrap_err();
    assert!(mistakes[0].contains("telemetry.sampled_per_mille"), "{mistakes:?}");
    assert_eq!(Config::built_in().unwrap().traces.endpoint, None);
}

#[test]
fn a_ledger_in_redis_is_a_setting() {
    assert_eq!(Config::built_in().unwrap().redis, None);
    let file = "[store]\nurl = 'redis-cluster://a:1,b:2'\n[redis]\ncommit_milliseconds_max = 900\n";
    let redis = load(file, &[]).unwrap().redis.unwrap();
    assert_eq!(redis.commit_max, Duration::from_millis(900));
    assert_eq!((redis.init_codes, redis.allow_volatile, redis.reconcile), (None, false, true));
    let ConfigError(mistakes) = load("[store]\nurl = 'postgres://a'\n", &[]).unwrap_err();
    assert!(mistakes.iter().any(|mistake| mistake.starts_with("store.url: ")), "{mistakes:?}");
}
