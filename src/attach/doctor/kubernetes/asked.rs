//! Kubernetes: whether those who ask Tollgate find it.

use std::collections::BTreeSet;

use super::super::documents::qualified;
use super::super::envoy::filter;
use super::super::envoy_gateway;
use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::istio;
use super::super::object::{ByNamespace, ENVOY, ENVOY_FILTER, Index, Object, SERVICE, SERVICE_ENTRY, ours};
use super::super::pod;
use super::service;

codes! {
    SERVICE_MISSING = "kubernetes.service-missing", Error:
        "what is asked is not there",
        "The Services of this namespace were given, and none of them has this name and port. Nobody can be asked: every request is refused, or passes where failures are allowed.",
        "name the Service of Tollgate, its namespace, and its port for checks, 9000";
}

/// A Service that is asked, and where that is written.
struct Asked<'n> {
    object: Object<'n>,
    field: Field<'n>,
    namespace: &'n str,
    name: &'n str,
    port: Option<u64>,
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    // Where nothing of Tollgate was given, its Services are elsewhere.
    if !index.all(SERVICE).any(service::is_ours) && pod::with_tollgate(index).is_empty() {
        return;
    }
    let services = ByNamespace::of(index.all(SERVICE).map(|one| (one.namespace, ())));
    for Asked { object, field, namespace, name, port } in by_istio(index).chain(by_envoy_gateway(index)) {
        // Of a namespace that was not given nothing is known.
        if services.within(namespace).next().is_none() {
            continue;
        }
        let Some(service) = index.named(SERVICE, namespace, name) else {
            found.add_about(&SERVICE_MISSING, &object, &field, format!("no Service `{}`", qualified(namespace, name)));
            continue;
        };
        let ports = service.spec().get("ports").items();
        let has = |port: u64| ports.iter().any(|one| one.get("port").number() == Some(port));
        if let Some(port) = port.filter(|port| !has(*port)) {
            let about = format!("Service `{}` has no port {port}", qualified(namespace, name));
            found.add_about(&SERVICE_MISSING, &object, &field, about);
        }
    }
}

/// By providers, and by filters, whose clusters are Istio's where they are called `outbound|9000||host`.
#[expect(clippy::disallowed_methods, reason = "where the port is no number, it is none of Istio's")]
fn by_istio<'n>(index: &Index<'n>) -> impl Iterator<Item = Asked<'n>> {
    let providers = ours(istio::providers(index), |one| one.field.mentions("tollgate"));
    let providers = providers.into_iter().map(|provider| {
        let grpc = provider.field.get("envoyExtAuthzGrpc");
        let field = grpc.get("service");
        // A namespace before the host says from where it is seen.
        let host = field.text().map(|host| host.rsplit('/').next().unwrap_or(host));
        (provider.object, field, grpc.get("port").number(), host)
    });
    let all = [ENVOY_FILTER, ENVOY].into_iter().flat_map(|kind| index.all(kind));
    let filters = all.flat_map(|object| {
        let settings = object.root.find("typed_config").into_iter().filter(filter::is_question);
        settings.map(|settings| (object.clone(), settings.get("grpc_service")))
    });
    let filters = ours(filters.collect(), |(_, service)| service.mentions("tollgate"));
    let filters = filters.into_iter().map(|(object, service)| {
        let field = service.at("envoy_grpc.cluster_name");
        let mut parts = field.text().unwrap_or_default().split('|').skip(1);
        let (port, host) = (parts.next().map(str::parse), parts.nth(1));
        (object, field, port.and_then(Result::ok), host)
    });
    let declared: BTreeSet<_> = index.all(SERVICE_ENTRY).flat_map(|one| one.spec().get("hosts").texts()).collect();
    providers.chain(filters).filter_map(move |(object, field, port, host)| {
        // `tollgate.tollgate-system.svc.cluster.local`; others are not of Services.
        let mut parts = host.filter(|host| !declared.contains(host))?.split('.');
        let (name, namespace) = (parts.next()?, parts.next()?);
        (parts.next() == Some("svc")).then_some(Asked { object, field, namespace, name, port })
    })
}

fn by_envoy_gateway<'n>(index: &Index<'n>) -> impl Iterator<Item = Asked<'n>> {
    envoy_gateway::questions(index).into_iter().flat_map(|policy| {
        let of = |backend: Field<'n>| {
            let is_service = backend.get("kind").text().is_none_or(|kind| kind == "Service");
            let field = backend.get("name");
            let namespace = backend.get("namespace").text().unwrap_or(policy.namespace);
            let name = field.text().filter(|_| is_service)?;
            let port = backend.get("port").number();
            Some(Asked { object: policy.clone(), field, namespace, name, port })
        };
        envoy_gateway::backends(&policy.spec().at("extAuth.grpc")).into_iter().filter_map(of)
    })
}
