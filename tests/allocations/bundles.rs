//! What a bundle holds, and what loading takes: bytes are counted, since what is resident depends on the machine.

use std::fmt::Write as _;
use std::fs;

use allocation_counter::{AllocationInfo, measure};
use tempfile::TempDir;
use tollgate::bundle::{self, Bundle};
use tollgate::sources;
use tollgate::yaml::SourceFile;

use crate::support::{DESK, shipped};

/// Ten thousand actions of a hundred services, two contracts for each service; a fifth of the actions has an input with
/// limits.
fn many() -> Vec<SourceFile> {
    let (mut services, mut contracts) = (String::new(), String::new());
    for service in 0..100 {
        let begin = |kind, name: &str| {
            format!("---\napiVersion: {}\nkind: {kind}\nmetadata: {{ name: {name} }}\n", bundle::API_VERSION)
        };
        let names: Vec<_> = (0..100).map(|n| (n, format!("area-{service}.kind-{n}"))).collect();
        services += &begin("Service", &format!("area-{service}"));
        services += "hosts: [api.shop.example]\nactions:\n";
        for (n, name) in &names {
            let (inputs, at) = match n % 5 {
                0 => (" inputs: { count: integer }, limit: { count: 100 },", ", at: { count: \"query:limit\" }"),
                _ => ("", ""),
            };
            let http = format!("GET /v1/area-{service}/kind-{n}/{{id}}");
            writeln!(services, "  {name}: {{ tier: personal,{inputs} routes: [{{ http: \"{http}\"{at} }}] }}").unwrap();
        }
        for (title, workload) in
            [("team", format!("spiffe://cluster.local/ns/team-{service}/sa/app")), ("desk", DESK.to_owned())]
        {
            contracts += &begin("Contract", &format!("{title}-{service}"));
            writeln!(contracts, "who: {{ workload: [\"{workload}\"] }}\npurposes: [essential.service]\nactions:")
                .unwrap();
            for (n, name) in &names {
                let limit = if n % 5 == 0 { " { limit: { count: 20 } }" } else { "" };
                writeln!(contracts, "  {name}:{limit}").unwrap();
            }
        }
    }
    let file = |name: &str, text| SourceFile { name: name.to_owned(), text };
    vec![file("services.yaml", services), file("contracts.yaml", contracts)]
}

const ACTIONS: i64 = 10_000;
/// What each action of [`many`] holds in a compiled bundle, with two grants, in bytes.
const HELD_FOR_EACH: i64 = 800;
/// What each takes at the most while they are loaded: the text, what was typed, and what is compiled of it.
const PEAK_FOR_EACH: u64 = 1600;
/// What the shipped policies hold, with 35 actions and 112 cases that nobody keeps.
const HELD_BY_SHIPPED: i64 = 112 * 1024;
/// What is kept of what is wrong, and the tree of one file.
const PROBLEMS: u64 = 1024 * 1024;
/// One buffer, and names.
const LOOK: u64 = 1024 * 1024 + 64 * 1024;

fn load(files: &[SourceFile]) -> Bundle {
    bundle::load(files).map_err(|problems| problems.to_string()).unwrap().bundle
}

/// What one bundle after the other holds and takes. What the first condition of a process makes is not counted.
fn reloads(files: &[SourceFile], count: usize) -> AllocationInfo {
    load(&sources::read(&shipped()).unwrap());
    let mut kept = None;
    let counted = measure(|| (0..count).for_each(|_| kept = Some(load(files))));
    let freed = measure(|| drop(kept));
    assert_eq!(counted.bytes_current, -freed.bytes_current, "a bundle is all that is held");
    counted
}

#[test]
fn a_bundle_holds_little_and_takes_little_to_load() {
    let counted = reloads(&many(), 1);
    let each = counted.bytes_current / ACTIONS;
    assert!(each <= HELD_FOR_EACH, "{each} bytes for each action: {counted:?}");
    let peak = counted.bytes_max / ACTIONS.unsigned_abs();
    assert!(peak <= PEAK_FOR_EACH, "{peak} bytes for each action while loading: {counted:?}");
    let counted = reloads(&sources::read(&shipped()).unwrap(), 1);
    assert!(counted.bytes_current <= HELD_BY_SHIPPED, "{counted:?}");
}

#[test]
fn what_is_wrong_takes_little_however_many_files_it_is_in() {
    let lines: String = (0..500).map(|n| format!("  a{n}: 1\n")).collect();
    let service = |n: usize| {
        format!(
            "apiVersion: {}\nkind: Service\nmetadata: {{ name: s{n} }}\nhosts: [h.example]\nactions:\n{lines}",
            bundle::API_VERSION
        )
    };
    let files: Vec<_> = (0..200).map(|n| SourceFile { name: format!("{n}.yaml"), text: service(n) }).collect();
    let bytes = files.iter().map(|file| file.text.len() as u64).sum::<u64>();
    let counted = measure(|| assert!(bundle::load(&files).is_err()));
    assert!(counted.bytes_max <= bytes + PROBLEMS, "{bytes} bytes in files: {counted:?}");
}

#[test]
fn ten_reloads_hold_no_more_than_one() {
    let shipped = sources::read(&shipped()).unwrap();
    assert_eq!(reloads(&shipped, 10).bytes_current, reloads(&shipped, 1).bytes_current);
}

#[test]
fn a_look_at_the_folder_holds_none_of_it() {
    let folder = TempDir::new().unwrap();
    for file in many() {
        fs::write(folder.path().join(&file.name), file.text).unwrap();
    }
    let mut seen = String::new();
    let counted = measure(|| seen = sources::digest(folder.path()).unwrap());
    assert_eq!(seen, bundle::digest(&sources::read(folder.path()).unwrap()));
    assert!(counted.bytes_total <= LOOK, "{counted:?}");
}
