//! `tollgate attach`: what is printed for which flags, what is refused, and that the chart renders the same.

mod names;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What the command prints, says, and ends with.
fn attach(args: &[&str]) -> (String, String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_tollgate")).arg("attach").args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
}

#[track_caller]
fn printed(line: &str) -> String {
    let (printed, said, status) = attach(&line.split(' ').collect::<Vec<_>>());
    assert_eq!(status, Some(0), "{line}: {said}");
    printed
}

#[track_caller]
fn prints(line: &str, parts: &[&str], not: &[&str]) {
    let printed = printed(line);
    for part in parts {
        assert!(printed.contains(part), "{line}: {part:?} is not in\n{printed}");
    }
    for part in not {
        assert!(!printed.contains(part), "{line}: {part:?} is in\n{printed}");
    }
}

#[test]
fn istio_has_a_policy_and_a_provider_or_a_filter() {
    let never = ["operation: ADD", "filterClass", "failOpen: true", "failure_mode_allow: true"];
    let provider = ["kind: AuthorizationPolicy", "action: CUSTOM", "name: tollgate-app-orders\n", "app: orders"];
    let fragment = ["#       envoyExtAuthzGrpc:", "#         timeout: 250ms", "#         statusOnError: \"503\""];
    let line = "istio -n shop --selector app=orders";
    prints(line, &[provider.as_slice(), &fragment].concat(), &[never.as_slice(), &["EnvoyFilter"]].concat());
    let filter = [
        "kind: EnvoyFilter",
        "context: SIDECAR_INBOUND",
        "operation: INSERT_BEFORE",
        "name: envoy.filters.http.router",
        "{ cluster_name: outbound|9000||tollgate.tollgate-system.svc.cluster.local, authority: tollgate.tollgate-system.svc.cluster.local }",
        "timeout: 0.25s",
        "status_on_error: { code: ServiceUnavailable }",
        "encode_raw_headers: true",
        "metadata_context_namespaces: [envoy.filters.http.jwt_authn]",
        "validate_mutations: false",
        "path_with_escaped_slashes_action: REJECT_REQUEST",
    ];
    let not = ["AuthorizationPolicy", "envoyExtAuthzGrpc"];
    prints(&format!("{line} --mode envoy-filter"), &filter, &[never.as_slice(), &not].concat());
}

#[test]
fn what_is_seldom_meant_is_printed_with_a_warning() {
    let said = |line: &str| {
        let (printed, said, status) = attach(&line.split(' ').collect::<Vec<_>>());
        assert!(status == Some(0) && printed.contains("apiVersion"), "{line}: {said}");
        said
    };
    let line = "istio -n shop --selector app=orders";
    assert_eq!(said(line), "");
    let late = "warning: Envoy waits 100ms, and Tollgate takes up to 150ms: set its --max-check-time below that\n";
    assert_eq!(said(&format!("{line} --timeout 100ms")), late);
    let unserved = "warning: with --ext-proc everything is 503";
    let gateway = "envoy-gateway -n shop --route orders";
    assert!(said(&format!("{gateway} --ext-proc")).starts_with(unserved));
    let both = said(&format!("{gateway} --ext-proc --timeout 150ms"));
    assert_eq!(both, format!("{}{}", late.replace("100ms", "150ms"), said(&format!("{gateway} --ext-proc"))));
}

#[test]
fn a_waypoint_is_named_and_never_selected() {
    let refs = ["targetRefs:\n    - group: gateway.networking.k8s.io\n      kind: Gateway\n      name: waypoint\n"];
    let both =
        [refs.as_slice(), &["annotate gateway waypoint ambient.istio.io/xfcc-include-client-identity=true"]].concat();
    prints("istio -n shop --waypoint waypoint", &both, &["selector:"]);
    // The tunnel around the requests has a connection manager and a router too, in a listener of another name.
    let listener = "context: SIDECAR_INBOUND\n        listener:\n          name: main_internal\n          filterChain:";
    let filter = [both.as_slice(), &[listener]].concat();
    let line = "istio -n shop --waypoint waypoint --mode envoy-filter --ext-proc";
    prints(line, &filter, &["workloadSelector:", "context: ANY"]);
    assert_eq!(printed(line).matches(listener).count(), printed(line).matches("applyTo:").count());
    let not = ["xfcc", "main_internal"];
    prints("istio -n edge --gateway public --mode envoy-filter", &["context: GATEWAY", "name: public"], &not);
}

