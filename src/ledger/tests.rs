//! What the ledger keeps, cuts off, refuses and reports. What it survives is tested with real processes in `tests/it/`.

#![allow(
    clippy::disallowed_methods,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::needless_for_each,
    reason = "tests start threads and take text apart as they like"
)]

use bytes::Bytes;
use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use batch::Batch;
use proptest::prelude::*;
use scan::{Piece, Scan};
use segment::BODY;
use tempfile::TempDir;
use tokio::runtime::Builder;

use super::*;

/// A ledger with its writer at work.
struct Running {
    ledger: Ledger,
    writer: JoinHandle<()>,
}

impl Running {
    fn start(config: &Config) -> Self {
        let (ledger, writer) = open(config).unwrap();
        Self { ledger, writer: std::thread::spawn(|| writer.run()) }
    }

    fn append(&self, record: impl Into<Bytes>) -> Result<(), NotWritten> {
        wait(self.ledger.append(record.into().into(), Durability::BeforeAnswer))
    }

    fn stop(self) {
        drop(self.ledger);
        self.writer.join().unwrap();
    }
}

fn wait<F: Future>(future: F) -> F::Output {
    Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A folder with a ledger of these records in one segment.
fn ledger_of(records: &[Bytes]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(&Config::new(dir.path()));
    for record in records {
        running.append(record.clone()).unwrap();
    }
    running.stop();
    dir
}

fn records(lengths: &[usize]) -> Vec<Bytes> {
    lengths.iter().zip(b'a'..).map(|(length, letter)| vec![letter; *length].into()).collect()
}

fn read_all(dir: &Path) -> Vec<Bytes> {
    read(dir).unwrap().collect::<Result<_, _>>().unwrap()
}

/// What is sound, and where it is not: file, offset, bytes.
fn read_damaged(dir: &Path) -> (Vec<Bytes>, Vec<(PathBuf, u64, u64)>) {
    let (sound, errors): (Vec<_>, Vec<_>) = read(dir).unwrap().partition(Result::is_ok);
    let damages = errors.into_iter().map(|error| match error.unwrap_err() {
        ReadError::Damaged { file, offset, bytes } => (file, offset, bytes),
        other => panic!("{other}"),
    });
    (sound.into_iter().map(Result::unwrap).collect(), damages.collect())
}

/// Where the frame begins that the byte at this offset is in, and that of the next.
fn frame_around(records: &[Bytes], byte: u64) -> (u64, u64) {
    let mut begin = BODY;
    for record in records {
        let end = begin + (frame::HEADER_BYTES + record.len()) as u64;
        if byte < end {
            return (begin, end);
        }
        begin = end;
    }
    panic!("no frame there");
}

fn entry(record: &'static str, waiting: Option<oneshot::Sender<Result<(), NotWritten>>>) -> Entry {
    Entry { frame: Frame::try_new(record.into()).unwrap(), waiting }
}

fn batch(record: &'static str, durability: Durability) -> Batch {
    let mut batch = Batch::default();
    batch.add(entry(record, (durability == Durability::BeforeAnswer).then(|| oneshot::channel().0)));
    batch
}

#[test]
fn gives_back_what_was_appended_in_order() {
    // More than what is read or written at once, and not in step with it.
    let records = records(&[&[1, 0, 1000, MAX_RECORD_BYTES, 7], [MAX_RECORD_BYTES - 1; 40].as_slice()].concat());
    let dir = ledger_of(&records);
    assert_eq!(read_all(dir.path()), records);
    assert!(read(&dir.path().join("elsewhere")).is_err());
}

#[test]
fn goes_on_in_a_new_segment_after_a_restart_and_before_one_outgrows_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { segment_bytes: 1000, ..Config::new(dir.path()) };
    let records = records(&[300; 20]);
    for half in records.chunks(10) {
        let running = Running::start(&config);
        half.iter().for_each(|record| running.append(record.clone()).unwrap());
        running.stop();
    }
    assert_eq!(read_all(dir.path()), records);
    assert_eq!(segment::sequences(dir.path()).unwrap(), Some(0..=7));
    for sequence in 0..=7 {
        assert!(fs::metadata(segment::path(dir.path(), sequence)).unwrap().len() <= 1000);
    }
}

