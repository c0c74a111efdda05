//! The machine: which core is whose, what processes cost in time and memory.
//!
//! Linux only: it reads `/proc` and pins with `taskset`. Where there is no `taskset`, or only one core, or cores are to be
//! shared, nothing is pinned, and the report says so.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;

use crate::args::Settings;

/// Where we are.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) kernel: String,
    /// None: nothing is pinned.
    pub(crate) cores: Option<Cores>,
    pub(crate) stalls: Stalls,
    /// How many wanted to run in the last minute, before we began: above zero, somebody else was measured too.
    pub(crate) load_before: String,
}

/// Who runs where.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Cores {
    /// What is measured: a server, and Envoy with it where there is one.
    pub(crate) servers: u32,
    pub(crate) generator: u32,
}

/// How often the machine stood still while somebody on it only looked at the clock: a neighbour, or the host of a virtual
/// machine, had the core. No percentile beyond the share of stalls says anything about a server.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Stalls {
    /// Of the time.
    pub(crate) share: f64,
    pub(crate) longest_ms: f64,
}

/// What a process has in memory.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Memory {
    /// `VmRSS`.
    pub(crate) resident_kib: u64,
    /// `VmHWM`: the most that it ever was.
    pub(crate) peak_kib: u64,
}

/// `USER_HZ`: the unit of times in `/proc`, 100 on every platform that Tollgate is built for.
const TICKS_PER_SECOND: f64 = 100.0;

impl Machine {
    /// Looks around, and pins this process to the generator's core, unless cores are shared.
    pub(crate) fn take(settings: &Settings) -> anyhow::Result<Self> {
        let own = read("/proc/self/status")?;
        let allowed = processors(field(&own, "Cpus_allowed_list"));
        let cores = match *allowed.as_slice() {
            [servers, generator, ..] if !settings.share_cores => Some(Cores { servers, generator }),
            _ => None,
        };
        let cores = cores.filter(|cores| pin(std::process::id(), cores.generator).is_ok());
        let model = read("/proc/cpuinfo")?;
        let model = model.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
        Ok(Self {
            processor: model.map_or("unknown", |(_, name)| name.trim()).to_owned(),
            processors: allowed.len(),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            cores,
            load_before: load()?,
            stalls: Stalls::look(),
        })
    }

    /// Puts a server where servers are.
    pub(crate) fn pin_server(&self, pid: u32) -> anyhow::Result<()> {
        self.cores.map_or(Ok(()), |cores| pin(pid, cores.servers))
    }
}

/// How long the clock is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// More than a clock tick of the kernel takes.
const STALL: Duration = Duration::from_micros(100);

impl Stalls {
    fn look() -> Self {
        let began = Instant::now();
        let (mut last, mut all, mut longest) = (began, Duration::ZERO, Duration::ZERO);
        while last - began < LOOK {
            let gap = last.elapsed();
            if gap > STALL {
                all += gap;
                longest = longest.max(gap);
            }
            last += gap;
        }
        Self { share: all.div_duration_f64(LOOK), longest_ms: longest.as_secs_f64() * 1e3 }
    }
}

/// The load averages of the last 1, 5 and 15 minutes.
pub(crate) fn load() -> anyhow::Result<String> {
    Ok(read("/proc/loadavg")?.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}

/// The processor time that a process has had, all its threads together.
pub(crate) fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    // The second field is a name in brackets, which may hold anything; times are the 14th and 15th.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| -> anyhow::Result<f64> {
        Ok(fields.get(index).with_context(|| format!("no times of process {pid}"))?.parse()?)
    };
    Ok(Duration::from_secs_f64((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND))
}

/// What a process has in memory.
pub(crate) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let status = read(&format!("/proc/{pid}/status"))?;
    let kib =
        |name| field(&status, name).trim_end_matches(" kB").parse().with_context(|| format!("no {name} of {pid}"));
    Ok(Memory { resident_kib: kib("VmRSS")?, peak_kib: kib("VmHWM")? })
}

/// Sends a signal: `STOP`, `CONT`.
pub(crate) fn signal(pid: u32, name: &str) -> anyhow::Result<()> {
    // A shell has `kill` built in, and sending a signal ourselves would take `unsafe` or a library.
    let sent = Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &pid.to_string()]).status()?;
    anyhow::ensure!(sent.success(), "can't send {name} to process {pid}");
    Ok(())
}

/// All threads of a process, and those that they will start.
fn pin(pid: u32, core: u32) -> anyhow::Result<()> {
    let mut command = Command::new("taskset");
    command.args(["--all-tasks", "--cpu-list", "--pid", &core.to_string(), &pid.to_string()]).stdout(Stdio::null());
    anyhow::ensure!(command.status().context("no taskset")?.success(), "can't pin process {pid} to core {core}");
    Ok(())
}

fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("can't read {path}, which only Linux has"))
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let mut fields = status.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(found, _)| *found == name).map_or("", |(_, value)| value.trim())
}

/// `0-2,5` is 0, 1, 2 and 5.
fn processors(list: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.parse(), last.parse::<u32>()) {
            (Ok(first), Ok(last)) => (first..=last).collect(),
            _ => Vec::new(),
        }
    };
    list.split(',').flat_map(range).collect()
}
