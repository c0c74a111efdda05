//! All that runs in the demo: the sample services, Tollgate, Envoy with three listeners, and the callers with their
//! certificates and tokens.
//!
//! `front` is what operators get. `bare` is an Envoy that tidies no paths, so that Tollgate sees them as they were sent.
//! `direct` asks nobody: the added latency is measured against it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use super::cast::{self, Caller};
use super::client::Client;
use super::envoy::{Envoy, Jwt, Listener, Normalisation, Options, PeerCertificate, Tls};
use super::files;
use super::pki::{Authority, Credentials};
use super::service::{self, Address, Tollgate};
use super::tokens::TokenIssuer;
use super::upstream::Upstream;
use super::work::Work;

pub(super) const FRONT: &str = "front";
pub(super) const BARE: &str = "bare";
pub(super) const DIRECT: &str = "direct";

/// The sample services' names. Envoy's certificate bears them all.
const HOSTS: &[&str] = &[SERVER, "id.shop.example", "billing.shop.example", "offers.shop.example"];

/// What the clients call Envoy, whichever service they ask for.
const SERVER: &str = "api.shop.example";

const ISSUER: &str = "https://id.shop.example";

/// How soon an edit of a policy is seen. Short, because people watch.
pub(super) const POLICIES_POLL: Duration = Duration::from_millis(250);

/// What runs. Dropping it stops everything.
pub(super) struct Stage {
    pub(super) work: Work,
    pub(super) upstream: Upstream,
    pub(super) tollgate: Tollgate,
    pub(super) envoy: Envoy,
    authority: Authority,
    credentials_by_workload: BTreeMap<&'static str, Credentials>,
    token_by_caller: BTreeMap<&'static str, String>,
}

impl Stage {
    /// Builds the stage and says so on the way.
    pub(super) async fn build(config: &super::Config, out: &mut impl Write) -> anyhow::Result<Self> {
        let policies = policies(config)?;
        let work = Work::take(&config.work)?;
        writeln!(out, "writing certificates, tokens and a copy of the policies to {}", work.shown("").display())?;
        let authority = Authority::try_new()?;
        let tokens = TokenIssuer::try_new(ISSUER)?;
        let credentials_by_workload = credentials(&authority, &work)?;
        let token_by_caller = sign(&tokens, &work)?;
        files::copy_folder(&policies, &work.path("policies")).context("can't copy the policies")?;

        write!(out, "starting the sample services ")?;
        let upstream = Upstream::start().await?;
        writeln!(out, "at {}", upstream.address())?;
        write!(out, "starting tollgate ")?;
        out.flush()?;
        let tollgate = Tollgate::start(&tollgate_options(config, &work)?).await?;
        writeln!(out, "at {}", tollgate.listen())?;
        write!(out, "starting envoy ")?;
        out.flush()?;
        let options = Options {
            listeners: listeners(&work, &authority, &tokens)?,
            tollgate: tollgate.listen().clone().into(),
            upstream: upstream.address(),
            concurrency: 1,
        };
        let envoy = Envoy::start(&config.envoy, &options, &work.path("envoy")).await?;
        writeln!(out, "at {}", envoy.address(FRONT)?)?;
        Ok(Self { work, upstream, tollgate, envoy, authority, credentials_by_workload, token_by_caller })
    }

    /// A client that shows the caller's certificate. The token goes with each request.
    pub(super) fn client(&self, caller: &Caller, listener: &str) -> anyhow::Result<Client> {
        let credentials = self.credentials_by_workload.get(caller.workload_name());
        Client::tls(self.envoy.address(listener)?, SERVER, &self.authority, credentials)
    }

    pub(super) fn token(&self, caller: &Caller) -> Option<&str> {
        self.token_by_caller.get(caller.name).map(String::as_str)
    }

    pub(super) fn ledger(&self) -> PathBuf {
        ledger(&self.work)
    }

    pub(super) fn access_log(&self) -> PathBuf {
        access_log(&self.work)
    }

    /// The file in the work folder that holds the contract of that name.
    pub(super) fn file_with_contract(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.work.path("policies");
        find_file(&folder, &format!("name: {name}"))?
            .with_context(|| format!("no policy in `{}` has the contract `{name}`", folder.display()))
    }

    /// Starts Tollgate again where it was.
    pub(super) async fn restart_tollgate(&mut self) -> anyhow::Result<()> {
        self.tollgate.restart().await
    }

    /// Fails, with the end of its log, if one of the children has ended.
    pub(super) fn still_runs(&mut self) -> anyhow::Result<()> {
        self.tollgate.still_runs()?;
        self.envoy.still_runs()
    }
}

