//! What must be known before a figure is believed.

use super::Ended;
use super::tables::{percent, whole};
use crate::cell::{Cell, Load};
use crate::figures::{All, count};
use crate::machine::Machine;

/// A hundredth of the time is what p99 is about.
const MOST_STALLS: f64 = 0.005;
/// A tenth of what a check takes where nobody waits.
const MOST_LAG_US: f64 = 50.0;

/// A check at a constant rate costs more than in a closed loop, where several share a read: what seemed to be enough may not be.
const MOST_BUSY: f64 = 0.9;

/// All doubts, as sentences.
pub(super) fn all(all: &All, machine: &Machine, ended: &[Ended]) -> Vec<String> {
    let mut doubts = Vec::new();
    if machine.stalls.share > MOST_STALLS {
        let share = percent(machine.stalls.share);
        doubts.push(format!(
            "the machine stands still for {share} of the time: beyond that percentile, latency is the machine's"
        ));
    }
    for cell in all.cells() {
        doubts.extend(late(all, cell));
        let unlike = subjects(all, cell).into_iter().filter_map(|name| Some((name, doubt(all, cell, name)?)));
        doubts.extend(unlike.map(|(name, doubt)| format!("{cell}: {name}: {doubt}")));
    }
    let lost: u64 = ended.iter().filter_map(|one| one.records).map(|records| records.lost).sum();
    if lost > 0 {
        doubts.push(format!("{lost} records were lost: the disk was slower than the checks"));
    }
    doubts
}

fn subjects(all: &All, cell: Cell) -> Vec<&str> {
    let mut names: Vec<_> = all.0.iter().filter(|one| one.cell == cell).map(|one| one.subject.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn doubt(all: &All, cell: Cell, name: &str) -> Option<&'static str> {
    let figure = |figure| all.median(cell, name, figure);
    match cell.load {
        Load::Closed if figure(|f| f.servers_busy) < 0.9 => {
            Some("the servers' core was not full: believe the CPU time, not the answers")
        }
        Load::Rate(_) if figure(|f| f.servers_busy) > MOST_BUSY => {
            Some("the servers' core was full: latency is its queue's")
        }
        Load::Rate(rate) if figure(|f| f.per_second) < 0.99 * f64::from(rate) => Some("the rate was not reached"),
        Load::Rate(_) if figure(|f| count(f.missed)) > 0.0 => Some("requests were not sent: too many had no answer"),
        _ => None,
    }
}

/// The generator is the same for all: where it is late, it is late for all.
fn late(all: &All, cell: Cell) -> Option<String> {
    let lags = subjects(all, cell).into_iter().map(|name| all.median(cell, name, |f| f.lag_p99_us));
    let lag = lags.fold(0.0, f64::max);
    let is_late = cell.load != Load::Closed && lag > MOST_LAG_US;
    is_late.then(|| format!("{cell}: the generator was late itself: one in a hundred by {} µs or more", whole(lag)))
}
