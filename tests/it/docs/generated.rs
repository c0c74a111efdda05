//! Pages that are made from the product: reason codes, what the doctor finds, settings, the command line.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use tollgate::ext_authz;
use tollgate::terms::{Kind, Reason};
use tollgate::verdict::Verdict;

use super::page::root;

pub(super) const MADE: &str =
    "<!-- Made by tests/it/docs/generated.rs: edit what it is made from, then run `make docs`. -->\n";

/// Compares a page with what it should be, or writes it where `UPDATE_DOCS=1` is set.
#[track_caller]
pub(super) fn compare(path: &str, text: &str) {
    let file = root().join(path);
    if std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1") {
        fs::write(file, text).unwrap();
        return;
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    let differs = found.lines().zip(text.lines()).position(|(a, b)| a != b);
    let line = differs.unwrap_or_else(|| found.lines().count().min(text.lines().count())) + 1;
    assert!(
        found == text,
        "{path} is not what the product says, from line {line} on: run `make docs`, \
         which is `UPDATE_DOCS=1 cargo test --test it docs::`"
    );
}

#[test]
fn the_page_of_reasons_is_made_from_their_table() {
    compare("docs/reasons.md", &reasons());
}

#[test]
fn the_page_of_commands_is_made_from_the_command_line() {
    compare("docs/cli.md", &commands());
}

#[test]
fn the_page_of_configuration_is_made_from_the_settings() {
    compare("docs/configuration.md", &configuration());
}

#[test]
fn the_page_of_the_doctor_is_made_from_its_codes() {
    compare("docs/doctor.md", &doctor());
}

fn doctor() -> String {
    let mut page = format!("# What the doctor finds\n\n{MADE}\n{DOCTOR_INTRODUCTION}");
    let families =
        [("istio.", "Istio"), ("envoy-gateway.", "Envoy Gateway"), ("envoy.", "Envoy"), ("kubernetes.", "Kubernetes")];
    let mut count = 0;
    for (prefix, heading) in families {
        writeln!(page, "\n## {heading}").unwrap();
        for code in tollgate::attach::doctor::codes().filter(|code| code.name.starts_with(prefix)) {
            let (severity, says) = (sentence(code.severity.as_str()), sentence(code.says));
            writeln!(page, "\n### {}\n\n*{severity}*: {says}. {}", code.name, code.happens).unwrap();
            writeln!(page, "\nTo mend it, {}.", code.mend).unwrap();
            count += 1;
        }
    }
    assert_eq!(count, tollgate::attach::doctor::codes().count(), "every code is of a family");
    page
}

/// With a capital letter at its beginning.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn configuration() -> String {
    let mut page = format!("# Configuration\n\n{MADE}\n{CONFIGURATION_INTRODUCTION}");
    page.push_str("\n| key | what it is | default |\n| --- | --- | --- |\n");
    for setting in tollgate::config::SETTINGS {
        let default = setting.default.map_or_else(String::new, |default| format!("`{default}`"));
        let secret = if setting.disclosed == tollgate::config::Disclosed::Masked { " Secret." } else { "" };
        let key = format!("`{}` *{}*", setting.key(), setting.value_name);
        writeln!(page, "| {key} | {}.{secret} | {default} |", setting.help().replace('|', "\\|")).unwrap();
    }
    page
}

fn reasons() -> String {
    let mut page = format!("# Reasons\n\n{MADE}\n{REASONS_INTRODUCTION}");
    page.push_str("\n| code | verdict | HTTP | gRPC | what the client is told |\n| --- | --- | --- | --- | --- |\n");
    for reason in Reason::ALL {
        let (http, grpc) = ext_authz::statuses(reason.kind());
        let http = if reason.kind() == Kind::Error { format!("{http}¹") } else { http.to_string() };
        let (code, verdict, detail) = (reason.code(), Verdict::from(*reason), reason.detail());
        writeln!(page, "| `{code}` | {verdict} | {http} | {} | {detail} |", grpc_name(grpc)).unwrap();
    }
    page.push_str(REASONS_END);
    page
}

/// As gRPC's own documentation writes it: `PERMISSION_DENIED`.
fn grpc_name(code: tonic::Code) -> String {
    let mut name = String::new();
    for (index, letter) in format!("{code:?}").chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            name.push('_');
        }
        name.extend(letter.to_uppercase());
    }
    name
}