#[test]
fn the_oldest_records_go_where_there_is_a_bound_and_the_newest_stay() {
    let dir = tempfile::tempdir().unwrap();
    let size = || {
        let sizes = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
        sizes.sum::<u64>()
    };
    let config = |most| Config { segment_bytes: 1000, most_bytes: most, ..Config::new(dir.path()) };
    let records: Vec<_> = (0..40_u8).map(|number| Bytes::from(vec![number; 300])).collect();
    let running = Running::start(&config(None));
    records[..20].iter().for_each(|record| running.append(record.clone()).unwrap());
    running.stop();
    assert_eq!(read_all(dir.path()), records[..20], "without one nothing is removed");

    fs::write(dir.path().join("notes"), "ours").unwrap();
    let running = Running::start(&config(Some(4000)));
    for record in &records[20..] {
        running.append(record.clone()).unwrap();
        assert!(size() <= 4000 + 4, "{}", size());
    }
    let left = read_all(dir.path());
    assert!((9..=12).contains(&left.len()), "{}", left.len());
    assert_eq!(left, records[40 - left.len()..]);
    assert!(running.ledger.metrics().removed() >= 9, "{}", running.ledger.metrics().removed());
    running.stop();

    // Less than a single file: the newest stays, and so the numbers go on.
    let running = Running::start(&config(Some(1)));
    running.append(records[0].clone()).unwrap();
    running.stop();
    assert_eq!(read_all(dir.path()).last(), Some(&records[0]));
    assert!(dir.path().join("notes").exists());
}

#[test]
fn leaves_no_file_where_nothing_was_written() {
    let dir = ledger_of(&[]);
    assert_eq!(segment::sequences(dir.path()).unwrap(), None);
    assert_eq!(read_all(dir.path()), records(&[]));
}

#[test]
fn callers_who_wait_together_share_a_sync() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, writer) = open(&Config::new(dir.path())).unwrap();
    let metrics = ledger.metrics().clone();
    wait(async {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..1000_u32 {
            let ledger = ledger.clone();
            tasks.spawn(async move { ledger.append(n.to_be_bytes().to_vec(), Durability::BeforeAnswer).await });
        }
        while ledger.queue.max_capacity() - ledger.queue.capacity() < 1000 {
            tokio::task::yield_now().await;
        }
        // All are queued; only now does anybody write.
        let writer = std::thread::spawn(|| writer.run());
        while let Some(outcome) = tasks.join_next().await {
            outcome.unwrap().unwrap();
        }
        drop(ledger);
        writer.join().unwrap();
    });
    assert_eq!(metrics.written(Durability::BeforeAnswer), 1000);
    assert_eq!(metrics.syncs(), 3, "when the segment is begun, for the records, when it is ended");
    assert_eq!(read_all(dir.path()).len(), 1000);
}

#[test]
fn a_torn_tail_is_cut_off_wherever_it_is_torn() {
    let records = records(&[20, 300, 50]);
    let whole = fs::read(segment::path(ledger_of(&records).path(), 0)).unwrap();
    let (last, _) = frame_around(&records, whole.len() as u64 - 1);
    for length in last as usize..whole.len() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(segment::path(dir.path(), 0), &whole[..length]).unwrap();
        assert_eq!(read_all(dir.path()), records[..2], "torn at {length}");

        let (ledger, writer) = open(&Config::new(dir.path())).unwrap();
        assert_eq!(writer.recovery(), Recovery { torn_bytes: length as u64 - last, damages: 0 });
        let writer = std::thread::spawn(|| writer.run());
        wait(ledger.append("next".into(), Durability::BeforeAnswer)).unwrap();
        drop(ledger);
        writer.join().unwrap();
        assert_eq!(read_all(dir.path()), [&records[0], &records[1], &Bytes::from("next")]);
    }
}

