//! The image: what is in its root filesystem, and that the program runs in it as the chart has it run.
//!
//! There is no container engine here, and none is needed: `scripts/rootfs` assembles what `deploy/image/Containerfile` ships, and
//! `confine.py` runs it in namespaces. Where the kernel allows none this fails, and says so. What only an engine can show (seccomp, limits)
//! is not tried. The binary is the one that tests have, so its size is not that of a release.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use tempfile::TempDir;

use crate::process::Process;
use crate::support::{Ask, SERVING, Seen, seen, shipped};

const TOLLGATE: &str = env!("CARGO_BIN_EXE_tollgate");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn assemble(binary: &Path, tar: &Path) {
    let mut command = Command::new(root().join("scripts/rootfs"));
    let output = command.arg(binary).arg(tar).env("SOURCE_DATE_EPOCH", "1700000000").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Mode and owners by path, as `tar` lists them.
fn listed(tar: &Path) -> BTreeMap<String, (String, String)> {
    let mut command = Command::new("tar");
    let output = command.args(["--numeric-owner", "--full-time", "-tvf"]).arg(tar).env("TZ", "UTC").output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let entry = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [mode, owners, _, date, time, path] = words[..] else { panic!("{line}") };
        assert_eq!((date, time), ("2023-11-14", "22:13:20"), "{line}");
        (path.to_owned(), (mode.to_owned(), owners.to_owned()))
    };
    text.lines().map(entry).collect()
}

/// The root filesystem as an engine unpacks it, with the place where policies are mounted.
fn unpacked() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let (tar, unpacked) = (folder.path().join("rootfs.tar"), folder.path().join("root"));
    assemble(Path::new(TOLLGATE), &tar);
    fs::create_dir(&unpacked).unwrap();
    let done =
        Command::new("tar").arg("-xpf").arg(&tar).arg("--no-same-owner").arg("-C").arg(&unpacked).status().unwrap();
    assert!(done.success());
    fs::create_dir_all(unpacked.join("etc/tollgate/policies")).unwrap();
    (folder, unpacked)
}

#[test]
fn the_image_holds_one_program_its_libraries_and_no_shell() {
    let folder = TempDir::new().unwrap();
    let tar = folder.path().join("rootfs.tar");
    assemble(Path::new(TOLLGATE), &tar);
    let listed = listed(&tar);
    let of = |path: &str| listed.get(path).map(|(mode, owners)| (mode.as_str(), owners.as_str()));
    assert_eq!(of("./usr/bin/tollgate"), Some(("-rwxr-xr-x", "0/0")));
    assert_eq!(of("./var/lib/tollgate/"), Some(("drwx------", "65532/65532")));
    assert_eq!(of("./run/tollgate/"), Some(("drwxr-x---", "65532/65532")));
    for file in ["./etc/passwd", "./etc/group", "./etc/nsswitch.conf", "./etc/ssl/certs/ca-certificates.crt"] {
        assert_eq!(of(file), Some(("-rw-r--r--", "0/0")), "{file}");
    }
    let is_writable_by_all = |mode: &str| mode.as_bytes()[5] == b'w' || mode.as_bytes()[8] == b'w';
    let is_privileged = |mode: &str| mode.contains(['s', 'S', 't', 'T']) || !mode.starts_with(['-', 'd']);
    for (path, (mode, owners)) in &listed {
        assert!(!is_writable_by_all(mode) && !is_privileged(mode), "{path} {mode}");
        let is_ours = ["./var/lib/tollgate/", "./run/tollgate/"].contains(&path.as_str());
        assert_eq!(owners == "0/0", !is_ours, "{path} {owners}");
    }
    let programs =
        listed.iter().filter(|(_, (mode, _))| mode.starts_with('-') && mode.contains('x')).map(|(path, _)| path);
    let (libraries, programs): (Vec<_>, Vec<_>) = programs.partition(|path| path.contains(".so"));
    assert_eq!(programs, ["./usr/bin/tollgate"], "nothing else can be run");
    assert!(libraries.len() <= 6, "few libraries: {libraries:?}");
    // Of a release, the program alone is a tenth of this.
    println!(
        "the root filesystem around a binary with debug information has {} MiB",
        fs::metadata(&tar).unwrap().len() >> 20
    );
}