const DOCTOR_INTRODUCTION: &str = "\
Most mistakes of an attachment are valid configuration: nothing is refused, nothing is logged, and requests pass unjudged, are
all refused, or are judged less well than is meant. `tollgate doctor` knows these mistakes and looks for them in manifests, as
they are in Git, rendered, or in the cluster, and in the configuration of an Envoy:

```sh
set -o pipefail
kubectl get -A -o yaml services,deployments,statefulsets,daemonsets,configmaps,networkpolicies,namespaces,authorizationpolicies.security.istio.io,\\
envoyfilters.networking.istio.io,sidecars.networking.istio.io,serviceentries.networking.istio.io,gateways.gateway.networking.k8s.io \\
| tollgate doctor -                                           # with Istio
kubectl get -A -o yaml services,deployments,statefulsets,configmaps,networkpolicies,gateways.gateway.networking.k8s.io,httproutes,referencegrants,\\
securitypolicies,envoyextensionpolicies,clienttrafficpolicies,envoyproxies,backendtlspolicies \\
| tollgate doctor -                                           # with Envoy Gateway
helm template tollgate deploy/helm/tollgate -f values.yaml | tollgate doctor -
curl -sf localhost:9901/config_dump | tollgate doctor -       # an Istio proxy has 15000, Envoy Gateway's Envoy 19000
```

Where Argo Rollouts make pods, `rollouts.argoproj.io` is one more kind.

Files and folders are named instead of `-`; everything that is named is looked at together, and the more there is of it, the
more can be told: the mesh configuration beside the policies that name its providers, the routes beside the policies at them,
Tollgate's own policies beside all of it.

```console
$ tollgate doctor deploy/envoy/plain.yaml
nothing was found in what was looked at
looked at: 1 configuration of Envoy
```

What is read: objects of Kubernetes in YAML or JSON, also in a `List`; Istio's mesh configuration, as the ConfigMap `istio`, in an
`IstioOperator` or `Istio` object, or as values of its chart; Envoy's configuration, as the file that it starts with, in a ConfigMap, or
as `/config_dump` of its admin port, that of an Istio proxy and of Envoy Gateway's Envoy too. A template is not read: render it first.

It claims nothing beyond what it looked at. Where something cannot be told from what was given, it says so (`not told:`) and
counts that as nothing found. It ends with how many documents of which kinds were looked at, and in which it looks for nothing.
At most 512 MiB are looked at together.
Where several attachments are there and some of them mention `tollgate`, the others are taken for somebody else's.

| status | when |
| --- | --- |
| 0 | nothing was found |
| 1 | an error or a warning was found |
| 2 | the command line makes no sense |
| 3 | something could not be read, and what could be was looked at; or nothing was there to be looked at |

An *error* is a gate that is off, open or refuses everything. A *warning* is a gate that is weaker or more fragile than is meant. A
*note* is good to know and counts as nothing found. What is known and accepted is named with `--allow CODE`, all warnings with
`--allow warnings`. `--output json` says the same for programs. A code never changes its meaning.
";

const CONFIGURATION_INTRODUCTION: &str = "\
Every setting of `tollgate serve` has three names: `maxCheckTime` in a file is `TOLLGATE_MAX_CHECK_TIME` in the environment and
`--max-check-time` on the command line. The command line wins over the environment, and that over the file, which
`--config` or `TOLLGATE_CONFIG` names:

```yml
# /etc/tollgate/tollgate.yaml
policies: /etc/tollgate/policies
listen: [\"0.0.0.0:9000\", \"unix:/run/tollgate/tollgate.sock\"]
tls: /etc/tollgate/tls
tlsClientCa: /etc/tollgate/tls/ca.crt
tlsClientSan: [\"spiffe://cluster.local/ns/gateway/*\"]
maxCheckTime: 150ms
maxCheckBytes: 16MiB
```

What may be repeated is a list in the file, a text with commas between its parts in the environment, and a flag that stands several times on
the command line. Settings are read once, at the start; policies and certificates are followed while the process runs.

