//! Two replicas behind one Envoy, started again one after the other under load: no request may fail.
//!
//! Each is told to end as the kubelet does it, says that it is not ready, serves on, ends, and is started again at the same
//! address. At the end both ledgers together hold what Envoy asked.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;
use tokio::task::JoinSet;
use tollgate::demo::envoy::{Envoy, ExtAuthz, Jwt, Listener, Options, Replicas, locate};
use tollgate::demo::pki::Authority;
use tollgate::demo::service::{self, Address, Tollgate};
use tollgate::demo::tokens::TokenIssuer;
use tollgate::demo::upstream::Upstream;

use crate::args::Settings;
use crate::ask::{Ask, Got};
use crate::cases::{API, DESK, claims};
use crate::certificates::connector;
use crate::slot::{Slot, Tokens, Way};
use crate::stage::front_tls;
use crate::tally::Tally;

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Rolled {
    pub(crate) asked: u32,
    pub(crate) failed: u32,
    pub(crate) restarts: u32,
    /// What Envoy was answered, by its own count; and asked again after an error.
    pub(crate) envoy_ok: u64,
    pub(crate) envoy_errors: u64,
    pub(crate) envoy_retries: u64,
    /// Decisions in both ledgers.
    pub(crate) recorded: u64,
    pub(crate) seconds: f64,
    pub(crate) first_failed: Vec<String>,
}

const CALLERS: usize = 24;
const DRAIN_DELAY: &str = "2s";
const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// What it takes until Envoy asks a replica again that was started again.
const HEALTHY_WITHIN: Duration = Duration::from_secs(30);
/// Two answers that say no, at this interval, must come within the delay of the drain.
const HEALTH_EVERY: Duration = Duration::from_millis(500);
/// Round after round until all is asked; so many at least.
const ROUNDS: u32 = 2;
const LONGEST: Duration = Duration::from_mins(20);

struct Shared {
    left: AtomicU32,
    asked: AtomicU32,
    rolling: AtomicBool,
    failed: std::sync::Mutex<Vec<String>>,
}

