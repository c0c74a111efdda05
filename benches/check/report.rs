//! What comes of it: tables for people, and one JSON file with everything that was measured.
//!
//! The tables show medians; `×` is the median of the ratios to the floor within each round. Doubts are said below them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde_json::json;

use crate::args::Settings;
use crate::figures::median;
use crate::machine::{self, Machine, Memory};
use crate::request;
use crate::rounds::Bench;
use crate::subject::{Records, Subject};

mod doubts;
mod tables;

pub(crate) use tables::{show, table, whole};

use tables::percent;

/// What a subject came to, apart from its answers.
pub(crate) struct Ended {
    memory: Memory,
    records: Option<Records>,
}

/// What is asked of each subject when all is measured.
pub(crate) async fn ended(subjects: &[Subject]) -> anyhow::Result<Vec<Ended>> {
    let mut all = Vec::new();
    for subject in subjects {
        let records = subject.records().await?;
        all.push(Ended { memory: machine::memory(subject.pid())?, records });
    }
    Ok(all)
}

/// Prints the tables.
pub(crate) fn print(
    settings: &Settings,
    machine: &Machine,
    bench: &Bench,
    ended: &[Ended],
    out: &mut impl Write,
) -> anyhow::Result<()> {
    introduce(settings, machine, out)?;
    for cell in bench.all.cells() {
        let (title, table) = tables::cell(bench, cell);
        show(&title, table, out)?;
    }
    show("Memory, start, records", tables::processes(bench, ended), out)?;
    for (who, could) in &bench.left_out {
        let (times, could) = (could.len(), whole(median(could.clone())));
        writeln!(out, "not measured in {times} of {} rounds: {who}: it takes {could} a second", settings.rounds)?;
    }
    for doubt in doubts::all(&bench.all, machine, ended) {
        writeln!(out, "note: {doubt}")?;
    }
    Ok(())
}

fn introduce(settings: &Settings, machine: &Machine, out: &mut impl Write) -> anyhow::Result<()> {
    let Settings { rounds, seconds, connections, in_flight_each, workers, headers, .. } = settings;
    writeln!(out, "{}, {} processors, Linux {}", machine.processor, machine.processors, machine.kernel)?;
    writeln!(out, "load averages before: {}; after: {}", machine.load_before, machine::load()?)?;
    let (share, longest) = (percent(machine.stalls.share), whole(machine.stalls.longest_ms));
    writeln!(out, "before the first request the machine stood still for {share} of the time, at most {longest} ms")?;
    match machine.cores {
        Some(cores) => {
            writeln!(out, "servers (Envoy too) on core {}, load generator on core {}", cores.servers, cores.generator)?;
        }
        None if settings.share_cores => writeln!(out, "nothing is pinned: cores are shared, as was asked for")?,
        None => writeln!(out, "nothing is pinned: there is no taskset, or only one core")?,
    }
    writeln!(out, "medians of {rounds} interleaved rounds of {seconds} s for each cell, half of it in a closed loop")?;
    writeln!(
        out,
        "{workers} worker thread; {connections} connections; closed loop: {in_flight_each} requests on each"
    )?;
    for (what, bytes) in request::sizes(*headers) {
        writeln!(out, "a check {what} has {bytes} bytes, headers {headers:?}")?;
    }
    Ok(())
}

/// Writes everything that was measured.
pub(crate) fn write(
    settings: &Settings,
    machine: &Machine,
    bench: &Bench,
    ended: &[Ended],
    path: &Path,
) -> anyhow::Result<()> {
    let subjects = bench.subjects.iter().zip(ended).map(|(subject, ended)| {
        let ready: Vec<f64> = subject.ready.iter().map(|time| time.as_secs_f64() * 1e3).collect();
        json!({
            "name": subject.name,
            "title": subject.contender.title(),
            "transport": subject.transport,
            "ready_ms": ready,
            "memory_at_rest": subject.memory_at_rest,
            "memory_after": ended.memory,
            "records": ended.records,
        })
    });
    let all = json!({
        "machine": machine,
        "load_after": machine::load()?,
        "settings": settings,
        "check_bytes": request::sizes(settings.headers).into_iter().collect::<BTreeMap<_, _>>(),
        "subjects": subjects.collect::<Vec<_>>(),
        "not_measured": bench.left_out,
        "through_envoy": tables::ratios(bench),
        "measured": bench.all,
    });
    tollgate::demo::files::write(path, format!("{all:#}\n"))
}