#[test]
fn a_segment_that_was_only_begun_is_taken_away() {
    let whole = fs::read(segment::path(ledger_of(&records(&[20])).path(), 0)).unwrap();
    for length in 0..=BODY as usize {
        let dir = ledger_of(&records(&[5]));
        fs::write(segment::path(dir.path(), 1), &whole[..length]).unwrap();
        assert_eq!(read_all(dir.path()), records(&[5]));
        Running::start(&Config::new(dir.path())).stop();
        assert_eq!(segment::sequences(dir.path()).unwrap(), Some(0..=0));
    }
}

#[test]
fn a_flipped_byte_is_reported_with_its_place_and_hides_nothing_behind_it() {
    let records = records(&[20, 300, 0, 50]);
    let dir = ledger_of(&records);
    let file = segment::path(dir.path(), 0);
    let whole = fs::read(&file).unwrap();
    let (last, _) = frame_around(&records, whole.len() as u64 - 1);
    for byte in BODY..last {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[byte as usize] ^= flip;
            fs::write(&file, damaged).unwrap();
            let (begin, end) = frame_around(&records, byte);
            let (sound, damages) = read_damaged(dir.path());
            assert_eq!(damages, [(file.clone(), begin, end - begin)], "flipped at {byte}");
            assert_eq!(sound.len(), 3);
        }
    }
}

#[test]
fn damage_is_left_where_it_is_and_writing_goes_on_behind_it() {
    let dir = ledger_of(&records(&[20, 30]));
    let file = segment::path(dir.path(), 0);
    let mut damaged = fs::read(&file).unwrap();
    damaged[BODY as usize + 10] ^= 1;
    damaged.extend_from_slice(b"torn");
    fs::write(&file, &damaged).unwrap();

    let (ledger, writer) = open(&Config::new(dir.path())).unwrap();
    assert_eq!(writer.recovery(), Recovery { torn_bytes: 4, damages: 1 });
    let running = Running { ledger, writer: std::thread::spawn(|| writer.run()) };
    running.append("next").unwrap();
    running.stop();

    assert_eq!(fs::read(&file).unwrap(), damaged[..damaged.len() - 4]);
    let (sound, damages) = read_damaged(dir.path());
    assert_eq!(sound, [Bytes::from(vec![b'b'; 30]), "next".into()]);
    assert_eq!(damages, [(file, BODY, 28)]);
}

#[test]
fn a_torn_tail_before_the_newest_segment_is_damage() {
    let dir = ledger_of(&records(&[20]));
    let file = segment::path(dir.path(), 0);
    fs::write(&file, &fs::read(&file).unwrap()[..30]).unwrap();
    fs::write(segment::path(dir.path(), 1), "").unwrap();
    assert_eq!(read_damaged(dir.path()), (vec![], vec![(file, BODY, 30 - BODY)]));
}

#[test]
fn a_missing_or_foreign_segment_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    for record in ["first", "second", "third", "fourth"] {
        let running = Running::start(&Config::new(dir.path()));
        running.append(record).unwrap();
        running.stop();
    }
    let file = |sequence| segment::path(dir.path(), sequence);
    fs::remove_file(file(1)).unwrap();
    fs::copy(file(0), file(2)).unwrap();
    let found: Vec<String> = read(dir.path())
        .unwrap()
        .map(|item| item.map_or_else(|error| error.to_string(), |r| format!("{r:?}")))
        .collect();
    let missing = format!("`{}` is missing", file(1).display());
    let foreign = format!("`{}` does not begin as a segment of this version and number", file(2).display());
    assert_eq!(found, ["b\"first\"", &missing, &foreign, "b\"fourth\""]);

    // The oldest may be taken away.
    (0..=2).for_each(|sequence| drop(fs::remove_file(file(sequence))));
    assert_eq!(read_all(dir.path()), ["fourth"]);
}

