//! Kubernetes: whether those who ask Tollgate find it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::documents::qualified;
use super::super::envoy::filter;
use super::super::envoy_gateway;
use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::istio;
use super::super::object::{ENVOY, ENVOY_FILTER, Index, Object, SERVICE, SERVICE_ENTRY, ours};
use super::service;

codes! {
    SERVICE_MISSING = "kubernetes.service-missing", Error:
        "there is no such Service, or it has no such port",
        "What shall be asked is not there, in a namespace whose Services were given. Every request is refused; where only the port is wrong, or a filter names the cluster, requests pass if failures are allowed.",
        "name the Service of Tollgate, its namespace, and its port for checks, 9000";
    HOST_SHORT = "kubernetes.service-host-short", Error:
        "a provider needs the whole host of a Service",
        "istiod looks for a host as it is written, and knows Services by their whole hosts. The provider is invalid: what refers to it is denied.",
        "write the host to its end, `….svc.cluster.local`; what may stand before it and a `/` is the namespace of the Service";
}

/// A Service that is asked, and where that is written.
struct Asked<'n> {
    object: Object<'n>,
    namespace: &'n str,
    name: &'n str,
    /// Where a host stands for both.
    host: Option<&'n str>,
    port: Option<u64>,
    name_at: Field<'n>,
    port_at: Field<'n>,
}

/// The ports of things that have names.
type Ports<K> = BTreeMap<K, BTreeSet<u64>>;

/// What those who ask are held against.
struct Given<'n> {
    /// By name and namespace, where one is written. A Service that lists none may have any.
    services: Ports<(&'n str, Option<&'n str>)>,
    /// Of each host that is declared.
    hosts: Ports<&'n str>,
    /// Namespaces of which all Services were given, as far as can be told.
    whole: BTreeSet<&'n str>,
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    let given = Given::of(index);
    for provider in ours(istio::providers(index), |one| one.field.mentions("tollgate")) {
        let grpc = provider.field.get("envoyExtAuthzGrpc");
        let (service, port) = (grpc.get("service"), grpc.get("port"));
        let Some(written) = service.text() else { continue };
        let (namespace, host) = written.split_once('/').map_or((None, written), |(one, host)| (Some(one), host));
        if given.is_short(namespace, host) {
            found.add_about(&HOST_SHORT, &provider.object, &service, format!("`{written}`"));
        } else if let Some(asked) = Asked::of_host(provider.object, host, port.number(), [service, port]) {
            given.check(&asked, found);
        }
    }
    clusters(index).chain(backends(index)).for_each(|asked| given.check(&asked, found));
}

/// The clusters that filters ask, as Istio calls them: `outbound|9000||tollgate.tollgate-system.svc.cluster.local`.
fn clusters<'n>(index: &Index<'n>) -> impl Iterator<Item = Asked<'n>> {
    let all = [ENVOY_FILTER, ENVOY].into_iter().flat_map(|kind| index.all(kind));
    let services = all.flat_map(|object| {
        let settings = object.root.find("typed_config").into_iter().filter(filter::is_question);
        let names = settings.map(|settings| settings.at("grpc_service.envoy_grpc.cluster_name"));
        // Each listener of a proxy may ask the same one.
        let mut seen = BTreeSet::new();
        names.filter(move |name| seen.insert(name.text())).map(|name| (object.clone(), name))
    });
    let services = ours(services.collect(), |(_, name)| name.mentions("tollgate"));
    services.into_iter().filter_map(|(object, name)| {
        let mut words = name.text().unwrap_or_default().split('|');
        let (port, host) = (words.nth(1)?, words.nth(1)?);
        let port = port.parse::<u16>().map_or(None, |port| Some(port.into()));
        Asked::of_host(object, host, port, [name.clone(), name])
    })
}

/// The backends of Envoy Gateway's policies.
fn backends<'n>(index: &Index<'n>) -> impl Iterator<Item = Asked<'n>> {
    envoy_gateway::questions(index).into_iter().flat_map(|policy| {
        let of = |backend: Field<'n>| {
            let is_service = backend.get("kind").text().is_none_or(|kind| kind == "Service");
            let (name_at, port_at) = (backend.get("name"), backend.get("port"));
            let (name, port) = (name_at.text().filter(|_| is_service)?, port_at.number());
            let namespace = backend.get("namespace").text().unwrap_or(policy.namespace);
            Some(Asked { object: policy.clone(), namespace, name, host: None, port, name_at, port_at })
        };
        envoy_gateway::backends(&policy.spec().at("extAuth.grpc")).into_iter().filter_map(of)
    })
}

