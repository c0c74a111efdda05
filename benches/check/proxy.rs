//! A real Envoy in front: one worker, one port for each subject, and one port that asks nobody.
//!
//! It is the laboratory's Envoy, configured as operators are told to, and changed in three places so that what is measured
//! is the asking. It answers by itself, so that no service costs anything. The claims that Tollgate reads are put where
//! verified tokens stand, so that the check of a signature (the same on each port) does not drown the rest. Each port asks a
//! server of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio_rustls::TlsConnector;
use tollgate::demo::envoy::{Envoy, ExtAuthz, HeaderForm, Listener, Options, PeerCertificate, Tls, bootstrap, locate};
use tollgate::demo::pki::{Authority, Credentials};
use tollgate::demo::service::Address;

use crate::args::{Form, Settings};
use crate::machine::Machine;
use crate::request::{DESK, HOST, NAMESPACE, claims};
use crate::subject::Subject;

/// The port that asks nobody.
pub(crate) const NOBODY: &str = "nobody";

/// Envoy, and who may ask it.
pub(crate) struct Proxy {
    pub(crate) envoy: Envoy,
    pub(crate) tls: TlsConnector,
}

impl Proxy {
    pub(crate) async fn start(
        binary: &Path,
        settings: &Settings,
        subjects: &[Subject],
        folder: &Path,
        machine: &Machine,
    ) -> anyhow::Result<Self> {
        let authority = Authority::try_new()?;
        let server = authority.server(&[HOST])?.write(folder, "envoy")?;
        let client_authority = folder.join("ca.pem");
        tollgate::demo::files::write(&client_authority, authority.pem())?;
        let tls = Tls {
            certificate: server.certificate,
            key: server.key,
            client_authority,
            client_certificate: PeerCertificate::Required,
        };
        let config = folder.join("envoy.json");
        let bootstrap = serde_json::to_string_pretty(&render(settings, subjects, &tls)?)?;
        tollgate::demo::files::write(&config, bootstrap)?;
        let envoy = Envoy::start_with(&locate(binary)?, &config, 1, folder).await?;
        machine.pin_server(envoy.pid())?;
        Ok(Self { envoy, tls: connector(&authority, &authority.workload(DESK)?)? })
    }

    /// How many times Envoy was told on each port that a request may pass.
    pub(crate) async fn allowed(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        self.envoy.stats(r"ext_authz\..*\.ok$").await
    }
}

fn render(settings: &Settings, subjects: &[Subject], tls: &Tls) -> anyhow::Result<Value> {
    let nobody = Listener { tls: Some(tls.clone()), ext_authz: None, ..Listener::new(NOBODY) };
    let asking = subjects.iter().map(|subject| Listener {
        ext_authz: Some(check(settings.headers, subject.name)),
        name: subject.name.to_owned(),
        ..nobody.clone()
    });
    let options = |listeners, tollgate: SocketAddr| Options {
        listeners,
        tollgate: Address::Tcp(tollgate),
        upstream: tollgate,
        concurrency: 1,
    };
    let first = subjects.first().context("nobody is measured")?;
    let mut all = bootstrap::render(&options(asking.chain([nobody.clone()]).collect(), first.address));
    let clusters = subjects.iter().map(|subject| {
        let mut rendered = bootstrap::render(&options(Vec::new(), subject.address));
        let mut cluster = take(&mut rendered, "/static_resources/clusters/0")?;
        *part(&mut cluster, "/name")? = json!(subject.name);
        *part(&mut cluster, "/load_assignment/cluster_name")? = json!(subject.name);
        Ok(cluster)
    });
    *part(&mut all, "/static_resources/clusters")? = clusters.collect::<anyhow::Result<_>>()?;
    let listeners = part(&mut all, "/static_resources/listeners")?.as_array_mut().context("no listeners")?;
    listeners.iter_mut().try_for_each(change)?;
    Ok(all)
}

/// The filter as shipped, asking a server of its own.
fn check(headers: Form, cluster: &str) -> ExtAuthz {
    let headers = if headers == Form::Raw { HeaderForm::Raw } else { HeaderForm::Map };
    let shipped = ExtAuthz { headers, ..ExtAuthz::default() };
    let timeout = format!("{}s", shipped.timeout.as_secs_f64());
    let service = json!({ "envoy_grpc": { "cluster_name": cluster }, "timeout": timeout });
    let others = [("grpc_service".to_owned(), service), ("stat_prefix".to_owned(), json!(cluster))];
    ExtAuthz { others: others.into_iter().collect(), ..shipped }
}

fn change(listener: &mut Value) -> anyhow::Result<()> {
    let manager = part(listener, "/filter_chains/0/filters/0/typed_config")?;
    let route = part(manager, "/route_config/virtual_hosts/0/routes/0")?.as_object_mut().context("no route")?;
    route.remove("route");
    route.insert("direct_response".to_owned(), json!({ "status": 200 }));
    let filters = part(manager, "/http_filters")?.as_array_mut().context("no filters")?;
    filters.insert(0, verified_claims());
    Ok(())
}

fn verified_claims() -> Value {
    json!({
        "name": "envoy.filters.http.set_metadata",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config",
            "metadata": [{ "metadata_namespace": NAMESPACE, "value": { "claims": claims() } }],
        },
    })
}

fn part<'a>(of: &'a mut Value, pointer: &str) -> anyhow::Result<&'a mut Value> {
    of.pointer_mut(pointer).with_context(|| format!("the laboratory's Envoy has no {pointer} any more"))
}

fn take(of: &mut Value, pointer: &str) -> anyhow::Result<Value> {
    part(of, pointer).map(Value::take)
}

fn connector(authority: &Authority, credentials: &Credentials) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone())?;
    // Named, since a process with two crypto libraries in its tree has no default one.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let certificates = vec![credentials.certificate().clone()];
    let mut config = config.with_root_certificates(roots).with_client_auth_cert(certificates, credentials.key())?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
