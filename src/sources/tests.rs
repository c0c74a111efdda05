//! The folder as the kubelet, editors and scripts really change it.

#![allow(
    clippy::disallowed_methods,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::needless_for_each,
    reason = "tests start threads and take text apart as they like"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;

use tempfile::TempDir;
use volume::{Payload, Volume, Written};

use super::*;
use crate::clock::System;

#[allow(dead_code, reason = "other tests look at more of it")]
#[path = "../../tests/it/kubelet/volume.rs"]
mod volume;

const GOOD: &str = "apiVersion: tollgate.dev/v1alpha1\nkind: Defaults\nmetadata: { name: a }\n";
const OTHER: &str = "apiVersion: tollgate.dev/v1alpha1\nkind: Defaults\nmetadata: { name: b }\n";
const BAD: &str = "apiVersion: tollgate.dev/v1alpha1\nkind: Defaults\nmetadata: { name: a }\nmdoe: observe\n";

fn watcher(folder: &Path) -> (Bundles, Watcher) {
    watch(Config { folder: folder.to_owned(), poll: Duration::from_secs(1) }, Arc::new(System))
}

fn look(watcher: &mut Watcher) {
    watcher.look(|| true);
}

fn digest(bundles: &Bundles) -> Option<String> {
    bundles.current().map(|bundle| bundle.digest.clone())
}

fn payload(name: &str, text: &str) -> Payload {
    [(name.to_owned(), text.to_owned())].into()
}

#[test]
fn a_swapped_volume_is_seen_each_time_and_files_are_read_once() {
    let folder = TempDir::new().unwrap();
    let mut volume = Volume::new(folder.path()).unwrap();
    volume.write(&payload("a.yaml", GOOD)).unwrap();
    let (bundles, mut watcher) = watcher(folder.path());
    look(&mut watcher);
    let first = digest(&bundles).expect("one document, not two of the same name");
    volume.write(&payload("b.yaml", OTHER)).unwrap();
    look(&mut watcher);
    let second = digest(&bundles).unwrap();
    assert_ne!(first, second);
    volume.write(&payload("a.yaml", GOOD)).unwrap();
    look(&mut watcher);
    assert_eq!(digest(&bundles).unwrap(), first);
}

/// So an edit is in force after the time between two looks, and [`QUIET`].
#[test]
fn an_edit_is_in_force_at_the_next_look_also_behind_a_bad_one() {
    let folder = TempDir::new().unwrap();
    let mut volume = Volume::new(folder.path()).unwrap();
    volume.write(&payload("shop/a.yaml", GOOD)).unwrap();
    let (bundles, mut watcher) = watcher(folder.path());
    look(&mut watcher);
    let mut seen = vec![digest(&bundles)];
    for (text, is_good) in [(BAD, false), (OTHER, true), (BAD, false), (GOOD, true)] {
        volume.write(&payload("shop/a.yaml", text)).unwrap();
        let mut pauses = 0;
        watcher.look(|| {
            pauses += 1;
            true
        });
        assert_eq!(pauses, 1, "one look and one pause are enough");
        assert_eq!(watcher.metrics().is_last_reload_successful(), is_good);
        let now = digest(&bundles);
        assert_eq!(seen.last() != Some(&now), is_good, "a good edit is in force, a bad one changes nothing");
        seen.push(now);
        // Nothing is new: nothing is waited for.
        watcher.look(|| panic!("there is nothing to wait for"));
    }
}

/// Several threads read the first one, where there are several cores.
#[test]
fn a_large_folder_is_in_force_whole_and_so_is_its_edit() {
    let folder = TempDir::new().unwrap();
    let write = |n: usize, name: &str| {
        let rest = "# As long as people write them.\n".repeat(1000);
        let text = format!(
            "apiVersion: tollgate.dev/v1alpha1\nkind: Service\nmetadata: {{ name: s{n} }}\nhosts: [s{n}.example]\n\
             actions:\n  s{n}.{name}: {{ tier: open, routes: [{{ http: \"GET /{n}\" }}] }}\n{rest}"
        );
        fs::write(folder.path().join(format!("{n}.yaml")), text).unwrap();
    };
    (0..30).for_each(|n| write(n, "read"));
    fs::write(folder.path().join("a.yaml"), GOOD).unwrap();
    let (bundles, mut watcher) = watcher(folder.path());
    for last in ["read", "list"] {
        write(29, last);
        look(&mut watcher);
        let bundle = bundles.current().unwrap();
        assert_eq!(bundle.digest, bundle::digest(&read(folder.path()).unwrap()));
        assert_eq!(bundle.catalog.actions().count(), 30);
        assert!(bundle.catalog.action_id(&format!("s29.{last}")).is_some());
    }
}

