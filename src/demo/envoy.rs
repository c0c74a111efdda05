//! A real Envoy on loopback: found, given a bootstrap, checked, started, asked for its counters, stopped.
//!
//! It takes free ports and tells which: nothing is guessed, so many can run at once. The binary is the caller's to
//! name; `make envoy` puts the pinned one at `.tools/envoy`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::client::{Client, Request};
use super::files;
use super::json_lines::text;
use super::process::{POLL, Process, last_words};

pub mod bootstrap;
mod filters;
mod message;
pub mod options;
mod replicas;

pub use options::{
    BodyLimit, ExtAuthz, HeaderForm, Jwt, Listener, Normalisation, Options, PeerCertificate, Replicas, Tls,
    UpstreamTls, Xfcc,
};

/// The start of a 100 MB binary on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// An Envoy that serves.
pub struct Envoy {
    process: Process,
    admin: Client,
    address_by_listener: BTreeMap<String, SocketAddr>,
}

/// Makes sure that there is an Envoy to start at this path.
pub fn locate(path: &Path) -> anyhow::Result<PathBuf> {
    let found = std::fs::metadata(path).is_ok_and(|data| data.is_file());
    anyhow::ensure!(
        found,
        "there is no Envoy at `{}`: fetch the pinned one with `make envoy`, or name another with --envoy or \
         TOLLGATE_ENVOY",
        path.display()
    );
    std::path::absolute(path).with_context(|| format!("can't make `{}` absolute", path.display()))
}

/// Lets Envoy check a configuration without running it.
pub async fn validate(binary: &Path, options: &Options, folder: &Path) -> anyhow::Result<()> {
    let config = write_config(options, folder)?;
    let log = folder.join("envoy-validate.log");
    let mut command = Command::new(binary);
    command.args(["--mode", "validate", "--log-level", "warning", "--config-path"]).arg(&config);
    let status = Process::start("envoy", &mut command, &log)?.ended(READY_WITHIN).await?;
    anyhow::ensure!(status.success(), "envoy refuses `{}`; {}", config.display(), last_words(&log));
    Ok(())
}

impl Envoy {
    /// Starts it with its configuration and log in `folder`, and waits until it takes requests.
    pub async fn start(binary: &Path, options: &Options, folder: &Path) -> anyhow::Result<Self> {
        Self::start_with(binary, &write_config(options, folder)?, options.concurrency, folder).await
    }