impl<'n> Asked<'n> {
    fn of_host(
        object: Object<'n>,
        host: &'n str,
        port: Option<u64>,
        [name_at, port_at]: [Field<'n>; 2],
    ) -> Option<Self> {
        let (namespace, name) = parts(host)?;
        Some(Self { object, namespace, name, host: Some(host), port, name_at, port_at })
    }
}

/// Namespace and name of the Service that a host is of, if it is of one of this cluster.
fn parts(host: &str) -> Option<(&str, &str)> {
    let (name, rest) = host.split_once('.')?;
    let (namespace, domain) = rest.split_once(".svc.")?;
    (!namespace.contains('.') && domain != "clusterset.local").then_some((namespace, name))
}

/// The numbers of the ports that are listed.
fn numbers(object: &Object<'_>, key: &str) -> BTreeSet<u64> {
    object.spec().get("ports").items().iter().filter_map(|port| port.get(key).number()).collect()
}

impl<'n> Given<'n> {
    fn of(index: &Index<'n>) -> Self {
        let mut given = Self { services: BTreeMap::new(), hosts: BTreeMap::new(), whole: index.listed.clone() };
        for one in index.all(SERVICE) {
            let ports = numbers(one, "port");
            // One that is asked for in no namespace may be in any.
            for namespace in [Some(one.namespace), None] {
                given.services.entry((one.name, namespace)).or_default().extend(&ports);
            }
            if service::is_for_tollgate(one) {
                given.whole.insert(one.namespace);
            }
        }
        for entry in index.all(SERVICE_ENTRY) {
            let ports = numbers(entry, "number");
            for host in entry.spec().get("hosts").texts() {
                given.hosts.entry(host).or_default().extend(&ports);
            }
        }
        given
    }

    /// Whether a host is that of a Service which was given, without its end, or of another namespace than stands before it.
    fn is_short(&self, namespace: Option<&str>, host: &str) -> bool {
        if self.hosts.contains_key(host) {
            return false;
        }
        if let Some((of, name)) = parts(host) {
            let is_there = self.services.contains_key(&(name, Some(of)));
            return is_there && namespace.is_some_and(|namespace| namespace != of);
        }
        let host = host.strip_suffix(".svc").unwrap_or(host);
        match host.split_once('.') {
            Some((name, namespace)) => self.services.contains_key(&(name, Some(namespace))),
            None => self.services.contains_key(&(host, namespace)),
        }
    }

    /// Holds one who asks against what is there. A host that is declared need not be of a Service.
    fn check(&self, asked: &Asked<'_>, found: &mut Found) {
        let Asked { object, namespace, name, port, .. } = asked;
        let lacks = |ports: &BTreeSet<u64>| port.filter(|port| !ports.is_empty() && !ports.contains(port));
        if let Some((host, ports)) = asked.host.and_then(|host| self.hosts.get_key_value(host)) {
            if let Some(port) = lacks(ports) {
                let about = format!("`{host}` is declared without port {port}");
                found.add_about(&SERVICE_MISSING, object, &asked.port_at, about);
            }
            return;
        }
        let about = qualified(namespace, name);
        let written = (!namespace.is_empty()).then_some(*namespace);
        // What is rendered may name no namespace, and is then in any.
        let services = [written, written.and(Some(""))].map(|namespace| self.services.get(&(*name, namespace)));
        let services: Vec<_> = services.into_iter().flatten().collect();
        if services.is_empty() && written.map_or(!self.whole.is_empty(), |one| self.whole.contains(one)) {
            found.add_about(&SERVICE_MISSING, object, &asked.name_at, format!("no Service `{about}`"));
        }
        let lacking: Vec<_> = services.iter().filter_map(|ports| lacks(ports)).collect();
        if lacking.len() == services.len()
            && let Some(port) = lacking.first()
        {
            found.add_about(&SERVICE_MISSING, object, &asked.port_at, format!("Service `{about}` has no port {port}"));
        }
    }
}