#[test]
fn writing_in_place_and_plain_renames_are_seen() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a.yaml");
    fs::write(&file, GOOD).unwrap();
    let (bundles, mut watcher) = watcher(folder.path());
    look(&mut watcher);
    let first = digest(&bundles).unwrap();
    fs::write(&file, OTHER).unwrap();
    look(&mut watcher);
    let second = digest(&bundles).unwrap();
    assert_ne!(first, second);
    fs::write(folder.path().join("new"), GOOD).unwrap();
    fs::rename(folder.path().join("new"), &file).unwrap();
    look(&mut watcher);
    assert_eq!(digest(&bundles).unwrap(), first);
}

#[test]
fn keeps_the_old_bundle_when_the_new_one_is_invalid_empty_or_gone() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("policies");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("a.yaml");
    fs::write(&file, GOOD).unwrap();
    let (bundles, mut watcher) = watcher(&folder);
    look(&mut watcher);
    let good = digest(&bundles);
    assert!(good.is_some() && watcher.metrics().is_last_reload_successful());
    let mut refusals = 0;
    let mut check = |watcher: &mut Watcher, what: &str| {
        refusals += 1;
        for _ in 0..3 {
            look(watcher);
        }
        assert_eq!(digest(&bundles), good, "{what}");
        assert!(!watcher.metrics().is_last_reload_successful(), "{what}");
        assert_eq!(watcher.metrics().refusals(), refusals, "{what}: once for each content");
    };
    fs::write(&file, BAD).unwrap();
    check(&mut watcher, "invalid");
    fs::write(&file, "").unwrap();
    check(&mut watcher, "empty file");
    fs::write(&file, [0xff, 0xfe]).unwrap();
    check(&mut watcher, "no text");
    fs::remove_file(&file).unwrap();
    check(&mut watcher, "empty folder");
    fs::remove_dir(&folder).unwrap();
    check(&mut watcher, "no folder");
    fs::create_dir(&folder).unwrap();
    fs::write(&file, GOOD).unwrap();
    look(&mut watcher);
    assert!(watcher.metrics().is_last_reload_successful());
}

type Edit<'a> = &'a dyn Fn(&mut Volume);

/// A clock that is ahead: what was just written has been at rest for it.
struct Ahead;

impl Clock for Ahead {
    fn now(&self) -> jiff::Timestamp {
        System.now() + jiff::SignedDuration::from_secs(60)
    }
}

#[test]
fn what_is_at_rest_is_read_seldom_and_what_changes_is_read_at_once() {
    let folder = TempDir::new().unwrap();
    let mut volume = Volume::new(folder.path()).unwrap();
    volume.write(&payload("a.yaml", GOOD)).unwrap();
    let config = Config { folder: folder.path().to_owned(), poll: Duration::from_secs(1) };
    let (bundles, mut watcher) = watch(config, Arc::new(Ahead));
    let mut look_and_tell = || {
        look(&mut watcher);
        (watcher.unread, digest(&bundles).unwrap())
    };
    // Compiled, then read again while at rest, and then left alone, but not for ever.
    let (unread, first) = look_and_tell();
    assert_eq!((unread, look_and_tell().0), (0, 0));
    let unread: Vec<_> = (0..MAX_UNREAD + 2).map(|_| look_and_tell().0).collect();
    assert_eq!(unread, (1..=MAX_UNREAD).chain([0, 1]).collect::<Vec<_>>());
    // Each of these is seen at the next look: a swap, an edit in place of the same length, a file more, a file less.
    let file = folder.path().join("b.yaml");
    let edits: [(Edit<'_>, bool); 4] = [
        (&|volume| assert_eq!(volume.write(&payload("a.yaml", OTHER)).unwrap(), Written::Swapped), true),
        (&|_| fs::write(folder.path().join("a.yaml"), GOOD).unwrap(), false),
        (&|_| fs::write(&file, BAD).unwrap(), false),
        (&|_| fs::remove_file(&file).unwrap(), false),
    ];
    for (edit, is_other) in edits {
        edit(&mut volume);
        let (unread, digest) = look_and_tell();
        assert_eq!((unread, digest != first), (0, is_other));
        assert_eq!((look_and_tell().0, look_and_tell().0), (0, 1));
    }
}

#[test]
fn what_has_just_changed_is_read_at_each_look() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.yaml"), GOOD).unwrap();
    let (_bundles, mut watcher) = watcher(folder.path());
    for _ in 0..3 {
        look(&mut watcher);
        assert_eq!((watcher.unread, &watcher.last_outside), (0, &None));
    }
}

#[test]
fn there_is_no_bundle_and_no_readiness_before_a_good_one() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.yaml"), BAD).unwrap();
    let (bundles, mut watcher) = watcher(folder.path());
    look(&mut watcher);
    assert!(bundles.current().is_none() && !*bundles.ready().borrow());
    fs::write(folder.path().join("a.yaml"), GOOD).unwrap();
    look(&mut watcher);
    assert!(bundles.current().is_some() && *bundles.ready().borrow());
}