#[test]
fn the_same_binary_makes_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let [one, other] = ["one.tar", "other.tar"].map(|name| folder.path().join(name));
    // A program that is there everywhere, with libraries of its own.
    let program = folder.path().join("program");
    fs::copy("/bin/true", &program).unwrap();
    assemble(&program, &one);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    assemble(&program, &other);
    assert!(fs::read(&one).unwrap() == fs::read(&other).unwrap());
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "nothing is left behind: {left:?}");
}

/// A Tollgate in its root filesystem.
fn confined(unpacked: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.arg(root().join("tests/it/image/confine.py")).arg(unpacked).arg(shipped()).arg("/usr/bin/tollgate");
    command.args([
        "serve",
        "--policies",
        "/etc/tollgate/policies",
        "--listen",
        "127.0.0.1:0",
        "--health",
        "127.0.0.1:0",
    ]);
    command.args(["--metrics", "127.0.0.1:0", "--admin", "off", "--drain-delay", "0s"]).args(arguments);
    command
}

/// What the kernel says of the process: first word of each line, and the rest.
fn status(process: u32) -> BTreeMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(name, rest)| (name.to_owned(), rest.trim().to_owned())).collect()
}

#[tokio::test]
async fn it_runs_without_any_privilege_on_a_read_only_root_and_ends_well() {
    let (_folder, unpacked) = unpacked();
    // Where nothing is allowed, that is the finding, and it is said in full.
    let probe = confined(&unpacked, &["--help"]).output().unwrap();
    let said = String::from_utf8_lossy(&probe.stderr);
    assert!(
        probe.status.code() != Some(77),
        "{said}this needs a kernel that lets users make namespaces; on Ubuntu: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    );
    assert!(probe.status.success(), "{said}");

    let mut process = Process::start(&mut confined(&unpacked, &["--ledger", "/var/lib/tollgate/ledger"]));
    process.line("ready", |line| line["message"] == "ready");
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", process.id())).unwrap();
    let child = children.trim().parse().unwrap();
    let status = status(child);
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status[set], "0000000000000000", "{set}");
    }
    assert_eq!((status["NoNewPrivs"].as_str(), status["NSpid"].split('\t').next_back()), ("1", Some("1")));
    let users = fs::read_to_string(format!("/proc/{child}/uid_map")).unwrap();
    assert_eq!(users.split_whitespace().next(), Some("65532"));

    let health = format!("http://{}", process.address("health"));
    let endpoint = tonic::transport::Endpoint::from_shared(health).unwrap();
    let mut asked = tonic_health::pb::health_client::HealthClient::new(endpoint.connect().await.unwrap());
    let request = tonic_health::pb::HealthCheckRequest { service: "readiness".into() };
    assert_eq!(asked.check(request).await.unwrap().into_inner().status, SERVING);
    let address = format!("http://{}", process.address("ext_authz"));
    let mut client = AuthorizationClient::connect(address).await.unwrap();
    // One of them is recorded on disk before it is answered.
    for ask in [Ask::order(), Ask::reset(0)] {
        let answer = client.check(ask.to_wire()).await.map(tonic::Response::into_inner);
        assert_eq!(seen(&answer), Seen::Allowed);
    }
    process.terminate();
    let (status, log) = process.ended();
    assert_eq!(status, Some(0), "{log:#?}");
    assert_eq!(log.last().unwrap()["message"], "ended");
}

#[test]
fn it_can_write_nowhere_but_to_its_volumes() {
    let (_folder, unpacked) = unpacked();
    for ledger in ["/ledger", "/etc/tollgate/policies/ledger", "/usr/ledger"] {
        let output = confined(&unpacked, &["--ledger", ledger]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains("Read-only file system"), "{ledger}: {said}");
    }
}