/// The folder to copy, if it is neither in the folder that is emptied nor around it.
fn policies(config: &super::Config) -> anyhow::Result<PathBuf> {
    let (policies, work) = (&config.policies, &config.work);
    let from = policies.canonicalize().with_context(|| format!("can't find the policies `{}`", policies.display()))?;
    let to = std::path::absolute(work).with_context(|| format!("can't make `{}` absolute", work.display()))?;
    let to = without_links(&to);
    anyhow::ensure!(
        !from.starts_with(&to) && !to.starts_with(&from),
        "the policies `{}` and the demo's folder `{}` lie in one another, and the demo empties its folder: copy the \
         policies elsewhere",
        policies.display(),
        work.display()
    );
    Ok(from)
}

/// The path without symbolic links, as far as it is there.
fn without_links(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(path), _, _) => path,
        (Err(_), Some(parent), Some(name)) => without_links(parent).join(name),
        _ => path.to_owned(),
    }
}

fn credentials(authority: &Authority, work: &Work) -> anyhow::Result<BTreeMap<&'static str, Credentials>> {
    files::write(&work.path("pki/ca.pem"), authority.pem())?;
    let mut credentials_by_workload = BTreeMap::new();
    for caller in cast::ALL {
        let name = caller.workload_name();
        if !credentials_by_workload.contains_key(name) {
            let credentials = authority.workload(caller.workload)?;
            credentials.write(&work.path("pki"), name)?;
            credentials_by_workload.insert(name, credentials);
        }
    }
    Ok(credentials_by_workload)
}

fn sign(issuer: &TokenIssuer, work: &Work) -> anyhow::Result<BTreeMap<&'static str, String>> {
    let mut token_by_caller = BTreeMap::new();
    for caller in cast::ALL {
        if let Some(token) = &caller.token {
            let token = issuer.token(token.claims())?;
            files::write_secret(&work.path("tokens").join(caller.name), &token)?;
            token_by_caller.insert(caller.name, token);
        }
    }
    Ok(token_by_caller)
}

fn tollgate_options(config: &super::Config, work: &Work) -> anyhow::Result<service::Options> {
    // In a file, so that people have the same pseudonyms after a restart.
    let key = work.path("tollgate/pseudonym.key");
    let mut random = [0; 32];
    getrandom::fill(&mut random).context("the system gives no random bytes")?;
    files::write_secret(&key, random)?;
    let key = key.display().to_string();
    let listen = work.socket().map_or_else(|| Address::Tcp(([127, 0, 0, 1], 0).into()), Address::Unix);
    Ok(service::Options {
        binary: config.tollgate.clone(),
        policies: work.path("policies"),
        policies_poll: POLICIES_POLL,
        listen,
        ledger: ledger(work),
        log: work.path("tollgate/tollgate.log"),
        // A disk that syncs slowly is no reason for a demo to fail.
        arguments: ["--max-check-time", "1s", "--drain-delay", "0s", "--pseudonym-key", &key]
            .map(String::from)
            .to_vec(),
    })
}

fn ledger(work: &Work) -> PathBuf {
    work.path("tollgate/ledger")
}

fn access_log(work: &Work) -> PathBuf {
    work.path("envoy/access.log")
}

fn listeners(work: &Work, authority: &Authority, tokens: &TokenIssuer) -> anyhow::Result<Vec<Listener>> {
    let server = authority.server(HOSTS)?.write(&work.path("pki"), "envoy")?;
    let front = Listener {
        tls: Some(Tls {
            certificate: server.certificate,
            key: server.key,
            client_authority: work.path("pki/ca.pem"),
            client_certificate: PeerCertificate::Required,
        }),
        jwt: Some(Jwt { issuer: tokens.name().to_owned(), jwks: tokens.jwks().to_owned() }),
        access_log: Some(access_log(work)),
        ..Listener::new(FRONT)
    };
    let bare = Listener { name: BARE.to_owned(), normalisation: Normalisation::Bare, ..front.clone() };
    let direct = Listener { name: DIRECT.to_owned(), ext_authz: None, ..front.clone() };
    Ok(vec![front, bare, direct])
}

fn find_file(folder: &Path, needle: &str) -> anyhow::Result<Option<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("can't read the folder `{}`", folder.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("can't read the folder `{}`", folder.display()))?.path();
        if path.is_dir() {
            if let Some(found) = find_file(&path, needle)? {
                return Ok(Some(found));
            }
        } else if std::fs::read_to_string(&path).is_ok_and(|text| text.contains(&format!("{needle},"))) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
