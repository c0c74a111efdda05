//! The tables, one for each cell, and one of the processes.
//!
//! `×` is the ratio to the floor; what is added is the difference to the port that asks nobody.

use std::io::Write;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use serde_json::{Value, json};

use super::Ended;
use crate::cell::{Cell, Load, Way};
use crate::contender::FLOOR;
use crate::figures::{Figures, count, median};
use crate::proxy::NOBODY;
use crate::rounds::Bench;
use crate::subject::Records;

const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// What is measured, and the table of it.
pub(super) fn cell(bench: &Bench, cell: Cell) -> (String, Table) {
    let made = match (cell.way, cell.load) {
        (Way::Direct, Load::Closed) => direct_closed(bench, cell),
        (Way::Direct, Load::Rate(_)) => direct_paced(bench, cell),
        (Way::Envoy, Load::Closed) => envoy_closed(bench, cell),
        (Way::Envoy, Load::Rate(_)) => envoy_paced(bench, cell),
    };
    (format!("{cell} ({})", cell.id()), made)
}

/// Prints one of them.
pub(crate) fn show(title: &str, mut table: Table, out: &mut impl Write) -> anyhow::Result<()> {
    table.load_style(STYLE);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(out, "\n{title}\n{}", table.trim_fmt())?;
    Ok(())
}

fn direct_closed(bench: &Bench, cell: Cell) -> Table {
    let mut table = table(&["", "answers/s", "CPU µs each", "×", "answers/CPU-s", "core busy"]);
    for (name, title) in names(bench, cell) {
        let figure = |figure| bench.all.median(cell, name, figure);
        table.add_row([
            title,
            whole(figure(|f| f.per_second)),
            tenth(figure(|f| f.cpu_us_each)),
            times(bench, cell, name, |f| f.cpu_us_each),
            whole(figure(|f| 1e6 / f.cpu_us_each)),
            percent(figure(|f| f.servers_busy)),
        ]);
    }
    table
}

fn direct_paced(bench: &Bench, cell: Cell) -> Table {
    let mut table = table(&["µs", "p50", "×", "p90", "×", "p99", "×", "p99.9", "p99.9/p99", "CPU each", "answers/s"]);
    for (name, title) in names(bench, cell) {
        let figure = |figure| bench.all.median(cell, name, figure);
        table.add_row([
            title,
            whole(figure(|f| f.p50_us)),
            times(bench, cell, name, |f| f.p50_us),
            whole(figure(|f| f.p90_us)),
            times(bench, cell, name, |f| f.p90_us),
            whole(figure(|f| f.p99_us)),
            times(bench, cell, name, |f| f.p99_us),
            whole(figure(|f| f.p999_us)),
            tenth(figure(Figures::tail)),
            tenth(figure(|f| f.cpu_us_each)),
            whole(figure(|f| f.per_second)),
        ]);
    }
    table
}

fn envoy_closed(bench: &Bench, cell: Cell) -> Table {
    let mut table = table(&["", "answers/s", "CPU µs each: Envoy", "asked", "×", "core busy"]);
    for (name, title) in names(bench, cell) {
        let figure = |figure| bench.all.median(cell, name, figure);
        table.add_row([
            title,
            whole(figure(|f| f.per_second)),
            tenth(figure(|f| f.envoy_cpu_us_each)),
            if name == NOBODY { dash() } else { tenth(figure(|f| f.cpu_us_each)) },
            if name == NOBODY { dash() } else { times(bench, cell, name, |f| f.cpu_us_each) },
            percent(figure(|f| f.servers_busy)),
        ]);
    }
    table
}

fn envoy_paced(bench: &Bench, cell: Cell) -> Table {
    let header =
        ["µs", "p50", "p99", "p99.9", "p99.9/p99", "added: p50", "p90", "p99", "p99.9", "added p99 ×", "core busy"];
    let mut table = table(&header);
    for (name, title) in names(bench, cell) {
        let figure = |figure| bench.all.median(cell, name, figure);
        let added = |figure| if name == NOBODY { dash() } else { whole(added(bench, cell, name, figure)) };
        table.add_row([
            title,
            whole(figure(|f| f.p50_us)),
            whole(figure(|f| f.p99_us)),
            whole(figure(|f| f.p999_us)),
            tenth(figure(Figures::tail)),
            added(|f| f.p50_us),
            added(|f| f.p90_us),
            added(|f| f.p99_us),
            added(|f| f.p999_us),
            if name == NOBODY { dash() } else { hundredth(added_to_floor(bench, cell, name)) },
            percent(figure(|f| f.servers_busy)),
        ]);
    }
    table
}