/// Asks so many times while both are started again.
pub(crate) async fn roll(settings: &Settings, work: &Path) -> anyhow::Result<Rolled> {
    let work = work.canonicalize()?;
    let began = Instant::now();
    let mut replicas = [start(&work, "one").await?, start(&work, "two").await?];
    let (authority, tokens) = (Authority::try_new()?, Arc::new(TokenIssuer::try_new("https://id.shop.example")?));
    let upstream = Upstream::start().await?;
    let envoy = front(settings, &replicas, (&authority, &tokens), upstream.address(), &work).await?;

    let shared = Arc::new(Shared {
        left: AtomicU32::new(settings.rolling),
        asked: AtomicU32::new(0),
        rolling: AtomicBool::new(true),
        failed: std::sync::Mutex::default(),
    });
    let (tally, tokens) = (Arc::new(Tally::default()), Arc::new(Tokens::new(&tokens)));
    let connector = connector(&authority, Some(&authority.workload(DESK)?))?;
    let mut load = JoinSet::new();
    for _ in 0..CALLERS {
        let way = Way::Envoy(envoy.address("front")?, connector.clone(), Arc::clone(&tokens));
        load.spawn(keep_asking(Slot::new(way, &tally), Arc::clone(&shared)));
    }
    let mut restarts = 0;
    while restarts < 2 * ROUNDS || shared.left.load(Ordering::Relaxed) > 0 {
        anyhow::ensure!(began.elapsed() < LONGEST, "the load is not through after {LONGEST:?}");
        for replica in &mut replicas {
            let status = replica.terminate(ENDS_WITHIN).await?;
            anyhow::ensure!(status.success(), "a replica ended with {status}");
            replica.restart().await?;
            restarts += 1;
            until_healthy(&envoy).await?;
        }
    }
    shared.rolling.store(false, Ordering::Relaxed);
    load.join_all().await;
    let envoy_retries = envoy.count(r"cluster\.tollgate\.upstream_rq_retry$").await?;
    let [envoy_ok, envoy_errors] =
        [envoy.count(r"^http\..*ext_authz.*\.ok$").await?, envoy.count(r"^http\..*ext_authz.*\.error$").await?];
    let mut recorded = 0;
    for (mut replica, name) in replicas.into_iter().zip(["one", "two"]) {
        anyhow::ensure!(replica.terminate(ENDS_WITHIN).await?.success(), "a replica ended badly");
        for record in tollgate::ledger::read(&work.join(name).join("ledger"))? {
            record?;
            recorded += 1;
        }
    }
    let first_failed = std::mem::take(&mut *shared.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    Ok(Rolled {
        asked: shared.asked.load(Ordering::Relaxed),
        failed: u32::try_from(first_failed.len())?,
        restarts,
        envoy_ok,
        envoy_errors,
        envoy_retries,
        recorded,
        seconds: began.elapsed().as_secs_f64(),
        first_failed: first_failed.into_iter().take(10).collect(),
    })
}

async fn keep_asking(slot: Slot, shared: Arc<Shared>) {
    let ask = Ask {
        method: "GET",
        host: API,
        path: "/v1/orders/7".to_owned(),
        workload: DESK,
        claims: claims("pwd"),
        body: "",
    };
    while shared.rolling.load(Ordering::Relaxed) || shared.left.load(Ordering::Relaxed) > 0 {
        let got = slot.ask(&ask).await;
        shared.asked.fetch_add(1, Ordering::Relaxed);
        let _ = shared.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if got != Got::Allowed {
            shared.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(format!("{got:?}"));
        }
    }
}

async fn start(work: &Path, name: &str) -> anyhow::Result<Tollgate> {
    let folder = work.join(name);
    tollgate::demo::files::private_folder(&folder)?;
    let options = service::Options {
        binary: env!("CARGO_BIN_EXE_tollgate").into(),
        policies: Path::new(env!("CARGO_MANIFEST_DIR")).join("policies"),
        policies_poll: Duration::from_secs(1),
        listen: Address::Tcp(([127, 0, 0, 1], 0).into()),
        ledger: folder.join("ledger"),
        log: folder.join("tollgate.log"),
        arguments: ["--max-check-time", "5s", "--drain-delay", DRAIN_DELAY].map(String::from).to_vec(),
    };
    Tollgate::start(&options).await
}

async fn front(
    settings: &Settings,
    replicas: &[Tollgate],
    (authority, tokens): (&Authority, &TokenIssuer),
    upstream: SocketAddr,
    work: &Path,
) -> anyhow::Result<Envoy> {
    let check = ExtAuthz { timeout: Duration::from_secs(10), ..ExtAuthz::default() };
    let listener = Listener {
        tls: Some(front_tls(authority, work)?),
        jwt: Some(Jwt { issuer: tokens.name().to_owned(), jwks: tokens.jwks().to_owned() }),
        ext_authz: Some(check),
        ..Listener::new("front")
    };
    let replicas = Replicas {
        addresses: replicas.iter().map(|replica| replica.listen().clone()).collect(),
        tls: None,
        health_checks: Some(HEALTH_EVERY),
    };
    let options = Options { listeners: vec![listener], tollgate: replicas, upstream, concurrency: 1 };
    let envoy = Envoy::start(&locate(&settings.envoy)?, &options, work).await?;
    until_healthy(&envoy).await?;
    Ok(envoy)
}

/// The next one goes when Envoy asks both again.
async fn until_healthy(envoy: &Envoy) -> anyhow::Result<()> {
    let both =
        || async { envoy.count(r"cluster\.tollgate\.membership_healthy$").await.is_ok_and(|healthy| healthy == 2) };
    crate::until(HEALTHY_WITHIN, both).await.context("envoy does not find both replicas healthy")?;
    Ok(())
}
