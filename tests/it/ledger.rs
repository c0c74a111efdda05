//! What the ledger survives: being killed at any moment, and a disk that is full.
//!
//! Both need a process of their own, which is this test binary again: a test that is marked as ignored, and is run by
//! name with the folder in an environment variable. It prints a line for each record that was acknowledged.
//!
//! A killed process loses nothing that the kernel has: whether a sync holds through a power failure is the disk's word.

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tollgate::ledger::{self, Config, Durability, Ledger, NotWritten};

const DIR: &str = "TOLLGATE_TEST_LEDGER";
const ACKNOWLEDGED: &str = "acknowledged ";

/// Runs a test of this file as a process of its own, after some shell commands.
fn child(test: &str, dir: &Path, setup: &str) -> Child {
    Command::new("sh")
        .args(["-c", &format!("{setup} exec \"$0\" \"$@\"")])
        .arg(env::current_exe().unwrap())
        .args([&format!("ledger::{test}"), "--exact", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn acknowledged_by(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.filter_map(|line| line.unwrap().strip_prefix(ACKNOWLEDGED).map(str::to_owned))
}

fn start(config: &Config) -> (Ledger, JoinHandle<()>) {
    let (ledger, writer) = ledger::open(config).unwrap();
    (ledger, thread::spawn(|| writer.run()))
}

/// What is in the ledger, up to the first blank of each record; every record must be sound and there once.
fn read_names(dir: &Path) -> BTreeSet<String> {
    let records: Vec<Bytes> = ledger::read(dir).unwrap().collect::<Result<_, _>>().unwrap();
    let name = |record: &Bytes| String::from_utf8_lossy(record).split(' ').next().unwrap().to_owned();
    let names: BTreeSet<String> = records.iter().map(name).collect();
    assert_eq!(names.len(), records.len(), "a record is there twice");
    names
}

/// A record with a name, padded to a size.
fn record(name: &str, bytes: usize) -> Vec<u8> {
    format!("{name} {}", ".".repeat(bytes)).into()
}

#[test]
fn no_acknowledged_record_is_missing_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    for round in 0..10 {
        let mut child = child("appends_until_it_is_killed", dir.path(), "");
        let mut names = acknowledged_by(&mut child);
        acknowledged.extend(names.by_ref().take(1 + 97 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said last is still in the pipe.
        acknowledged.extend(names);

        let before = read_names(dir.path());
        assert!(acknowledged.is_subset(&before), "missing: {:?}", acknowledged.difference(&before));
        let (ledger, writer) = start(&Config::new(dir.path()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let name = format!("round-{round}");
        runtime.block_on(ledger.append(record(&name, 10), Durability::BeforeAnswer)).unwrap();
        acknowledged.insert(name.clone());
        drop(ledger);
        writer.join().unwrap();

        let mut after = read_names(dir.path());
        assert!(after.remove(&name));
        assert_eq!(after, before, "recovery takes nothing away");
    }
    assert!(acknowledged.len() > 4000, "{} acknowledged", acknowledged.len());
}

#[tokio::test]
#[ignore = "a child process of another test"]
async fn appends_until_it_is_killed() {
    let Some(dir) = env::var_os(DIR) else { return };
    let (ledger, _writer) = start(&Config { segment_bytes: 40_000, ..Config::new(dir) });
    let next = Arc::new(AtomicU32::new(0));
    println!();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (ledger, next) = (ledger.clone(), next.clone());
        tasks.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let name = format!("{}-{n}", std::process::id());
                _ = ledger.append(record(&format!("{name}-async"), 100), Durability::Async).await;
                let padding = n as usize * 37 % 3000;
                ledger.append(record(&name, padding), Durability::BeforeAnswer).await.unwrap();
                // This fails, and ends the process, should whoever reads it be gone.
                writeln!(std::io::stdout(), "{ACKNOWLEDGED}{name}").unwrap();
            }
        });
    }
    tasks.join_next().await.unwrap().unwrap();
}

#[test]
fn a_full_disk_costs_records_but_neither_the_log_nor_the_process() {
    let dir = tempfile::tempdir().unwrap();
    // No file may have more than 64 blocks of 512 bytes: the write that crosses that fails, after some of its bytes.
    let mut child = child("appends_to_a_full_disk", dir.path(), "trap '' XFSZ; ulimit -f 64;");
    let acknowledged: BTreeSet<String> = acknowledged_by(&mut child).collect();
    assert!(child.wait().unwrap().success());
    assert_eq!(read_names(dir.path()), acknowledged);
}

#[tokio::test]
#[ignore = "a child process of another test"]
async fn appends_to_a_full_disk() {
    let Some(dir) = env::var_os(DIR).map(PathBuf::from) else { return };
    let (ledger, writer) = start(&Config::new(&dir));
    let metrics = ledger.metrics().clone();
    let mut written = BTreeSet::new();
    for n in 0..200 {
        let name = format!("small-{n}");
        match ledger.append(record(&name, 1000), Durability::BeforeAnswer).await {
            Ok(()) => assert!(written.insert(name)),
            Err(error) => assert_eq!(error, NotWritten::Disk),
        }
        assert_eq!(read_names(&dir), written, "exactly what was acknowledged can be read");
    }
    let refused = metrics.lost(Durability::BeforeAnswer, NotWritten::Disk);
    assert!((3..20).contains(&refused), "some are refused, and it recovers each time: {refused} refused");

    for _ in 0..5 {
        let too_much = ledger.append(record("large", 40_000), Durability::BeforeAnswer).await;
        assert_eq!(too_much, Err(NotWritten::Disk));
        assert!(metrics.is_failing());
    }
    assert_eq!(ledger.append(record("lost", 10), Durability::Async).await, Err(NotWritten::Disk));
    assert_eq!(metrics.lost(Durability::Async, NotWritten::Disk), 1);

    let patience = Instant::now() + Duration::from_secs(30);
    while metrics.is_failing() {
        assert!(Instant::now() < patience, "it does not look whether the disk has recovered");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ledger.append(record("large", 40_000), Durability::Async).await.unwrap();
    while metrics.lost(Durability::Async, NotWritten::Disk) < 2 {
        assert!(Instant::now() < patience, "a loss is not counted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ledger.append(record("last", 10), Durability::BeforeAnswer).await.unwrap();
    written.insert("last".into());

    drop(ledger);
    writer.join().unwrap();
    println!();
    written.iter().for_each(|name| println!("{ACKNOWLEDGED}{name}"));
}
