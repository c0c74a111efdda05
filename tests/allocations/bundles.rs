//! What a bundle holds, and what loading takes: bytes are counted, since what is resident depends on the machine.

use std::fmt::Write as _;
use std::hint::black_box;

use allocation_counter::{AllocationInfo, measure};
use tollgate::bundle::{self, Bundle};
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

#[test]
fn a_poll() {
    let folder = tempfile::TempDir::new().unwrap();
    for file in many() {
        std::fs::write(folder.path().join(&file.name), &file.text).unwrap();
    }
    println!(
        "digest {:?}",
        measure(|| {
            tollgate::sources::digest(folder.path()).unwrap();
        })
    );
    println!(
        "digest shipped {:?}",
        measure(|| {
            tollgate::sources::digest(&shipped()).unwrap();
        })
    );
}
#[test]
fn a_bundle_holds_little() {
    let of = |files: &[SourceFile]| {
        let mut kept: Option<Bundle> = None;
        let first = measure(|| kept = Some(bundle::load(files).map_err(|e| e.to_string()).unwrap().bundle));
        let again = measure(|| kept = Some(bundle::load(files).unwrap().bundle));
        black_box(&kept);
        let freed = measure(|| kept = None);
        (first, again, freed)
    };
    let shipped = tollgate::sources::read(&shipped()).unwrap();
    let show = |what, (a, b, c): (AllocationInfo, AllocationInfo, AllocationInfo)| {
        println!("{what}\n first {a:?}\n again {b:?}\n freed {c:?}");
    };
    let many = many();
    println!("text {}", many.iter().map(|f| f.text.len()).sum::<usize>());
    show("many", of(&many));
    show("shipped", of(&shipped));
    println!(
        "read {:?}",
        measure(|| {
            tollgate::sources::read(&crate::support::shipped()).unwrap();
        })
    );
}