/// What each subject adds behind Envoy, and how that stands to what the floor adds.
pub(super) fn ratios(bench: &Bench) -> Vec<Value> {
    let cells = bench.all.cells().into_iter().filter(|cell| cell.way == Way::Envoy && cell.load != Load::Closed);
    let one = |cell: Cell, name: &str| {
        json!({
            "cell": cell.id(),
            "subject": name,
            "added_p50_us": added(bench, cell, name, |f| f.p50_us),
            "added_p90_us": added(bench, cell, name, |f| f.p90_us),
            "added_p99_us": added(bench, cell, name, |f| f.p99_us),
            "added_p999_us": added(bench, cell, name, |f| f.p999_us),
            "added_p99_to_floor": added_to_floor(bench, cell, name),
            "p999_to_p99": bench.all.median(cell, name, Figures::tail),
        })
    };
    let all = cells.flat_map(|cell| names(bench, cell).into_iter().map(move |(name, _)| (cell, name)));
    all.filter(|(_, name)| *name != NOBODY).map(|(cell, name)| one(cell, name)).collect()
}

fn added(bench: &Bench, cell: Cell, name: &str, figure: fn(&Figures) -> f64) -> f64 {
    bench.all.compared(cell, (name, NOBODY), figure, |one, nobody| one - nobody)
}

fn added_to_floor(bench: &Bench, cell: Cell, name: &str) -> f64 {
    bench.all.added_to_floor(cell, (name, FLOOR, NOBODY), |f| f.p99_us)
}

/// What the processes came to.
pub(super) fn processes(bench: &Bench, ended: &[Ended]) -> Table {
    let header = ["", "over", "MiB at rest", "after", "at most", "ms to ready", "records", "lost", "syncs"];
    let mut table = table(&header);
    for (subject, ended) in bench.subjects.iter().zip(ended) {
        let record = |of: fn(&Records) -> u64| ended.records.map_or_else(dash, |records| of(&records).to_string());
        let ready = median(subject.ready.iter().map(|time| time.as_secs_f64() * 1e3).collect());
        table.add_row([
            subject.contender.title(),
            subject.transport.word().to_owned(),
            mib(subject.memory_at_rest.resident_kib),
            mib(ended.memory.resident_kib),
            mib(ended.memory.peak_kib),
            whole(ready),
            record(|records| records.written),
            record(|records| records.lost),
            record(|records| records.syncs),
        ]);
    }
    table
}

/// An empty one.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.set_header(header.iter().copied());
    table
}

/// Who was measured in a cell, and the title.
fn names(bench: &Bench, cell: Cell) -> Vec<(&str, String)> {
    let nobody = (cell.way == Way::Envoy).then(|| (NOBODY, "no ext_authz".to_owned()));
    let subjects = bench.subjects.iter().filter(|one| one.transport == cell.transport);
    let subjects = subjects.map(|one| (one.name.as_str(), one.contender.title()));
    nobody.into_iter().chain(subjects).filter(|(name, _)| bench.all.has(cell, name)).collect()
}

fn times(bench: &Bench, cell: Cell, name: &str, figure: fn(&Figures) -> f64) -> String {
    hundredth(bench.all.compared(cell, (name, FLOOR), figure, |one, floor| one / floor))
}

/// A figure; where nothing was measured, a dash.
fn number(value: f64, digits: usize) -> String {
    if value.is_finite() { format!("{value:.digits$}") } else { dash() }
}

pub(crate) fn whole(value: f64) -> String {
    number(value, 0)
}

fn tenth(value: f64) -> String {
    number(value, 1)
}

fn hundredth(value: f64) -> String {
    number(value, 2)
}

pub(super) fn percent(value: f64) -> String {
    format!("{:.0} %", value * 100.0)
}

fn mib(kib: u64) -> String {
    number(count(kib) / 1024.0, 1)
}

fn dash() -> String {
    "–".to_owned()
}