#[test]
fn a_folder_belongs_to_one_ledger_and_its_owner() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("var").join("ledger");
    let running = Running::start(&Config::new(&dir));
    running.append("first").unwrap();
    assert!(matches!(open(&Config::new(&dir)), Err(Error::InUse(_))));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&segment::path(&dir, 0)), mode(&dir.join("lock"))), (0o700, 0o600, 0o600));
    running.stop();
    Running::start(&Config::new(&dir)).stop();
}

#[test]
fn what_goes_wrong_in_pods_is_said_with_what_mends_it() {
    let said = |code| Error::Io { dir: "/l".into(), cause: io::Error::from_raw_os_error(code) }.to_string();
    assert!(said(13).contains("os error 13") && said(13).ends_with("`securityContext.fsGroup`"), "{}", said(13));
    assert!(said(30).ends_with("one of a volume"), "{}", said(30));
    assert!(said(28).ends_with("(os error 28)"), "{}", said(28));
}

#[test]
fn records_that_nobody_waits_for_are_lost_and_counted_when_the_queue_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, writer) = open(&Config { queue: 2, ..Config::new(dir.path()) }).unwrap();
    let append = |record: Bytes| wait(ledger.append(record.into(), Durability::Async));
    assert_eq!(append("first".into()), Ok(()));
    assert_eq!(append("second".into()), Ok(()));
    assert_eq!(append("third".into()), Err(NotWritten::QueueFull));
    assert_eq!(append(vec![0; MAX_RECORD_BYTES + 1].into()), Err(NotWritten::TooLarge));
    drop(writer);
    assert_eq!(append("fourth".into()), Err(NotWritten::Closed));
    assert_eq!(wait(ledger.append("fifth".into(), Durability::BeforeAnswer)), Err(NotWritten::Closed));
    let lost = |durability, reason| ledger.metrics().lost(durability, reason);
    for reason in [NotWritten::QueueFull, NotWritten::TooLarge, NotWritten::Closed] {
        assert_eq!(lost(Durability::Async, reason), 1, "{reason}");
    }
    assert_eq!(lost(Durability::BeforeAnswer, NotWritten::Closed), 1);
}

#[test]
fn a_caller_that_gives_up_takes_nothing_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, writer) = open(&Config::new(dir.path())).unwrap();
    let given_up = wait(async {
        tokio::select! { biased;
            outcome = ledger.append("given up".into(), Durability::BeforeAnswer) => Some(outcome),
            () = tokio::task::yield_now() => None,
        }
    });
    assert_eq!(given_up, None);
    let running = Running { ledger, writer: std::thread::spawn(|| writer.run()) };
    running.append("next").unwrap();
    running.stop();
    assert_eq!(read_all(dir.path()), ["given up", "next"]);
}

#[test]
fn records_that_nobody_waits_for_are_synced_after_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(&Config::new(dir.path()));
    let metrics = running.ledger.metrics().clone();
    wait(running.ledger.append("first".into(), Durability::Async)).unwrap();
    let patience = Instant::now() + Duration::from_secs(30);
    // One sync begins the segment, the next is for the record.
    while metrics.syncs() < 2 {
        assert!(Instant::now() < patience, "not synced");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(metrics.written(Durability::Async), 1);
    running.stop();
}

/// A pipe takes writes, but can be neither synced nor cut.
#[test]
fn after_a_failed_sync_what_is_in_doubt_is_cut_off_before_anything_else_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, mut writer) = open(&Config::new(dir.path())).unwrap();
    let (tail, metrics) = (&mut writer.tail, ledger.metrics());
    tail.append(&batch("safe", Durability::BeforeAnswer)).unwrap();
    tail.append(&batch("promised", Durability::Async)).unwrap();

    let (_reader, pipe) = io::pipe().unwrap();
    let file = std::mem::replace(&mut tail.current.as_mut().unwrap().file, File::from(OwnedFd::from(pipe)));
    for _ in 0..2 {
        assert!(tail.append(&batch("refused", Durability::BeforeAnswer)).is_err());
        assert!(metrics.is_failing());
        assert_eq!(metrics.lost(Durability::Async, NotWritten::Disk), 1, "the promised one is lost");
    }
    assert_eq!(wait(ledger.append("lost".into(), Durability::Async)), Err(NotWritten::Disk));

    tail.current.as_mut().unwrap().file = file;
    tail.tend();
    assert!(!metrics.is_failing());
    tail.append(&batch("next", Durability::BeforeAnswer)).unwrap();
    assert_eq!(read_all(dir.path()), ["safe", "next"]);
    assert_eq!(segment::sequences(dir.path()).unwrap(), Some(0..=1));
}