#[test]
fn beside_an_application_a_socket_is_asked() {
    let parts = [
        "kind: ServiceEntry",
        "resolution: STATIC",
        "address: unix:///run/own/gate.sock",
        "service: shop/tollgate.local",
        "userVolumeMount: '[{\"name\":\"tollgate-socket\",\"mountPath\":\"/run/own\"}]'",
        "restartPolicy: Always",
        "- --listen=unix:/run/own/gate.sock",
        "supplementalGroups: [65532]",
    ];
    let line = "istio -n shop --selector app=orders --sidecar --socket /run/own/gate.sock";
    prints(line, &parts, &["DestinationRule"]);
    // A fragment alone is what it is a fragment of, without a comment before each line.
    let pod = printed(&format!("{line} --only pod"));
    assert!(pod.contains("\n      initContainers:\n        - name: tollgate\n") && !pod.contains("---"), "{pod}");
    assert!(printed(&format!("{line} --only provider")).contains("\nmeshConfig:\n"));
    assert!(printed(&format!("{line} --only objects")).starts_with("---\n"));
}

/// Whether `serve` takes them, `config` says.
#[test]
fn the_container_has_arguments_that_are_understood() {
    let pod = printed("istio -n shop --selector app=orders --sidecar --only pod");
    let arguments: Vec<_> = pod.lines().filter_map(|line| line.trim().strip_prefix("- --")).collect();
    assert!(arguments.len() >= 5, "{pod}");
    let arguments = arguments.iter().map(|one| format!("--{}", one.replace("/etc/tollgate/policies", "policies")));
    let output =
        Command::new(env!("CARGO_BIN_EXE_tollgate")).arg("config").args(arguments).current_dir(root()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn envoy_gateway_has_a_policy_and_what_it_needs() {
    let always = ["failOpen: false", "timeout: 250ms", "statusOnError: 503", "namespace: tollgate-system"];
    let routes = ["kind: HTTPRoute\n      name: orders", "kind: GRPCRoute\n      name: stock", "kind: ReferenceGrant"];
    let not = ["BackendTLSPolicy", "ClientTrafficPolicy", "headersToExtAuth:", "bodyToExtAuth"];
    prints("envoy-gateway -n shop --route orders --grpc-route stock", &[always.as_slice(), &routes].concat(), &not);
    prints(
        "envoy-gateway -n shop",
        &["name: tollgate-enforce\n", "targetSelectors:", "tollgate.dev/enforce: \"true\""],
        &not,
    );
    prints("envoy-gateway -n tollgate-system", &["kind: SecurityPolicy"], &["ReferenceGrant"]);
    let gateway = ["kind: ClientTrafficPolicy", "escapedSlashesAction: RejectRequest"];
    prints("envoy-gateway -n edge --gateway public", &gateway, &["EnvoyProxy"]);
    let tls = ["gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy", "hostname: tollgate.tollgate-system.svc\n"];
    prints("envoy-gateway -n edge --gateway public --no-client-traffic --tls", &tls, &["ClientTrafficPolicy"]);
    let beside = ["kind: EnvoyProxy", "kind: Backend", "path: /run/tollgate/tollgate.sock", "restartPolicy: Always"];
    prints("envoy-gateway -n edge --gateway public --sidecar", &beside, &["ReferenceGrant", "port: 9000"]);
}

#[test]
fn bodies_and_responses_are_handed_over_where_it_is_said() {
    let body = "with_request_body: { max_request_bytes: 4096, allow_partial_message: true, pack_as_bytes: true }";
    prints("envoy --max-request-bytes 4096", &[body], &["ext_proc"]);
    prints("envoy --max-request-bytes 0", &[], &["with_request_body"]);
    prints("envoy-gateway -n shop --max-request-bytes 4096", &["maxRequestBytes: 4096"], &[]);
    let later =
        ["envoy.filters.http.ext_proc", "This version of Tollgate answers no ext_proc", "failure_mode_allow: false"];
    prints("envoy --ext-proc", &[later.as_slice(), &["name: tollgate_ext_proc"]].concat(), &[]);
    prints("istio -n shop --ext-proc", &later, &[]);
    prints("envoy-gateway -n shop --ext-proc", &["EnvoyExtensionPolicy", "answers no ext_proc"], &[]);
}

#[test]
fn what_cannot_be_is_refused_and_says_why_and_what_instead() {
    for (line, parts) in [
        ("istio -n shop --sidecar", ["--sidecar without --selector", "name these pods by their labels"]),
        (
            "istio -n shop --sidecar --waypoint w",
            ["--sidecar without --selector", "only pods that have Tollgate in them"],
        ),
        ("istio -n tollgate-system", ["the whole namespace of Tollgate", "asked whether it may be asked"]),
        ("istio -n istio-system", ["holds for the whole mesh", "name a gateway"]),
        ("istio -n a --mode envoy-filter --except /x", ["the filter knows no paths", "use --mode provider"]),
        ("istio -n a --mode envoy-filter --provider x", ["names no provider", "leave one of them out"]),
        (
            "istio -n a --mode envoy-filter --only provider",
            ["--only provider with --mode envoy-filter", "asks Tollgate itself"],
        ),
        ("istio -n a --only pod", ["--only pod without --sidecar", "add --sidecar"]),
        ("istio -n a --selector a=b --waypoint w", ["cannot be used with", "--waypoint"]),
        ("istio -n a --selector a=b --selector a=c", ["two values of one label", "another run"]),
        ("istio -n a --gateway-pods", ["required arguments were not provided", "--selector"]),
        ("istio -n a --except /v1/*", ["one exact path", "let more pass"]),
        ("istio -n a --timeout 0s", ["5ms to 60s", "without an end"]),
        ("istio -n a --selector app", ["a label is key=value", "--selector"]),
        ("istio -n A", ["lower-case letters", "--namespace"]),
        ("istio -n a\nkind: --selector a=b", ["lower-case letters", "--namespace"]),
        ("istio", ["required arguments were not provided", "--namespace"]),
        ("envoy --socket run/x", ["absolute path in a folder", "--socket"]),
        ("envoy --socket /x.sock", ["absolute path in a folder", "--socket"]),
        ("envoy --socket /run/t/x.sock --tls both", ["cannot be used with", "--tls"]),
        ("envoy --san a.b", ["required arguments were not provided", "--tls"]),
        ("envoy --port 0", ["0 is not in 1..=65535", "--port"]),
        ("envoy --host a:9000", ["an address, or names", "without a port"]),
        ("envoy --host 10.0.0.256", ["an address, or names", "--host"]),
        ("envoy --host ", ["an address, or names", "--host"]),
        ("envoy --tls both --san spiffe://a/b", ["an address, or names", "--san"]),
        ("envoy --max-request-bytes 64K", ["such as 65536 or 64KiB", "--max-request-bytes"]),
        ("envoy --cluster-domain 10.0.0.1", ["is no address", "--cluster-domain"]),
        ("envoy-gateway -n a --tls --san 10.0.0.1", ["is no address", "--san"]),
        ("envoy-gateway -n a --selector app=", ["a label without a value", "would go unjudged"]),
        ("istio -n a --selector a=b --sidecar --image ", ["a repository with a tag or a digest", "--image"]),
        ("istio -n a --label a=b --label a=c", ["two values of one label", "leave one of them out"]),
        ("envoy --label a=b", ["unexpected argument", "--label"]),
        ("envoy-gateway -n a --sidecar --tls", ["--sidecar with --tls", "no certificates"]),
        ("envoy-gateway -n a --route r --gateway g", ["cannot be used with", "--gateway"]),
        ("envoy-gateway -n a --no-client-traffic", ["required arguments were not provided", "--gateway"]),
    ] {
        let (printed, said, status) = attach(&line.split(' ').collect::<Vec<_>>());
        assert_eq!((status, printed.as_str()), (Some(2), ""), "{line}: {said}");
        for part in parts {
            assert!(said.contains(part), "{line}: {part:?} is not in {said}");
        }
    }
}

/// The container that is printed has no settings for them.
#[test]
fn beside_an_application_the_bounds_are_those_of_serve() {
    for (flag, key) in [("--timeout", "maxCheckTime"), ("--max-request-bytes", "maxCheckBytes")] {
        let setting = tollgate::config::SETTINGS.iter().find(|one| one.key() == key).unwrap();
        let line = format!("istio -n a --selector a=b --sidecar {flag} {}", setting.default.unwrap());
        let (_, said, status) = attach(&line.split(' ').collect::<Vec<_>>());
        assert!(
            status == Some(2) && said.contains(&format!("--{}, {}", setting.flag(), setting.default.unwrap())),
            "{said}"
        );
    }
    printed("istio -n a --selector a=b --sidecar --timeout 151ms --max-request-bytes 16777215");
}

#[test]
fn an_address_is_proven_as_an_address_and_a_name_as_a_name() {
    let address = ["- san_type: IP_ADDRESS\n", "matcher: { exact: 10.0.0.7 }"];
    let both = [address.as_slice(), &["address: 10.0.0.7, port_value"]].concat();
    prints("envoy --host 10.0.0.7 --tls server", &both, &["sni: 10", "san_type: DNS\n"]);
    prints("envoy --host [fd00::7] --tls both", &["IP_ADDRESS", "{ exact: fd00::7 }"], &["sni: \"fd"]);
    let name = ["sni: a.internal\n", "- san_type: DNS\n", "matcher: { exact: a.internal }"];
    prints("envoy --host 10.0.0.7 --tls server --san a.internal", &name, &["IP_ADDRESS"]);
    prints("envoy --host a.internal --tls server --san 10.0.0.7", &address, &["sni: 10", "sni: a.internal"]);
}

/// What Helm prints for a chart; the one of the tools, or that of `TOLLGATE_HELM`.
#[track_caller]
fn helm(chart: &Path, args: &[&str]) -> Result<String, String> {
    let helm = std::env::var_os("TOLLGATE_HELM").map_or_else(|| root().join(".tools/helm"), PathBuf::from);
    let output = Command::new(&helm)
        .args(["template", "rel"])
        .arg(chart)
        .args(["--namespace", "tollgate-system"])
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("cannot run {} ({error}): `make helm` puts it there", helm.display()));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn chart() -> PathBuf {
    root().join("deploy/helm/tollgate")
}

/// The values of a form, as the chart's own tests have them.
fn values(form: &str) -> String {
    chart().join(format!("ci/attach-{form}-values.yaml")).display().to_string()
}

/// The documents of what Helm printed that are attachments.
fn of_the_chart(text: &str) -> BTreeSet<String> {
    let documents = text.split("---\n").filter_map(|document| {
        let (source, document) = document.split_once('\n')?;
        source.contains("/templates/attach/").then(|| document.trim().to_owned())
    });
    documents.collect()
}

/// The chart says about itself in labels what a person would say with flags.
fn labels() -> Vec<String> {
    let about = fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    let value = |key: &str| {
        let value = about.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        value.trim().trim_matches('"').to_owned()
    };
    let (version, app) = (value("version: "), value("appVersion: "));
    ["app.kubernetes.io/instance=rel".to_owned(), "app.kubernetes.io/managed-by=Helm".to_owned()]
        .into_iter()
        .chain([format!("app.kubernetes.io/version={app}"), format!("helm.sh/chart=tollgate-{version}")])
        .flat_map(|label| ["--label".to_owned(), label])
        .collect()
}

/// What the command prints for the same release.
#[track_caller]
fn of_the_command(line: &str) -> String {
    let line = format!("{line} --service rel-tollgate {}", labels().join(" "));
    printed(&line)
}

/// The same documents, byte for byte. Not those of these kinds.
#[track_caller]
fn the_same(form: &str, lines: &[&str], but: &[&str]) {
    let kept = |document: &String| !but.iter().any(|kind| document.contains(&format!("\nkind: {kind}\n")));
    let rendered = helm(&chart(), &["--values", &values(form)]).unwrap_or_else(|said| panic!("{form}: {said}"));
    let rendered: BTreeSet<_> = of_the_chart(&rendered).into_iter().filter(kept).collect();
    let printed: Vec<_> = lines.iter().map(|line| of_the_command(line)).collect();
    let printed = printed.iter().flat_map(|text| text.split("---\n").skip(1)).map(|text| text.trim().to_owned());
    assert_eq!(rendered, printed.filter(kept).collect(), "{form}");
}

#[test]
fn the_chart_and_the_command_make_the_same_objects() {
    the_same(
        "istio-provider",
        &[
            "istio --only objects -n shop --selector app.kubernetes.io/name=orders --except /healthz",
            "istio --only objects -n id",
        ],
        &[],
    );
    the_same(
        "istio-filter",
        &[
            "istio --mode envoy-filter --max-request-bytes 8192 -n shop --selector tier=1 --selector app=orders",
            "istio --mode envoy-filter --max-request-bytes 8192 -n istio-system --selector istio=ingressgateway --gateway-pods",
        ],
        &[],
    );
    the_same(
        "istio-gateways",
        &[
            "istio --mode envoy-filter --ext-proc -n edge --gateway public",
            "istio --mode envoy-filter --ext-proc -n shop --waypoint waypoint",
        ],
        &[],
    );
    let waypoint = "istio --only objects -n shop --waypoint waypoint --name gate-for-shop --provider gate --timeout 1s";
    the_same("istio-waypoint", &[waypoint], &[]);
    the_same(
        "envoy-gateway",
        &[
            "envoy-gateway --max-request-bytes 16384 -n shop --route orders --grpc-route stock",
            "envoy-gateway --max-request-bytes 16384 -n shop",
            "envoy-gateway --max-request-bytes 16384 -n edge --gateway public",
        ],
        &[],
    );
}

/// The container is the chart's own where the chart makes it: it knows more settings than the command.
#[test]
fn the_chart_and_the_command_make_the_same_objects_for_a_socket() {
    the_same("istio-sidecar", &["istio --only objects -n shop --selector app=orders --sidecar"], &[]);
    let gateway = "envoy-gateway -n edge --gateway public --no-client-traffic --sidecar";
    the_same("envoy-gateway-sidecar", &[gateway], &["EnvoyProxy"]);
}

#[test]
fn the_chart_and_the_command_make_the_same_configuration_of_a_plain_envoy() {
    let rendered = helm(&chart(), &["--values", &values("envoy")]).unwrap();
    let maps = of_the_chart(&rendered);
    let (_, text) = maps.first().unwrap().split_once("  envoy.yaml: |\n").unwrap();
    let text: String = text.lines().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect();
    // It is no object, so it has no labels.
    assert_eq!(text, printed("envoy --service rel-tollgate"));
}

/// What the chart puts into its notes is not among what it renders, so a copy of it renders that.
#[test]
fn the_chart_and_the_command_say_the_same_about_the_mesh_configuration() {
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("tollgate");
    let copied = Command::new("cp").arg("-r").args([&chart(), &copy]).status().unwrap();
    assert!(copied.success());
    let probe = "notes: |\n  {{- include \"tollgate.attach.notes\" . | nindent 2 }}\n";
    fs::write(copy.join("templates/probe.yaml"), probe).unwrap();
    for (form, line) in [
        ("istio-provider", Some("istio -n shop")),
        ("istio-waypoint", Some("istio -n shop --waypoint waypoint --provider gate --timeout 1s")),
        ("istio-sidecar", Some("istio -n shop --selector app=orders --sidecar")),
        ("istio-filter", None),
        ("envoy", None),
    ] {
        let args = ["--values", &values(form), "--show-only", "templates/probe.yaml"];
        let notes = helm(&copy, &args).unwrap_or_else(|said| panic!("{form}: {said}"));
        let Some(line) = line else {
            assert!(!notes.contains("meshConfig"), "{form}: {notes}");
            continue;
        };
        let fragment = of_the_command(&format!("{line} --only provider"));
        let fragment: Vec<_> = fragment.lines().map(|line| format!("      {line}")).collect();
        assert!(notes.contains(&fragment.join("\n")), "{form}: {}\n{notes}", fragment.join("\n"));
    }
}

#[test]
fn the_chart_refuses_what_cannot_be_with_a_sentence() {
    for (values, parts) in [
        ("istio: { enabled: true }", ["workloads is empty", "or turn it off"]),
        (
            "istio: { enabled: true, workloads: [{ namespace: tollgate-system }] }",
            ["asked whether it may be asked", "name a workload"],
        ),
        (
            "istio: { enabled: true, workloads: [{ namespace: istio-system }] }",
            ["holds for the whole mesh", "name a gateway"],
        ),
        (
            "istio: { enabled: true, workloads: [{ namespace: a, gateway: b, waypoint: c }] }",
            ["exclude each other", "namespace a"],
        ),
        ("istio: { enabled: true, workloads: [{ namespace: a, gatewayPods: true }] }", ["gatewayPods", "add selector"]),
        (
            "istio: { enabled: true, mode: envoyFilter, workloads: [{ namespace: a, exceptPaths: [/x] }] }",
            ["knows no paths", "change the mode"],
        ),
        (
            "istio: { enabled: true, mode: envoyFilter, provider: x, workloads: [{ namespace: a }] }",
            ["names no provider", "leave one of them out"],
        ),
        (
            "istio: { enabled: true, workloads: [{ namespace: a }, { namespace: a }] }",
            ["would be called rel-tollgate", "give one of them a `name`"],
        ),
        ("envoyGateway: { enabled: true }", ["workloads is empty", "or turn it off"]),
        (
            "envoyGateway: { enabled: true, workloads: [{ namespace: a, routes: [b], gateway: c }] }",
            ["exclude each other", "namespace a"],
        ),
        ("istio: { enabld: true }", ["enabld", "not allowed"]),
        ("timeout: 1s", ["timeout", "pattern"]),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), format!("attach:\n  {values}\n")).unwrap();
        let said = helm(&chart(), &["--values", file.path().to_str().unwrap()]).unwrap_err();
        for part in parts {
            assert!(said.contains(part), "{values}: {part:?} is not in {said}");
        }
    }
}
