//! Settings: what wins, what is refused, and how it is said.

use super::*;
use crate::ext_authz::{AnswerMetadata, HeaderRemoval};
use crate::yaml::SourceFile;

fn layers(file: &str) -> (Layers, Problems) {
    let mut problems = Problems::default();
    let mut layers = Layers::new(SETTINGS);
    layers.read(SourceFile { name: "t.yaml".into(), text: file.into() }, &mut problems);
    (layers, problems)
}

fn read(file: &str) -> Result<Config, Vec<String>> {
    let (layers, problems) = layers(file);
    Config::try_new(&layers, problems, |_| true).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn refused(file: &str, said: &[&str]) {
    assert_eq!(read(file).err().unwrap_or_default(), said, "{file}");
}

#[test]
fn what_is_not_set_is_as_it_is_by_default() {
    let config = read("policies: /p\n").unwrap();
    assert_eq!(config.listen, ["0.0.0.0:9000".parse().unwrap()]);
    assert_eq!(config.transport.max_message, 16 << 20);
    assert_eq!(config.admin, Some(([127, 0, 0, 1], 9901).into()));
    assert!(config.tls.is_none() && config.decisions.is_none() && config.traces.is_none());
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let (mut layers, problems) = layers("policies: /p\npoliciesPoll: 2s\nmaxStall: 3s\ndrainDelay: 4s\n");
    let environment = || Origin::Environment("TOLLGATE_X".into());
    layers.set("maxStall".into(), vec!["5s".into()], environment());
    layers.set("drainDelay".into(), vec!["6s".into()], environment());
    layers.set("drainDelay".into(), vec!["7s".into()], Origin::CommandLine("--drain-delay".into()));
    let config = Config::try_new(&layers, problems, |_| true).unwrap();
    let seconds = [config.policies.poll, config.max_stall, config.drain.delay].map(|time| time.as_secs());
    assert_eq!(seconds, [2, 5, 7]);
    let origin = |name: &str| {
        let found = config.effective.iter().find(|one| one.setting == name).unwrap();
        format!("{} {}", found.value.as_deref().unwrap_or("-"), found.origin)
    };
    assert_eq!(origin("policiesPoll"), "2s t.yaml:2:15");
    assert_eq!(origin("maxStall"), "5s TOLLGATE_X");
    assert_eq!(origin("drainDelay"), "7s --drain-delay");
    assert_eq!(origin("drainTimeout"), "30s default");
    assert_eq!(origin("tls"), "- default");
}

#[test]
fn a_wrong_key_is_refused_and_named() {
    refused(
        "policies: /p\nmaxChekTime: 1s\n",
        &["t.yaml:2:1: there is no setting `maxChekTime`; help: did you mean `maxCheckTime`?"],
    );
    refused(
        "policies: /p\nzzzzzzzz: 1\n",
        &["t.yaml:2:1: there is no setting `zzzzzzzz`; help: `tollgate serve --help` lists all of them"],
    );
    refused(
        "policies: /p\npolicies: /q\n",
        &["t.yaml:2:1: the key `policies` stands here twice (it stands here first: t.yaml:1:1)"],
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    refused(
        "listen: [1.2.3.4, \"unix:x\"]\nmaxCheckTime: soon\nmaxCheckBytes: 1KiB\nsocketMode: [1]\nworkers: 0\n",
        &[
            "--policies must be set; help: or `TOLLGATE_POLICIES` in the environment, or `policies` in the file that `--config` names",
            "t.yaml:1:9: `listen` `1.2.3.4` is neither `IP:PORT` nor `unix:/path`",
            "t.yaml:2:15: `maxCheckTime` `soon` is no time, such as `150ms`, `10s` or `5m`",
            "t.yaml:4:13: `socketMode` is a text",
        ],
    );
    refused(
        "policies: /p\nmaxCheckBytes: 1KiB\nworkers: 0\ntlsClientCa: /ca\nadmin: 0.0.0.0:9901\nlogLevel: \"a=b=c\"\n",
        &[
            "t.yaml:2:16: `maxCheckBytes` is at least 64KiB: headers alone may have as much",
            "t.yaml:3:10: `workers` is between 1 and 256",
            "t.yaml:4:14: `tlsClientCa` needs `tls`: without it ports are plain",
            "t.yaml:5:8: `admin` is an address of this machine only, such as `127.0.0.1:9901`: it asks nobody who he is",
            "t.yaml:6:11: `logLevel` is neither a level nor a filter",
        ],
    );
}

#[test]
fn names_of_clients_need_authorities_to_vouch_for_them() {
    refused(
        "policies: /p\ntls: /t\ntlsClientSan: envoy.test\n",
        &["t.yaml:3:15: `tlsClientSan` needs `tlsClientCa`: without it clients show no certificate"],
    );
    let config =
        read("policies: /p\ntls: /t\ntlsClientCa: /ca\ntlsClientSan: [envoy.test, \"spiffe://a/*\"]\n").unwrap();
    assert_eq!(config.tls.unwrap().allowed.len(), 2);
}

#[test]
fn a_collector_over_tls_needs_authorities_and_another_one_none() {
    refused("policies: /p\notlpCa: /ca\n", &["t.yaml:2:9: `otlpCa` needs `otlpEndpoint`"]);
    refused(
        "policies: /p\notlpEndpoint: http://c:4317\notlpCa: /ca\n",
        &["t.yaml:3:9: `otlpCa` needs `https://` in `otlpEndpoint`: without it nothing is proven"],
    );
    refused(
        "policies: /p\notlpEndpoint: https://c:4317\n",
        &[
            "t.yaml:2:15: `otlpEndpoint` with `https://` needs `otlpCa`, the file with the authorities to believe; public ones mostly stand in `/etc/ssl/certs/ca-certificates.crt`",
        ],
    );
    let config = read("policies: /p\notlpEndpoint: https://c:4317\notlpCa: /ca\n").unwrap();
    assert_eq!(config.traces.unwrap().authorities, Some("/ca".into()));
}

#[test]
fn a_secret_is_never_shown() {
    let config =
        read("policies: /p\notlpEndpoint: http://c:4317\notlpHeader: [\"authorization=Bearer hunter2\"]\n").unwrap();
    let shown = format!("{config:?} {}", serde_json::to_string(&config.effective).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("***"));
    assert_eq!(config.traces.unwrap().headers[0].1.expose(), "Bearer hunter2");
}

#[test]
fn a_folder_that_is_not_there_is_refused() {
    let (layers, problems) = layers("policies: /nowhere\n");
    let problems = Config::try_new(&layers, problems, |_| false).unwrap_err();
    assert_eq!(problems.to_string(), "t.yaml:1:11: `policies` is `/nowhere`, which is not there");
}

#[test]
fn each_setting_has_three_names() {
    let all: Vec<_> = SETTINGS.iter().map(|one| (one.flag(), one.variable(), one.key())).collect();
    let names = ("max-check-time".to_owned(), "TOLLGATE_MAX_CHECK_TIME".to_owned(), "maxCheckTime".to_owned());
    assert!(all.contains(&names), "{all:?}");
}

#[test]
fn how_much_is_asked_of_envoy_is_set_here() {
    let shorter = |config: &Config| (config.check.removal, config.check.metadata);
    let config = read("policies: /p\n").unwrap();
    assert_eq!(shorter(&config), (HeaderRemoval::Known, AnswerMetadata::All));
    let config = read("policies: /p\nheaderRemoval: seen\nanswerMetadata: receipt\n").unwrap();
    assert_eq!(shorter(&config), (HeaderRemoval::Seen, AnswerMetadata::Receipt));
}