    /// The same, with a configuration file of the caller's.
    pub async fn start_with(binary: &Path, config: &Path, concurrency: u32, folder: &Path) -> anyhow::Result<Self> {
        let admin_file = folder.join("envoy-admin-address");
        let log = folder.join("envoy.log");
        // An old file would be taken for the new one's.
        let _ = std::fs::remove_file(&admin_file);
        let mut command = command(binary, concurrency, config, &admin_file);
        let mut process = Process::start("envoy", &mut command, &log)?;

        let deadline = Instant::now() + READY_WITHIN;
        let mut admin = None;
        loop {
            process.still_runs().context("envoy did not start")?;
            if admin.is_none() {
                admin = admin_address(&admin_file).map(|address| Client::plain(address).with_timeout(READY_WITHIN));
            }
            if let Some(admin) = &admin
                && is_ready(admin).await
            {
                let address_by_listener = listeners(admin).await?;
                return Ok(Self { process, admin: admin.clone(), address_by_listener });
            }
            if Instant::now() >= deadline {
                anyhow::bail!("envoy was not ready within {READY_WITHIN:?}; {}", last_words(&log));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Where the listener of this name listens.
    pub fn address(&self, listener: &str) -> anyhow::Result<SocketAddr> {
        let found = self.address_by_listener.get(listener).copied();
        found.with_context(|| format!("envoy has no listener `{listener}`; it has {:?}", self.address_by_listener))
    }

    /// The counters and gauges whose name matches the regular expression, by name.
    pub async fn stats(&self, filter: &str) -> anyhow::Result<BTreeMap<String, u64>> {
        let filter = utf8_percent_encode(filter, NON_ALPHANUMERIC);
        let answer = ask(&self.admin, format!("/stats?format=json&type=All&filter={filter}")).await?;
        let stats =
            answer.get("stats").and_then(Value::as_array).context("envoy's admin port answered no statistics")?;
        // Histograms have no value and no name here, and are left out.
        let named = |stat: &Value| Some((stat.get("name")?.as_str()?.to_owned(), stat.get("value")?.as_u64()?));
        Ok(stats.iter().filter_map(named).collect())
    }

    /// The sum of the counters whose name matches.
    pub async fn count(&self, filter: &str) -> anyhow::Result<u64> {
        Ok(self.stats(filter).await?.values().sum())
    }

    /// What it shows to Prometheus.
    pub async fn prometheus(&self) -> anyhow::Result<String> {
        let response =
            self.admin.send(&Request::get("admin", "/stats/prometheus")).await.context("envoy's admin port")?;
        anyhow::ensure!(response.status == 200, "envoy's admin port answers {}", response.status);
        Ok(response.text())
    }

    /// The configuration that is in force, as Envoy's admin port says it.
    pub async fn config_dump(&self) -> anyhow::Result<String> {
        Ok(format!("{:#}", ask(&self.admin, "/config_dump".to_owned()).await?))
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its log file.
    pub fn log(&self) -> &Path {
        self.process.log()
    }

    /// Fails, with the end of its log, if it has ended.
    pub fn still_runs(&mut self) -> anyhow::Result<()> {
        self.process.still_runs()
    }
}

fn write_config(options: &Options, folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("envoy.json");
    let text =
        serde_json::to_string_pretty(&bootstrap::render(options)).context("can't write Envoy's configuration")?;
    files::write(&path, text)?;
    Ok(path)
}

fn command(binary: &Path, concurrency: u32, config: &Path, admin_file: &Path) -> Command {
    let mut command = Command::new(binary);
    command
        .arg("--config-path")
        .arg(config)
        .arg("--admin-address-path")
        .arg(admin_file)
        .args(["--concurrency", &concurrency.to_string()])
        .args(["--log-level", "warning"])
        // Access logs are read while the run goes on; Envoy's default is ten seconds.
        .args(["--file-flush-interval-msec", "20"])
        // Several Envoys on one machine would otherwise fight for one shared memory segment.
        .arg("--disable-hot-restart");
    command
}

fn admin_address(file: &Path) -> Option<SocketAddr> {
    match std::fs::read_to_string(file).map(|text| text.trim().parse()) {
        Ok(Ok(address)) => Some(address),
        // Not there yet, or half written: the next look will tell.
        _ => None,
    }
}

async fn is_ready(admin: &Client) -> bool {
    matches!(admin.send(&Request::get("admin", "/ready")).await, Ok(response) if response.status == 200)
}

async fn listeners(admin: &Client) -> anyhow::Result<BTreeMap<String, SocketAddr>> {
    let answer = ask(admin, "/listeners?format=json".to_owned()).await?;
    let statuses = answer.get("listener_statuses").and_then(Value::as_array);
    statuses.context("envoy's admin port answered no listeners")?.iter().map(listener).collect()
}

fn listener(status: &Value) -> anyhow::Result<(String, SocketAddr)> {
    let socket = status.pointer("/local_address/socket_address").unwrap_or(&Value::Null);
    let port = socket.get("port_value").unwrap_or(&Value::Null);
    let address = format!("{}:{port}", text(socket, "address")).parse();
    Ok((text(status, "name").to_owned(), address.with_context(|| format!("a listener has no address: {status}"))?))
}

async fn ask(admin: &Client, target: String) -> anyhow::Result<Value> {
    let response = admin.send(&Request::get("admin", target.as_str())).await.context("envoy's admin port")?;
    anyhow::ensure!(response.status == 200, "envoy's admin port answers {} to {target}", response.status);
    Ok(response.json())
}
