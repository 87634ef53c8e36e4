//! Spans that follow one message through every process, and the W3C trace context between them.
//!
//! These are made by hand instead of by `tracing`: a message that is not sampled costs one random
//! number at its root and nothing at all further on, because its `traceparent` is empty.

use opentelemetry::trace::{
    Span, SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tonic::metadata::MetadataMap;

/// The metadata key and AMQP header of the trace context.
pub const TRACEPARENT: &str = "traceparent";

/// Makes spans; does nothing where no exporter is configured.
#[derive(Debug, Clone)]
pub struct Tracer(Option<SdkTracer>);

impl Tracer {
    /// Makes no spans.
    pub fn disabled() -> Self {
        Self(None)
    }

    /// Makes spans with a provider.
    pub fn new(provider: &SdkTracerProvider) -> Self {
        Self(Some(provider.tracer("tidings")))
    }

    /// Begins a trace, if the sampler takes it.
    pub fn root(&self, name: &'static str) -> MessageSpan {
        match &self.0 {
            Some(tracer) => {
                MessageSpan::recording(tracer.start_with_context(name, &Context::new()))
            }
            None => MessageSpan::none(),
        }
    }

    /// A step of a trace begun elsewhere; nothing when `traceparent` is empty.
    pub fn child(&self, name: &'static str, traceparent: &str) -> MessageSpan {
        let (Some(tracer), Some(parent)) = (&self.0, parse(traceparent)) else {
            return MessageSpan::none();
        };
        let context = Context::new().with_remote_span_context(parent);
        MessageSpan::recording(tracer.start_with_context(name, &context))
    }
}

/// One step of one message. Ends when dropped.
#[derive(Debug, Default)]
#[must_use = "a span lasts until it is dropped"]
pub struct MessageSpan(Option<Box<opentelemetry_sdk::trace::Span>>);

impl MessageSpan {
    /// Records nothing.
    pub fn none() -> Self {
        Self(None)
    }

    fn recording(span: opentelemetry_sdk::trace::Span) -> Self {
        Self(span.is_recording().then(|| Box::new(span)))
    }

    /// Whether attributes are worth computing.
    pub fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// Adds an attribute. Never a message body or a token.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(key, value));
        }
    }

    /// Marks the step as failed.
    pub fn fail(&mut self, why: &str) {
        if let Some(span) = &mut self.0 {
            span.set_status(Status::error(why.to_owned()));
        }
    }

    /// For the next process: empty when nothing is recorded.
    pub fn traceparent(&self) -> String {
        self.0.as_ref().map(|span| format(span.span_context())).unwrap_or_default()
    }
}

/// Puts a trace context into the metadata of a call.
pub fn inject(traceparent: &str, metadata: &mut MetadataMap) {
    if let Ok(value) = traceparent.parse()
        && !traceparent.is_empty()
    {
        metadata.insert(TRACEPARENT, value);
    }
}

/// The trace context of a call; empty when it has none.
pub fn extract(metadata: &MetadataMap) -> String {
    metadata.get(TRACEPARENT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn format(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

/// Version 00 of <https://www.w3.org/TR/trace-context/>; only sampled contexts count.
fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (version, trace_id, span_id, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version != "00" || trace_id.len() != 32 || span_id.len() != 16 || flags.len() != 2 {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let trace_id = TraceId::from_hex(trace_id).ok()?;
    let span_id = SpanId::from_hex(span_id).ok()?;
    let context = SpanContext::new(trace_id, span_id, flags, true, TraceState::default());
    (context.is_valid() && context.is_sampled()).then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler};

    fn tracer(sampler: Sampler) -> (Tracer, SdkTracerProvider, InMemorySpanExporter) {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_sampler(sampler)
            .with_simple_exporter(exporter.clone())
            .build();
        (Tracer::new(&provider), provider, exporter)
    }

    #[test]
    fn a_child_in_another_process_belongs_to_the_same_trace() {
        let (tracer, _provider, exporter) = tracer(Sampler::AlwaysOn);
        let root = tracer.root("gateway.receive");
        let traceparent = root.traceparent();
        let mut metadata = MetadataMap::new();
        inject(&traceparent, &mut metadata);
        let child = tracer.child("chat.append", &extract(&metadata));
        drop(child);
        drop(root);
        let spans = exporter.get_finished_spans().unwrap();
        assert_eq!(spans.len(), 2);
        assert_eq!(spans[0].span_context.trace_id(), spans[1].span_context.trace_id());
        assert_eq!(spans[0].parent_span_id, spans[1].span_context.span_id());
    }

    #[test]
    fn what_is_not_sampled_costs_nothing_further_on() {
        let (tracer, _provider, exporter) = tracer(Sampler::AlwaysOff);
        let root = tracer.root("gateway.receive");
        assert!(!root.is_recording());
        assert_eq!(root.traceparent(), "");
        assert!(!tracer.child("chat.append", "").is_recording());
        drop(root);
        assert!(exporter.get_finished_spans().unwrap().is_empty());
    }

    #[test]
    fn a_malformed_context_begins_nothing() {
        let (tracer, _provider, _exporter) = tracer(Sampler::AlwaysOn);
        for text in [
            "x",
            "00-0-0-01",
            "00-00000000000000000000000000000000-0000000000000000-01",
            "01-a-b-c",
        ] {
            assert!(!tracer.child("step", text).is_recording(), "{text}");
        }
    }
}
