//! What a message is read as, against the library's own encoder, and what is refused.

use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, Value};

use super::*;

fn refund() -> Message {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/proto");
    let files = protox::compile(["shop.proto"], [folder]).unwrap();
    let pool = DescriptorPool::from_file_descriptor_set(files).unwrap();
    Message::new(pool.get_message_by_name("shop.v1.Refund").unwrap())
}

fn field(number: u32, wire: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![u8::try_from(number << 3).unwrap() | wire];
    field.extend_from_slice(bytes);
    field
}

fn text(number: u32, value: &str) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(value.len()).unwrap()];
    bytes.extend_from_slice(value.as_bytes());
    field(number, 2, &bytes)
}

#[track_caller]
fn check(parts: &[&[u8]], expected: Result<&str, Reason>) {
    let expected = expected.map(|json| Json::parse(json.as_bytes()).unwrap());
    assert_eq!(refund().read(&parts.concat()), expected);
}

#[test]
fn a_message_becomes_its_fields_by_name() {
    check(&[], Ok("{}"));
    check(
        &[&text(1, "7"), &field(2, 0, &[10]), &text(3, "EUR"), &field(4, 0, &[1])],
        Ok(r#"{"order":"7","cents":10,"currency":"EUR","reason":"LATE"}"#),
    );
    check(&[&text(5, "a"), &text(5, "b")], Ok(r#"{"tags":["a","b"]}"#));
    check(&[&field(12, 2, &[2, 1, 2]), &field(12, 0, &[3])], Ok(r#"{"lines":[1,2,3]}"#));
    check(&[&field(9, 2, &[3, 0x0a, 1, b'x'])], Ok(r#"{"customer":{"email":"x"}}"#));
    check(&[&field(6, 2, &[5, 0x0a, 1, b'k', 0x10, 4])], Ok(r#"{"parts":{"k":4}}"#));
    check(&[&field(4, 0, &[9])], Ok(r#"{"reason":9}"#));
    check(&[&field(14, 0, &[3])], Ok(r#"{"delta":-2}"#));
    check(&[&field(13, 0, &[1])], Ok(r#"{"gift":true}"#));
}

#[test]
fn what_the_descriptors_do_not_know_is_not_overlooked() {
    check(&[&[0xfa, 0x01, 1, b'x']], Ok(r##"{"#31":null}"##));
}

#[test]
fn what_readers_differ_about_is_refused() {
    let ambiguous = Err(Reason::GrpcAmbiguous);
    check(&[&field(2, 0, &[1]), &field(2, 0, &[99])], ambiguous);
    check(&[&text(7, "a"), &text(8, "b")], ambiguous);
    check(&[&text(7, "a"), &text(7, "b")], ambiguous);
    check(&[&field(9, 2, &[0]), &field(9, 2, &[0])], ambiguous);
    check(&[&text(2, "10")], ambiguous);
    check(&[&field(13, 0, &[2])], ambiguous);
    check(&[&field(6, 2, &[3, 0x0a, 1, b'k']), &field(6, 2, &[3, 0x0a, 1, b'k'])], ambiguous);
    check(&[&field(14, 0, &[0xff, 0xff, 0xff, 0xff, 0xff, 1])], ambiguous);
}

#[test]
fn what_is_no_message_is_refused() {
    let malformed = Err(Reason::GrpcMalformed);
    check(&[&[0x0a, 5, b'x']], malformed);
    check(&[&[0x0a]], malformed);
    check(&[&[0x00]], malformed);
    check(&[&field(1, 3, &[])], malformed);
    check(&[&field(1, 2, &[1, 0xff])], malformed);
    let mut deep = Vec::new();
    for _ in 0..70 {
        let mut outer = vec![0x12];
        prost::encoding::encode_varint(deep.len() as u64, &mut outer);
        outer.extend(deep);
        deep = outer;
    }
    let mut outer = vec![0x4a];
    prost::encoding::encode_varint(deep.len() as u64, &mut outer);
    outer.extend(deep);
    check(&[&outer], Err(Reason::JsonTooComplex));
    check(&[&field(12, 0, &[1]).repeat(10_001)], Err(Reason::JsonTooComplex));
}

#[test]
fn places_have_types() {
    let found = |pointer: &str| refund().field_type(&pointer.parse().unwrap());
    for (pointer, expected) in [
        ("/order", FieldType::Text),
        ("/cents", FieldType::Integer),
        ("/reason", FieldType::Text),
        ("/customer/parent/email", FieldType::Text),
        ("/score", FieldType::Float),
        ("/tags", FieldType::Other),
        ("/customer", FieldType::Other),
    ] {
        assert_eq!(found(pointer), Ok(expected), "{pointer}");
    }
    assert!(found("/order/x").is_err() && found("/nothing").is_err());
}

proptest! {
    #[test]
    fn what_the_library_writes_is_read_as_it_was_meant(
        order in ".{1,20}", cents in 1_i64.., delta in 1_i32.., tags in prop::collection::vec("[a-z]{0,5}", 1..4),
        lines in prop::collection::vec(any::<i32>(), 1..4), checksum in 1_u32..,
    ) {
        let message = refund();
        let mut written = DynamicMessage::new(message.descriptor.clone());
        written.set_field_by_name("order", Value::String(order.clone()));
        written.set_field_by_name("cents", Value::I64(cents));
        written.set_field_by_name("delta", Value::I32(delta));
        written.set_field_by_name("checksum", Value::U32(checksum));
        written.set_field_by_name("tags", Value::List(tags.iter().cloned().map(Value::String).collect()));
        written.set_field_by_name("lines", Value::List(lines.iter().copied().map(Value::I32).collect()));
        let read = message.read(&written.encode_to_vec()).unwrap();
        let number = |text: String| Json::Number(text.into());
        prop_assert_eq!(read.key("order").unwrap(), Some(&Json::Text(order.into())));
        prop_assert_eq!(read.key("cents").unwrap(), Some(&number(cents.to_string())));
        prop_assert_eq!(read.key("delta").unwrap(), Some(&number(delta.to_string())));
        prop_assert_eq!(read.key("checksum").unwrap(), Some(&number(checksum.to_string())));
        prop_assert_eq!(read.key("tags").unwrap(), Some(&Json::List(tags.into_iter().map(|tag| Json::Text(tag.into())).collect())));
        prop_assert_eq!(read.key("lines").unwrap(), Some(&Json::List(lines.into_iter().map(|line| number(line.to_string())).collect())));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = refund().read(&bytes);
    }
}
