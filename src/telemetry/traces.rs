//! Traces: one span for each check, in the caller's own trace, sent by OTLP.
//!
//! The span is made when the decision is known, with the times that were taken on the way. So a sampler can see the tier:
//! `impact` and `critical` are always sent, whatever the caller's trace says; the others follow the caller, or a ratio where
//! there is no caller's trace. Exporting is a batch thread's work. What it cannot send is lost, and shows in two counts: of
//! spans that were to be sent, and of those that the collector took.

use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Link, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
    TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SamplingResult, SdkTracer, SdkTracerProvider, ShouldSample, SpanData};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tonic::metadata::{MetadataKey, MetadataMap};
use tonic::transport::{Certificate, ClientTlsConfig};

use crate::gate::Summary;
use crate::secret::Secret;
use crate::terms::Tier;
use crate::verdict::Verdict;

/// Where spans go, if anywhere.
#[derive(Debug, Clone, Default)]
pub struct Traces {
    to: Option<(SdkTracer, SdkTracerProvider)>,
    /// Spans that were to be sent.
    made: Counter,
    /// Those that were.
    sent: Counter,
}

/// An exporter whose successes are counted.
#[derive(Debug)]
struct Counted {
    exporter: SpanExporter,
    sent: Counter,
}

/// The caller's place in its trace: the `traceparent` header (W3C Trace Context, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: TraceId,
    span: SpanId,
    sampled: bool,
}

/// One check, as a span.
#[derive(Debug)]
pub struct Span<'a> {
    /// What was decided; nothing where no decision could be made.
    pub summary: Option<&'a Summary<'a>>,
    /// Who asked, if it is in a trace.
    pub parent: Option<TraceParent>,
    /// When the check began.
    pub began: SystemTime,
    /// The stages that are over, each with the time since the beginning at which it was.
    pub stages: &'a [(&'static str, Duration)],
    /// Whether the answer is an error, and why.
    pub error: Option<&'static str>,
}

/// How long a flush may take when the process ends.
const SHUTDOWN: Duration = Duration::from_secs(3);

impl Traces {
    /// Sends spans to an OTLP/gRPC collector, such as `http://127.0.0.1:4317`. With `https://` it must have a certificate of one
    /// of these authorities, which come in PEM. Needs a tokio runtime around it.
    pub fn to_collector(
        endpoint: &str,
        authorities: Option<Vec<u8>>,
        headers: &[(String, Secret<String>)],
        ratio: f64,
    ) -> Result<Self, ExporterBuildError> {
        let headers = headers.iter().filter_map(|(name, value)| {
            // What was checked when it was read is a header.
            match (MetadataKey::from_bytes(name.as_bytes()), value.expose().parse()) {
                (Ok(name), Ok(value)) => Some((name, value)),
                _ => None,
            }
        });
        let mut metadata = MetadataMap::new();
        for (name, value) in headers {
            metadata.append(name, value);
        }
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).with_metadata(metadata);
        let exporter = match authorities {
            Some(pem) => exporter.with_tls_config(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem))),
            None => exporter,
        };
        let (made, sent) = (Counter::default(), Counter::default());
        let exporter = Counted { exporter: exporter.build()?, sent: sent.clone() };
        let attributes = [KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))];
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(ByTier { others: Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))) })
            .with_resource(Resource::builder().with_service_name("tollgate").with_attributes(attributes).build())
            .build();
        Ok(Self { to: Some((provider.tracer("tollgate"), provider)), made, sent })
    }

    /// Sends a span, if spans go anywhere. Gives the trace that it is sent in, so that a figure can name it.
    pub fn record(&self, span: &Span<'_>) -> Option<TraceId> {
        let (tracer, _) = self.to.as_ref()?;
        let parent =
            span.parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent.context()));
        let at = |time: Duration| span.began.checked_add(time).unwrap_or(span.began);
        let mut builder =
            SpanBuilder::from_name("tollgate.check").with_kind(SpanKind::Server).with_start_time(span.began);
        builder.attributes = Some(attributes(span));
        let events =
            span.stages.iter().map(|(name, time)| opentelemetry::trace::Event::new(*name, at(*time), vec![], 0));
        builder.events = Some(events.collect());
        let mut made = tracer.build_with_context(builder, &parent);
        if let Some(error) = span.error {
            opentelemetry::trace::Span::set_status(&mut made, Status::error(error));
        }
        let end = span.stages.last().map_or(span.began, |(_, time)| at(*time));
        opentelemetry::trace::Span::end_with_timestamp(&mut made, end);
        let context = opentelemetry::trace::Span::span_context(&made);
        context.is_sampled().then(|| {
            self.made.inc();
            context.trace_id()
        })
    }

    /// Puts the counts under the names that dashboards know.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("spans", "Spans that were to be sent", self.made.clone());
        registry.register("sent_spans", "Spans that the collector took", self.sent.clone());
    }

    /// Sends what is queued. Blocks for a few seconds at most.
    pub fn shutdown(&self) {
        if let Some((_, provider)) = &self.to
            && let Err(error) = provider.shutdown_with_timeout(SHUTDOWN)
        {
            tracing::warn!(%error, "some spans were not sent");
        }
    }
}

