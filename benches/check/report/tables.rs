//! The tables, one for each cell, and one of the processes.
//!
//! `×` is the ratio to the floor; what is added is the difference to the port that asks nobody.

use std::io::Write;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use super::Ended;
use crate::figures::{Cell, Figures, Load, Way, count, median};
use crate::proxy::NOBODY;
use crate::rounds::Bench;
use crate::subject::Records;

const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
const FLOOR: &str = "floor";

/// What is measured, and the table of it.
pub(super) fn cell(bench: &Bench, cell: Cell) -> (String, Table) {
    match cell.way {
        Way::Grpc if cell.load == Load::Saturated => (cell.to_string(), grpc_saturated(bench, cell)),
        Way::Grpc => (format!("{cell}: from the time at which each should have been sent"), grpc_paced(bench, cell)),
        Way::Envoy if cell.load == Load::Saturated => (cell.to_string(), envoy_saturated(bench, cell)),
        Way::Envoy => (cell.to_string(), envoy_paced(bench, cell)),
    }
}

/// Prints one of them.
pub(super) fn show(title: &str, mut table: Table, out: &mut impl Write) -> anyhow::Result<()> {
    table.load_style(STYLE);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(out, "\n{title}\n{}", table.trim_fmt())?;
    Ok(())
}

fn grpc_saturated(bench: &Bench, cell: Cell) -> Table {
    let mut table = table(&["", "answers/s", "CPU µs each", "×", "answers/CPU-s", "core busy"]);
    for name in names(bench, Way::Grpc) {
        let figure = |figure| bench.all.median(cell, name, figure);
        table.add_row([
            shown(name),
            whole(figure(|f| f.per_second)),
            tenth(figure(|f| f.cpu_us_each)),
            times(bench, cell, name, |f| f.cpu_us_each),
            whole(figure(|f| 1e6 / f.cpu_us_each)),
            percent(figure(|f| f.servers_busy)),
        ]);
    }
    table
}

fn grpc_paced(bench: &Bench, cell: Cell) -> Table {
    let mut table = table(&["µs", "p50", "×", "p90", "×", "p99", "×", "p99.9", "max", "CPU each", "answers/s"]);
    for name in names(bench, Way::Grpc) {
        let figure = |figure| bench.all.median(cell, name, figure);
        table.add_row([
            shown(name),
            whole(figure(|f| f.p50_us)),
            times(bench, cell, name, |f| f.p50_us),
            whole(figure(|f| f.p90_us)),
            times(bench, cell, name, |f| f.p90_us),
            whole(figure(|f| f.p99_us)),
            times(bench, cell, name, |f| f.p99_us),
            whole(figure(|f| f.p999_us)),
            whole(figure(|f| f.max_us)),
            tenth(figure(|f| f.cpu_us_each)),
            whole(figure(|f| f.per_second)),
        ]);
    }
    table
}

fn envoy_saturated(bench: &Bench, cell: Cell) -> Table {
    let mut table = table(&["", "answers/s", "CPU µs each: Envoy", "asked", "core busy"]);
    for name in names(bench, Way::Envoy) {
        let figure = |figure| bench.all.median(cell, name, figure);
        table.add_row([
            shown(name),
            whole(figure(|f| f.per_second)),
            tenth(figure(|f| f.envoy_cpu_us_each)),
            tenth(figure(|f| f.cpu_us_each)),
            percent(figure(|f| f.servers_busy)),
        ]);
    }
    table
}

fn envoy_paced(bench: &Bench, cell: Cell) -> Table {
    let mut table = table(&["µs", "p50", "p90", "p99", "p99.9", "added: p50", "p90", "p99", "p99.9", "answers/s"]);
    for name in names(bench, Way::Envoy) {
        let figure = |figure| bench.all.median(cell, name, figure);
        let added = |figure| {
            let added = bench.all.compared(cell, (name, NOBODY), figure, |one, other| one - other);
            if name == NOBODY { "–".to_owned() } else { whole(added) }
        };
        table.add_row([
            shown(name),
            whole(figure(|f| f.p50_us)),
            whole(figure(|f| f.p90_us)),
            whole(figure(|f| f.p99_us)),
            whole(figure(|f| f.p999_us)),
            added(|f| f.p50_us),
            added(|f| f.p90_us),
            added(|f| f.p99_us),
            added(|f| f.p999_us),
            whole(figure(|f| f.per_second)),
        ]);
    }
    table
}

/// What the processes came to.
pub(super) fn processes(bench: &Bench, ended: &[Ended]) -> Table {
    let mut table = table(&["", "MiB when ready", "after", "at most", "ms to ready", "records", "lost", "syncs"]);
    for (subject, ended) in bench.subjects.iter().zip(ended) {
        let record = |of: fn(&Records) -> u64| ended.records.map_or_else(dash, |records| of(&records).to_string());
        let ready = median(subject.ready.iter().map(|time| time.as_secs_f64() * 1e3).collect());
        table.add_row([
            shown(subject.name),
            mib(subject.memory_at_start.resident_kib),
            mib(ended.memory.resident_kib),
            mib(ended.memory.peak_kib),
            if subject.ready.is_empty() { dash() } else { whole(ready) },
            record(|records| records.written),
            record(|records| records.lost),
            record(|records| records.syncs),
        ]);
    }
    table
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.set_header(header.iter().copied());
    table
}

fn names(bench: &Bench, way: Way) -> Vec<&'static str> {
    let nobody = (way == Way::Envoy).then_some(NOBODY);
    nobody.into_iter().chain(bench.subjects.iter().map(|subject| subject.name)).collect()
}

pub(super) fn shown(name: &str) -> String {
    match name {
        NOBODY => "no ext_authz".to_owned(),
        FLOOR => "stock tonic, looks at nothing".to_owned(),
        "tollgate" => "Tollgate, policies/".to_owned(),
        _ => "Tollgate, 10,000 actions".to_owned(),
    }
}

fn times(bench: &Bench, cell: Cell, name: &str, figure: fn(&Figures) -> f64) -> String {
    format!("{:.2}", bench.all.compared(cell, (name, FLOOR), figure, |one, floor| one / floor))
}

pub(super) fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn tenth(value: f64) -> String {
    format!("{value:.1}")
}

pub(super) fn percent(value: f64) -> String {
    format!("{:.0} %", value * 100.0)
}

fn mib(kib: u64) -> String {
    format!("{:.1}", count(kib) / 1024.0)
}

fn dash() -> String {
    "–".to_owned()
}
