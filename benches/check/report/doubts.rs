//! What must be known before a figure is believed.

use super::Ended;
use super::tables::{percent, shown, whole};
use crate::figures::{All, Cell, Load, count};
use crate::machine::Machine;

/// A hundredth of the time is what p99 is about.
const MOST_STALLS: f64 = 0.005;
/// A tenth of what a check takes where nobody waits.
const MOST_LAG_US: f64 = 50.0;

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
        let mut names: Vec<_> = all.0.iter().filter(|one| one.cell == cell).map(|one| one.subject).collect();
        names.sort_unstable();
        names.dedup();
        let found = names.into_iter().filter_map(|name| Some((name, doubt(all, cell, name)?)));
        doubts.extend(found.map(|(name, doubt)| format!("{cell}: {}: {doubt}", shown(name))));
    }
    let lost: u64 = ended.iter().filter_map(|one| one.records).map(|records| records.lost).sum();
    if lost > 0 {
        doubts.push(format!("{lost} records were lost: the disk was slower than the checks"));
    }
    doubts
}

fn doubt(all: &All, cell: Cell, name: &str) -> Option<String> {
    let figure = |figure| all.median(cell, name, figure);
    let Load::Rate(rate) = cell.load else {
        let is_full = figure(|f| f.servers_busy) > 0.9;
        return (!is_full).then(|| "the servers' core was not full: believe the CPU time, not the answers".to_owned());
    };
    if figure(|f| f.per_second) < 0.99 * f64::from(rate) || figure(|f| count(f.missed)) > 0.0 {
        return Some("the rate was not reached".to_owned());
    }
    let lag = figure(|f| f.lag_p99_us);
    (lag > MOST_LAG_US).then(|| format!("the generator was late itself: one in a hundred by {} µs or more", whole(lag)))
}
