//! What is read from the bytes of a check, held against what the stock types read.

use std::collections::BTreeSet;

use envoy_types::ext_authz::v3::pb::{CheckRequest, HeaderValue};
use envoy_types::pb::envoy::config::core::v3::{HeaderMap, Metadata};
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value};
use proptest::collection::{hash_map, vec};
use proptest::option;
use proptest::prelude::*;
use prost::Message as _;

use super::super::from_wire;
use super::by_library;
use crate::facts::Told;
use crate::terms::Reason;

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Kind::NullValue(0)),
        any::<f64>().prop_map(Kind::NumberValue),
        ".{0,8}".prop_map(Kind::StringValue),
        any::<bool>().prop_map(Kind::BoolValue),
    ];
    let kind = leaf.prop_recursive(4, 16, 4, |inner| {
        let value = option::of(inner).prop_map(|kind| Value { kind });
        prop_oneof![
            vec(value.clone(), 0..4).prop_map(|values| Kind::ListValue(ListValue { values })),
            hash_map(".{0,4}", value, 0..4).prop_map(|fields| Kind::StructValue(Struct { fields })),
        ]
    });
    kind.prop_map(|kind| Value { kind: Some(kind) })
}

fn http() -> impl Strategy<Value = HttpRequest> {
    let header = ("[a-z:-]{0,5}", ".{0,5}", vec(any::<u8>(), 0..5));
    let header = header.prop_map(|(key, value, raw_value)| HeaderValue { key, value, raw_value });
    let header_map = option::of(vec(header, 0..5).prop_map(|headers| HeaderMap { headers }));
    let bodies = (".{0,9}", vec(any::<u8>(), 0..9), -2_i64..300);
    (".{0,5}", ".{0,9}", ".{0,9}", hash_map("[a-z:-]{0,5}", ".{0,5}", 0..5), header_map, bodies).prop_map(
        |(method, path, host, headers, header_map, (body, raw_body, size))| HttpRequest {
            id: "1".into(),
            method,
            path,
            host,
            scheme: "https".into(),
            protocol: "HTTP/2".into(),
            headers,
            header_map,
            body,
            raw_body,
            size,
            ..HttpRequest::default()
        },
    )
}

fn check() -> impl Strategy<Value = CheckRequest> {
    let space = hash_map(".{0,4}", value(), 0..4).prop_map(|fields| Struct { fields });
    let metadata =
        hash_map(".{0,4}", space, 0..3).prop_map(|filter_metadata| Metadata { filter_metadata, ..Metadata::default() });
    let request = option::of(http()).prop_map(|http| Request { http, ..Request::default() });
    let peer = ".{0,9}".prop_map(|principal| Peer { principal, certificate: "c".into(), ..Peer::default() });
    let attributes = (option::of(peer), option::of(request), option::of(metadata)).prop_map(
        |(source, request, metadata_context)| AttributeContext {
            source,
            request,
            metadata_context,
            ..AttributeContext::default()
        },
    );
    option::of(attributes).prop_map(|attributes| CheckRequest { attributes })
}

/// Everything that was told. A map has no order, so headers are sorted.
fn seen(mut told: Told<'_>) -> String {
    told.headers.sort_unstable();
    format!("{told:?}")
}

proptest! {
    #[test]
    fn what_is_told_is_what_the_library_reads(check in check()) {
        let bytes = check.encode_to_vec();
        match by_library::told(&check) {
            Some(expected) => prop_assert_eq!(from_wire::told(&bytes).map(seen), Ok(seen(expected))),
            None => prop_assert_eq!(from_wire::told(&bytes).map(seen), Err(Reason::RequestIncomplete)),
        }
    }

    #[test]
    fn what_is_broken_is_refused_or_read_as_the_library_does(
        check in check(), cuts in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = check.encode_to_vec();
        for (place, byte) in cuts {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
        }
        let (Ok(told), Ok(decoded)) = (from_wire::told(&bytes), CheckRequest::decode(&bytes[..])) else { return Ok(()) };
        // Of two entries of one name in a map the library keeps one; here both are seen.
        let names: BTreeSet<_> = told.headers.iter().map(|(name, _)| *name).collect();
        let expected = by_library::told(&decoded).expect("it describes a request");
        if names.len() == told.headers.len() {
            prop_assert_eq!(seen(told), seen(expected));
        }
    }
}

#[test]
fn what_is_there_twice_is_refused() {
    let request = |paths: &[&str]| {
        let http = paths.iter().flat_map(|path| [&[0x22, u8::try_from(path.len()).unwrap()], path.as_bytes()].concat());
        let nest = |tag: u8, inner: Vec<u8>| [vec![tag, u8::try_from(inner.len()).unwrap()], inner].concat();
        nest(0x0a, nest(0x22, nest(0x12, http.collect())))
    };
    assert_eq!(from_wire::told(&request(&["/a"])).unwrap().path, "/a");
    assert_eq!(from_wire::told(&request(&["/a", "/b"])).unwrap_err(), Reason::CheckMalformed);
    let twice = [request(&["/a"]), request(&["/b"])].concat();
    assert_eq!(from_wire::told(&twice).unwrap_err(), Reason::CheckMalformed);
    assert_eq!(from_wire::told(b"no message").unwrap_err(), Reason::CheckMalformed);
    assert_eq!(from_wire::told(b"").unwrap_err(), Reason::RequestIncomplete);
}
