//! The folder as it is between any two steps of the kubelet.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;
use tollgate::sources;

use super::volume::{Payload, Step, Volume, Written, read};

fn payload(files: &[(&str, &str)]) -> Payload {
    files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// What the watcher would read, by name; or its error.
fn seen(folder: &Path) -> Result<Vec<(String, String)>, String> {
    let files = sources::read(folder).map_err(|error| error.to_string())?;
    Ok(files.into_iter().map(|file| (file.name, file.text)).collect())
}

fn visible(volume: &Volume) -> Vec<String> {
    let names = fs::read_dir(volume.folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with("..")).collect();
    names.sort();
    names
}

#[test]
fn at_each_step_the_old_set_is_read_or_the_new_one() {
    let parent = TempDir::new().unwrap();
    let mut volume = Volume::new(&parent.path().join("v")).unwrap();
    let sets = [
        payload(&[("shop/a.yaml", "a: 1"), ("shop/b.yaml", "b: 1"), ("house/c.yaml", "c: 1")]),
        // Both changed at once.
        payload(&[("shop/a.yaml", "a: 2"), ("shop/b.yaml", "b: 1"), ("house/c.yaml", "c: 2")]),
        // A key is gone; another one is new.
        payload(&[("shop/a.yaml", "a: 2"), ("shop/d.yaml", "d: 2"), ("house/c.yaml", "c: 2")]),
    ];
    volume.write(&sets[0]).unwrap();
    for pair in sets.windows(2) {
        let [old, new] = [&pair[0], &pair[1]].map(|set| Ok(set.clone().into_iter().collect::<Vec<_>>()));
        let folder = volume.folder().to_owned();
        let mut steps = Vec::new();
        let look = |step| {
            let found = seen(&folder);
            let swapped = matches!(step, Step::Swapped | Step::Tidied | Step::Removed);
            assert_eq!(&found, if swapped { &new } else { &old }, "{step:?}");
            steps.push(step);
        };
        assert_eq!(volume.write_step_by_step(&pair[1], look).unwrap(), Written::Swapped);
        assert_eq!(steps, [Step::Written, Step::Linked, Step::Announced, Step::Swapped, Step::Tidied, Step::Removed]);
    }
}

/// In a volume of one ConfigMap each key is a link of its own, and leads nowhere for a moment.
#[test]
fn a_link_that_leads_nowhere_is_an_error_for_a_moment_and_never_a_smaller_set() {
    let parent = TempDir::new().unwrap();
    let mut volume = Volume::new(&parent.path().join("v")).unwrap();
    volume.write(&payload(&[("a.yaml", "a: 1"), ("b.yaml", "b: 1")])).unwrap();
    let folder = volume.folder().to_owned();
    let new = payload(&[("a.yaml", "a: 2"), ("c.yaml", "c: 2")]);
    let mut found = Vec::new();
    volume.write_step_by_step(&new, |step| found.push((step, seen(&folder)))).unwrap();
    for (step, found) in found {
        let whole = |files: &[(&str, &str)]| Ok(payload(files).into_iter().collect());
        match step {
            Step::Written => assert_eq!(found, whole(&[("a.yaml", "a: 1"), ("b.yaml", "b: 1")])),
            // `c.yaml` before the exchange, `b.yaml` behind it.
            Step::Linked | Step::Announced | Step::Swapped => {
                let said = found.unwrap_err();
                let which = if step == Step::Swapped { "b.yaml" } else { "c.yaml" };
                assert!(said.contains(which) && said.contains("cannot read"), "{step:?}: {said}");
            }
            Step::Tidied | Step::Removed => assert_eq!(found, whole(&[("a.yaml", "a: 2"), ("c.yaml", "c: 2")])),
        }
    }
    assert_eq!(visible(&volume), ["a.yaml", "c.yaml"]);
}

#[test]
fn the_volume_looks_as_one_of_the_kubelet() {
    let parent = TempDir::new().unwrap();
    let mut volume = Volume::new(&parent.path().join("v")).unwrap().with_mode(0o440);
    let set = payload(&[("shop/deep/a.yaml", "a"), ("shop/b.yaml", "b"), ("c.yaml", "c")]);
    volume.write(&set).unwrap();
    assert_eq!(visible(&volume), ["c.yaml", "shop"]);
    let link = |name: &str| fs::read_link(volume.folder().join(name)).unwrap().to_str().unwrap().to_owned();
    assert_eq!((link("shop"), link("c.yaml")), ("..data/shop".into(), "..data/c.yaml".into()));
    assert!(link("..data").starts_with("..2026_"));
    assert_eq!(read(&volume.folder().join("..data")).unwrap(), set);
    let mode = |path: &str| fs::metadata(volume.folder().join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("c.yaml"), mode("shop/deep/a.yaml"), mode("..data")), (0o440, 0o440, 0o755));
    let first = link("..data");
    assert_eq!(volume.write(&set).unwrap(), Written::Nothing);
    assert_eq!(fs::read_link(volume.folder().join("..data")).unwrap().to_str(), Some(first.as_str()));
    volume.write(&payload(&[("c.yaml", "d")])).unwrap();
    assert_eq!(visible(&volume), ["c.yaml"]);
    let hidden = fs::read_dir(volume.folder()).unwrap().count() - 1;
    assert_eq!(hidden, 2, "`..data` and what it leads to");
    for bad in ["../up.yaml", "/etc/passwd", "..data", "", "a/../b"] {
        assert!(volume.write(&payload(&[(bad, "x")])).is_err(), "{bad}");
    }
}