#[test]
fn can_be_read_while_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(&Config { segment_bytes: 500, ..Config::new(dir.path()) });
    std::thread::scope(|scope| {
        let appends = scope.spawn(|| (0..500_u32).for_each(|n| running.append(n.to_be_bytes().to_vec()).unwrap()));
        while !appends.is_finished() {
            for (n, record) in (0_u32..).zip(read_all(dir.path())) {
                assert_eq!(record, n.to_be_bytes().as_slice());
            }
        }
    });
    running.stop();
    assert_eq!(read_all(dir.path()).len(), 500);
}

#[test]
fn its_metrics_are_there_from_the_start() {
    let mut registry = prometheus_client::registry::Registry::with_prefix("tollgate");
    Metrics::new().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let names: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let expected = [
        "tollgate_ledger_failing gauge",
        "tollgate_ledger_lost_records counter",
        "tollgate_ledger_records counter",
        "tollgate_ledger_removed_files counter",
        "tollgate_ledger_sync_duration_seconds histogram",
        "tollgate_ledger_syncs counter",
        "tollgate_ledger_written_bytes counter",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    for series in [
        r#"tollgate_ledger_records_total{durability="before_answer"} 0"#,
        r#"tollgate_ledger_lost_records_total{durability="async",reason="queue_full"} 0"#,
        r#"tollgate_ledger_sync_duration_seconds_bucket{le="0.00005"} 0"#,
    ] {
        assert!(text.contains(series), "{series} is not in\n{text}");
    }
}

fn frames_of(records: &[Vec<u8>]) -> Vec<u8> {
    let mut frames = Vec::new();
    for record in records {
        Frame::try_new(record.clone()).unwrap().write_to(&mut frames);
    }
    frames
}

fn pieces(bytes: &[u8]) -> Vec<Piece> {
    let mut scan = Scan::new(bytes, 0);
    std::iter::from_fn(|| scan.next_piece().unwrap()).collect()
}

proptest! {
    #[test]
    fn frames_give_back_their_records(records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
        let expected: Vec<Piece> = records.iter().map(|record| Piece::Record(record.clone().into())).collect();
        prop_assert_eq!(pieces(&frames_of(&records)), expected);
    }

    #[test]
    fn noise_is_torn_and_before_a_frame_it_is_damage(noise in prop::collection::vec(any::<u8>(), 1..2000), record: Vec<u8>) {
        let bytes = noise.len() as u64;
        prop_assert_eq!(pieces(&noise), [Piece::Torn { offset: 0, bytes }]);
        let mixed = [noise, frames_of(std::slice::from_ref(&record))].concat();
        prop_assert_eq!(pieces(&mixed), [Piece::Damage { offset: 0, bytes }, Piece::Record(record.into())]);
    }

    #[test]
    fn the_pieces_of_anything_are_all_of_it(bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..500)) {
        let mut end = 0;
        for piece in pieces(&bytes) {
            match piece {
                Piece::Record(record) => end += (frame::HEADER_BYTES + record.len()) as u64,
                Piece::Damage { offset, bytes } | Piece::Torn { offset, bytes } => {
                    prop_assert_eq!(offset, end);
                    end += bytes;
                }
            }
        }
        prop_assert_eq!(end, bytes.len() as u64);
    }
}