impl opentelemetry_sdk::trace::SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        self.exporter.export(batch).await?;
        self.sent.inc_by(spans);
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

fn attributes(span: &Span<'_>) -> Vec<KeyValue> {
    let Some(summary) = span.summary else {
        return vec![KeyValue::new("tollgate.verdict", Verdict::Error.as_str())];
    };
    vec![
        KeyValue::new("tollgate.action", summary.action.to_owned()),
        KeyValue::new("tollgate.tier", summary.tier),
        KeyValue::new("tollgate.verdict", summary.verdict.as_str()),
        KeyValue::new("tollgate.reason", summary.reason.code()),
        KeyValue::new("tollgate.mode", summary.mode.as_str()),
        KeyValue::new("tollgate.bundle", summary.bundle.to_owned()),
        KeyValue::new("tollgate.receipt", summary.receipt.as_str().to_owned()),
    ]
}

impl TraceParent {
    /// Reads the header. What is malformed is as if it were not there, as the specification says.
    pub fn read(header: &str) -> Option<Self> {
        let mut parts = header.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |text: &str, length| {
            text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let sound = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
        // Version 00 has four parts; a later one may have more.
        if !sound || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let (Ok(trace), Ok(span), Ok(flags)) =
            (TraceId::from_hex(trace), SpanId::from_hex(span), u8::from_str_radix(flags, 16))
        else {
            return None;
        };
        let sampled = flags & 1 == 1;
        (trace != TraceId::INVALID && span != SpanId::INVALID).then_some(Self { trace, span, sampled })
    }

    /// The trace's id.
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace.to_bytes()
    }

    fn context(self) -> SpanContext {
        let flags = if self.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        SpanContext::new(self.trace, self.span, flags, true, TraceState::NONE)
    }
}

/// Samples what matters, and otherwise what others would.
#[derive(Debug, Clone)]
struct ByTier {
    others: Sampler,
}

impl ShouldSample for ByTier {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let matters = attributes.iter().any(|one| {
            let value = one.value.as_str();
            one.key.as_str() == "tollgate.tier" && (value == Tier::Impact.as_str() || value == Tier::Critical.as_str())
        });
        let sampler = if matters { &Sampler::AlwaysOn } else { &self.others };
        sampler.should_sample(parent, trace, name, kind, attributes, links)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_the_specification_says() {
        let sound = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let parent = TraceParent::read(sound).unwrap();
        assert_eq!(crate::receipt::hex(&parent.trace_id()), "0af7651916cd43dd8448eb211c80319c");
        assert!(parent.sampled);
        assert!(TraceParent::read(&format!("{sound}-x").replacen("00", "01", 1)).is_some());
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        ] {
            assert_eq!(TraceParent::read(bad), None, "{bad}");
        }
    }
}
