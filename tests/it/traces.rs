//! Spans, as a collector receives them.

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use tempfile::TempDir;
use tollgate::config::Collector as Settings;
use tollgate::demo::pki::Authority;
use tonic::transport::{Identity, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::support::{Ask, Gate, Seen, Setup, seen, until};

#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    refuses: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if self.refuses.load(Relaxed) {
            self.refused.fetch_add(1, Relaxed);
            return Err(Status::permission_denied("no"));
        }
        let spans =
            request.into_inner().resource_spans.into_iter().flat_map(|one| one.scope_spans).flat_map(|one| one.spans);
        self.spans.lock().unwrap().extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn collector() -> (Collector, String) {
    let collector = Collector::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(collector.clone()));
    tokio::spawn(server.serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener)));
    (collector, url)
}

fn traced(endpoint: String) -> Setup {
    traced_by(endpoint, None)
}

fn traced_by(endpoint: String, authorities: Option<PathBuf>) -> Setup {
    let traces = Settings { endpoint, authorities, headers: vec![], ratio: 0.0 };
    Setup { change: Box::new(|config| config.traces = Some(traces)), ..Setup::default() }
}

/// The same over TLS, with a certificate of this authority.
async fn collector_behind_tls(by: &Authority) -> (Collector, String) {
    let (pair, folder) = (by.server(&[]).unwrap(), TempDir::new().unwrap());
    let written = pair.write(folder.path(), "collector").unwrap();
    let read = |path: PathBuf| std::fs::read(path).unwrap();
    let identity = Identity::from_pem(read(written.certificate), read(written.key));
    let collector = Collector::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let mut server = tonic::transport::Server::builder().tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
    let server = server.add_service(TraceServiceServer::new(collector.clone()));
    tokio::spawn(server.serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener)));
    (collector, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_behind_tls_gets_spans_if_it_can_prove_who_it_is() {
    let authority = Authority::try_new().unwrap();
    for (believed, spans) in [(authority.pem(), 1), (Authority::try_new().unwrap().pem(), 0)] {
        let (collector, url) = collector_behind_tls(&authority).await;
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("ca.crt");
        std::fs::write(&file, believed).unwrap();
        let gate = Gate::start_with(traced_by(url, Some(file))).await;
        assert_eq!(seen(&gate.check(&Ask::reset(0)).await), Seen::Allowed);
        gate.end().await;
        assert_eq!(collector.spans.lock().unwrap().len(), spans);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_joins_the_callers_trace_and_what_is_critical_is_always_sent() {
    let (collector, url) = collector().await;
    let gate = Gate::start_with(traced(url)).await;
    let with = |ask: Ask, traceparent: &'static str| Ask { headers: vec![("traceparent", traceparent)], ..ask };
    let sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let unsampled = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    assert_eq!(seen(&gate.check(&with(Ask::order(), sampled)).await), Seen::Allowed);
    assert_eq!(seen(&gate.check(&with(Ask::order(), unsampled)).await), Seen::Allowed);
    assert_eq!(seen(&gate.check(&with(Ask::reset(0), unsampled)).await), Seen::Allowed);
    assert_eq!(seen(&gate.check(&Ask::order()).await), Seen::Allowed);
    let records = gate.end().await;
    assert_eq!(tollgate::receipt::hex(&records[0].trace_id), "0af7651916cd43dd8448eb211c80319c");

    let spans = collector.spans.lock().unwrap().clone();
    let trace_ids: Vec<_> = spans.iter().map(|span| tollgate::receipt::hex(&span.trace_id)).collect();
    assert_eq!(
        trace_ids,
        ["0af7651916cd43dd8448eb211c80319c", "1af7651916cd43dd8448eb211c80319c"],
        "one followed its caller, one is critical"
    );
    let span = &spans[0];
    assert_eq!(
        (span.name.as_str(), tollgate::receipt::hex(&span.parent_span_id)),
        ("tollgate.check", "b7ad6b7169203331".to_owned())
    );
    let stages: Vec<_> = span.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(stages, ["read", "judged", "recorded"]);
    let seen = format!("{spans:?}");
    assert!(seen.contains("order.read") && seen.contains("credentials.reset") && !seen.contains("agent-7"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_are_counted_and_so_are_those_that_the_collector_took() {
    let (collector, url) = collector().await;
    let gate = Gate::start_with(traced(url)).await;
    let count = async |name: &str| {
        let metrics = gate.metrics().await;
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("tollgate_{name}_total ")));
        line.unwrap().parse::<u32>().unwrap()
    };
    collector.refuses.store(true, Relaxed);
    assert_eq!(seen(&gate.check(&Ask::order()).await), Seen::Allowed);
    assert_eq!(count("spans").await, 0, "what nobody samples is not to be sent");
    assert_eq!(seen(&gate.check(&Ask::reset(0)).await), Seen::Allowed);
    assert_eq!(count("spans").await, 1);
    until("the span is refused", || async { collector.refused.load(Relaxed) == 1 }).await;
    collector.refuses.store(false, Relaxed);
    assert_eq!(seen(&gate.check(&Ask::reset(0)).await), Seen::Allowed);
    until("the other one is taken", || async { count("sent_spans").await > 0 }).await;
    assert_eq!((count("spans").await, count("sent_spans").await), (2, 1));
    gate.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_is_not_felt() {
    not_felt("http://127.0.0.1:1".into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_is_not_felt() {
    // Connections come into being, and nobody ever takes or answers them.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    not_felt(format!("http://{}", listener.local_addr().unwrap())).await;
}

async fn not_felt(collector: String) {
    let gate = Gate::start_with(traced(collector)).await;
    let began = std::time::Instant::now();
    for _ in 0..20 {
        assert_eq!(seen(&gate.check(&Ask::reset(0)).await), Seen::Allowed);
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    gate.end().await;
}