#[test]
fn what_is_still_being_written_is_not_taken() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a.yaml");
    fs::write(&file, GOOD).unwrap();
    let (bundles, mut watcher) = watcher(folder.path());
    look(&mut watcher);
    fs::write(&file, &BAD[..BAD.len() - 9]).unwrap();
    watcher.look(|| fs::write(&file, OTHER).is_ok());
    assert_eq!(watcher.metrics().refusals(), 0);
    assert_eq!(digest(&bundles), Some(bundle::digest(&read(folder.path()).unwrap())));
}

#[test]
fn a_folder_that_never_stands_still_is_refused_and_never_half_in_force() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a.yaml");
    fs::write(&file, GOOD).unwrap();
    let (bundles, mut watcher) = watcher(folder.path());
    look(&mut watcher);
    let good = digest(&bundles);
    let mut round = 0;
    fs::write(&file, OTHER).unwrap();
    watcher.look(|| {
        round += 1;
        fs::write(&file, format!("{OTHER}# {round}")).is_ok()
    });
    assert_eq!((digest(&bundles), watcher.metrics().refusals()), (good, 1));
    look(&mut watcher);
    assert!(watcher.metrics().is_last_reload_successful(), "and it is taken as soon as it does");
}

#[test]
fn what_is_looked_at_has_the_digest_of_what_is_read() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a.yaml");
    fs::write(folder.path().join("b.yaml"), GOOD).unwrap();
    let long = "# €uro\n".repeat(130_000);
    let broken = [&long.as_bytes()[..long.len() - 6], &[0xff], long.as_bytes()].concat();
    let cut = &long.as_bytes()[..3];
    let contents: [&[u8]; 9] = [
        b"",
        b"a",
        GOOD.as_bytes(),
        &long.as_bytes()[1..],
        long.as_bytes(),
        &broken,
        cut,
        &[0xe2],
        &vec![b'a'; 65_536],
    ];
    for content in contents {
        fs::write(&file, content).unwrap();
        let read = read(folder.path()).map(|files| bundle::digest(&files)).map_err(|error| error.to_string());
        assert_eq!(super::digest(folder.path()).map_err(|error| error.to_string()), read, "{} bytes", content.len());
    }
    for (byte, why) in [(b' ', "larger than"), (0xff, "larger than")] {
        fs::write(&file, vec![byte; 16 * 1024 * 1024 + 1]).unwrap();
        let said =
            [super::digest(folder.path()).unwrap_err().to_string(), read(folder.path()).unwrap_err().to_string()];
        assert!(said.iter().all(|said| said.contains(why)), "{said:?}");
    }
    fs::remove_file(&file).unwrap();
    fs::remove_file(folder.path().join("b.yaml")).unwrap();
    assert!(matches!(super::digest(folder.path()), Err(ReadError::Empty(_))));
}

#[test]
fn a_bundle_that_a_call_holds_is_freed_by_the_watcher() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a.yaml");
    fs::write(&file, GOOD).unwrap();
    let (bundles, mut watcher) = watcher(folder.path());
    look(&mut watcher);
    let held = bundles.current().unwrap();
    fs::write(&file, OTHER).unwrap();
    look(&mut watcher);
    look(&mut watcher);
    assert_eq!(Arc::strong_count(&held), 2, "the watcher keeps it as long as a call does");
    let weak = Arc::downgrade(&held);
    drop(held);
    look(&mut watcher);
    assert!(weak.upgrade().is_none());
}

#[test]
fn what_is_no_plain_file_is_not_read() {
    let folder = TempDir::new().unwrap();
    symlink("/dev/zero", folder.path().join("a.yaml")).unwrap();
    assert!(matches!(read(folder.path()), Err(ReadError::NotAFile(_))));
}

#[test]
fn a_request_keeps_the_bundle_that_it_began_with() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a.yaml");
    fs::write(&file, GOOD).unwrap();
    let (bundles, mut watcher) = watcher(folder.path());
    look(&mut watcher);
    let held = bundles.current().unwrap();
    fs::write(&file, OTHER).unwrap();
    look(&mut watcher);
    assert_ne!(held.digest, bundles.current().unwrap().digest);
}

#[test]
fn a_link_that_leads_back_is_a_problem_and_no_endless_walk() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.yaml"), GOOD).unwrap();
    symlink(folder.path(), folder.path().join("again")).unwrap();
    assert!(matches!(read(folder.path()), Err(ReadError::TooDeep(_))));
}

#[test]
fn the_watcher_stops_when_it_is_told_to() {
    let folder = TempDir::new().unwrap();
    let (_, watcher) = watcher(folder.path());
    let (stop, stopped) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || watcher.run(&stopped));
    drop(stop);
    thread.join().unwrap();
}
