//! A real Envoy in front: one worker, one port for each subject, and one port that asks nobody.
//!
//! It is the laboratory's Envoy, configured as operators are told to, and changed in three places so that what is measured
//! is the asking. It answers by itself, so that no service costs anything. The claims that Tollgate reads are put where
//! verified tokens stand, so that the check of a signature (the same on each port) does not drown the rest. Each port asks a
//! server of its own.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};
use tollgate::demo::envoy::{self, Envoy, ExtAuthz, HeaderForm, Listener, Options, PeerCertificate, bootstrap, locate};
use tollgate::demo::pki::CredentialFiles;
use tollgate::demo::service::Address;

use crate::answer::Compare;
use crate::args::{Form, Settings};
use crate::cell::{Body, Transport};
use crate::claims::NAMESPACE;
use crate::load::Target;
use crate::machine::Machine;
use crate::parties::{AUTHORIZER, Parties, Tls};
use crate::request::{self, claims};
use crate::subject::Subject;

/// The port that asks nobody.
pub(crate) const NOBODY: &str = "nobody";

/// Envoy, and who may ask it.
pub(crate) struct Proxy {
    pub(crate) envoy: Envoy,
    tls: Tls,
}

impl Proxy {
    pub(crate) async fn start(
        binary: &Path,
        settings: &Settings,
        subjects: &[&Subject],
        parties: &Parties,
        folder: &Path,
        machine: &Machine,
    ) -> anyhow::Result<Self> {
        let config = folder.join("envoy.json");
        let bootstrap = serde_json::to_string_pretty(&render(settings, subjects, parties)?)?;
        tollgate::demo::files::write(&config, bootstrap)?;
        let envoy = Envoy::start_with(&locate(binary)?, &config, 1, folder).await?;
        machine.pin_server(envoy.pid())?;
        Ok(Self { envoy, tls: parties.to_envoy()? })
    }

    /// How it is asked on a port, and what must come back.
    pub(crate) fn target(&self, port: &str, body: Body, expected: Compare) -> anyhow::Result<Target> {
        let (head, body) = request::through_envoy(body)?;
        let address = Address::Tcp(self.envoy.address(port)?);
        Ok(Target { address, tls: Some(self.tls.clone()), head, body, expected })
    }

    /// How many times Envoy was told on each port that a request may pass.
    pub(crate) async fn allowed(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        self.envoy.stats(r"ext_authz\..*\.ok$").await
    }
}

fn render(settings: &Settings, subjects: &[&Subject], parties: &Parties) -> anyhow::Result<Value> {
    let CredentialFiles { certificate, key } = parties.envoy.clone();
    let client_authority = parties.authority_file.clone();
    let tls = envoy::Tls { certificate, key, client_authority, client_certificate: PeerCertificate::Required };
    let nobody = Listener { tls: Some(tls), ext_authz: None, ..Listener::new(NOBODY) };
    let asking = subjects.iter().map(|subject| Listener {
        ext_authz: Some(check(settings.headers, &subject.at_envoy())),
        name: subject.at_envoy(),
        ..nobody.clone()
    });
    let options = |listeners, tollgate: &Address| Options {
        listeners,
        tollgate: tollgate.clone().into(),
        // Never asked: Envoy answers by itself.
        upstream: ([127, 0, 0, 1], 1).into(),
        concurrency: 1,
    };
    let first = subjects.first().context("nobody is measured behind Envoy")?;
    let mut all = bootstrap::render(&options(asking.chain([nobody.clone()]).collect(), first.address()));
    let clusters = subjects.iter().map(|subject| {
        let mut rendered = bootstrap::render(&options(Vec::new(), subject.address()));
        let mut cluster = take(&mut rendered, "/static_resources/clusters/0")?;
        *part(&mut cluster, "/name")? = json!(subject.at_envoy());
        *part(&mut cluster, "/load_assignment/cluster_name")? = json!(subject.at_envoy());
        if subject.transport == Transport::Mtls {
            let cluster = cluster.as_object_mut().context("no cluster")?;
            cluster.insert("transport_socket".to_owned(), upstream_tls(parties));
        }
        Ok(cluster)
    });
    *part(&mut all, "/static_resources/clusters")? = clusters.collect::<anyhow::Result<_>>()?;
    let listeners = part(&mut all, "/static_resources/listeners")?.as_array_mut().context("no listeners")?;
    listeners.iter_mut().try_for_each(change)?;
    Ok(all)
}

/// Envoy shows its certificate, and looks at that of whom it asks.
fn upstream_tls(parties: &Parties) -> Value {
    let file = |path: &Path| json!({ "filename": path.display().to_string() });
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": AUTHORIZER,
            "common_tls_context": {
                "alpn_protocols": ["h2"],
                "tls_certificates": [{
                    "certificate_chain": file(&parties.edge.certificate),
                    "private_key": file(&parties.edge.key),
                }],
                "validation_context": {
                    "trusted_ca": file(&parties.authority_file),
                    "match_typed_subject_alt_names": [{ "san_type": "DNS", "matcher": { "exact": AUTHORIZER } }],
                },
            },
        },
    })
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