`tollgate config` takes the same settings and prints what would be in force, with the origin of each: the file with line and
column, the variable, the flag, or `default`. All that is wrong is said at once, and the exit status is 64:

```console
$ tollgate config --policies policies --max-check-time soon  # exits 64
```

What a process runs with, its admin port says: `curl 127.0.0.1:9901/config`. Secrets are shown as `***` everywhere.
";

const REASONS_INTRODUCTION: &str = "\
Every decision has one reason. Its code stands in the answer to the client (`reason`), in the proxy's access log (dynamic
metadata, unless `--answer-metadata` leaves it out), in the metric `tollgate_decisions_total`, in traces and in the ledger. A code never changes its meaning and is
never used again for another one.

Where several rules are against a call, the first of their reasons in this table wins; where some of the rules are only
observed, the first among those that are carried out. `receipt.unavailable` stands outside of this order: where a decision
must be on disk before it is answered and is not, that is the answer, whatever the rules say.
";

const REASONS_END: &str = "
¹ An error is no denial. By default Tollgate answers the proxy with a gRPC status, and what the client sees is the proxy's
choice: `status_on_error`, which [deploy/envoy/plain.yaml](../deploy/envoy/plain.yaml) sets to 503. With
`--error-answer error-response` the client gets 503 and a body with the reason, from Envoy 1.37 on.

A gRPC client gets the gRPC status in `grpc-status` and the text with the code in `grpc-message`. All others get the HTTP
status and `application/problem+json` (RFC 9457):

```json
{
  \"type\": \"urn:tollgate:reason:contract.none\",
  \"title\": \"Not granted\",
  \"status\": 403,
  \"detail\": \"no contract grants this action to everyone who stands behind the call\",
  \"reason\": \"contract.none\",
  \"next\": \"ask those who run this service for a contract, and name the receipt\",
  \"receipt\": \"01a20a74-593f-7527-b9cb-11641a1dc6eb\"
}
```

A 401 also has `www-authenticate`. For `assurance.required` it is the challenge of RFC 9470, with the classes and the age
that the tier demands: `Bearer error=\"insufficient_user_authentication\", …, acr_values=\"mfa phr\", max_age=\"300\"`.
";

fn commands() -> String {
    // A width and no values of the environment: the page is the same on every machine.
    let mut command = tollgate::cli::command().term_width(100);
    command.build();
    let mut page = format!("# The command line\n\n{MADE}\n{COMMANDS_INTRODUCTION}");
    section(&mut page, command.clone());
    for subcommand in command.get_subcommands().filter(|one| one.get_name() != "help") {
        section(&mut page, subcommand.clone());
        for one in subcommand.get_subcommands().filter(|one| one.get_name() != "help") {
            section(&mut page, one.clone());
        }
    }
    page
}

fn section(page: &mut String, command: clap::Command) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let mut command = command.term_width(100).mut_args(|arg| arg.hide_env_values(true));
    let help: Vec<_> = command.render_long_help().to_string().lines().map(|line| line.trim_end().to_owned()).collect();
    write!(page, "\n## {name}\n\n```text\n{}\n```\n", help.join("\n").trim_end()).unwrap();
}

const COMMANDS_INTRODUCTION: &str = "\
Results go to standard output, progress and errors to standard error. The exit status:

| status | meaning |
| --- | --- |
| 0 | good |
| 1 | something is not as it should be, and was said; or the command failed |
| 2 | the command line makes no sense |
| 3 | could not tell: the policies cannot be read |
| 64 | `serve`: a setting makes no sense |

Every option of `serve` can also be given in the environment, by the name that stands behind it in brackets, and in a file:
[configuration.md](configuration.md).
";

/// What is quoted and copied from is what the command prints.
#[test]
fn the_shipped_configurations_of_envoy_are_made_by_the_command() {
    for (file, args) in [
        ("plain.yaml", "--host tollgate.internal"),
        ("mtls.yaml", "--host tollgate.internal --tls both --only cluster"),
        ("unix-socket.yaml", "--socket /run/tollgate/tollgate.sock --only cluster"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        let output = command.args(["attach", "envoy"]).args(args.split(' ')).output().unwrap();
        compare(&format!("deploy/envoy/{file}"), &String::from_utf8(output.stdout).unwrap());
    }
}
