//! What a GraphQL request is found to ask for.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn elements(request: &Value) -> Result<Vec<(String, String)>, Reason> {
    let text = request.to_string();
    let json = Json::parse(text.as_bytes()).unwrap();
    Ok(read(&json, &Query::default())?
        .iter()
        .map(|one| (one.key.to_string(), format!("{:?}", one.arguments)))
        .collect())
}

fn keys(request: &Value) -> Result<Vec<String>, Reason> {
    Ok(elements(request)?.into_iter().map(|(key, _)| key).collect())
}

#[track_caller]
fn found(query: &str, expected: &[&str]) {
    let expected: Vec<_> = expected.iter().map(|key| (*key).to_owned()).collect();
    assert_eq!(keys(&json!({ "query": query })), Ok(expected), "{query}");
}

#[track_caller]
fn refused(request: &Value, reason: Reason) {
    assert_eq!(keys(request), Err(reason), "{request}");
}

#[test]
fn fields_count_by_name_through_aliases_and_fragments() {
    found("{ order(id: 7) { id } }", &["graphql query order"]);
    found("query { harmless: refunds { id } order { id } }", &["graphql query refunds", "graphql query order"]);
    found("mutation M { ...A } fragment A on Mutation { refund }", &["graphql mutation refund"]);
    found("{ ... on Query { a ... { b } } }", &["graphql query a", "graphql query b"]);
    found("mutation { refund @skip(if: true) }", &["graphql mutation refund"]);
    found("mutation { a: refund(n: 1) b: refund(n: 2) }", &["graphql mutation refund", "graphql mutation refund"]);
    found("{ __typename order }", &["graphql query order"]);
    found("{ __typename }", &["graphql query __typename"]);
    found("{ __schema { types { name } } }", &["graphql query __schema"]);
    found("subscription { orders }", &["graphql subscription orders"]);
}

#[test]
fn every_operation_of_a_document_counts_and_one_is_chosen() {
    let query = "query A { order } mutation B { refund }";
    let both = Ok(vec!["graphql query order".to_owned(), "graphql mutation refund".to_owned()]);
    assert_eq!(keys(&json!({ "query": query, "operationName": "A" })), both);
    refused(&json!({ "query": query }), Reason::GraphqlOperation);
    refused(&json!({ "query": query, "operationName": "C" }), Reason::GraphqlOperation);
    refused(&json!({ "query": "query A { a } query A { b }", "operationName": "A" }), Reason::GraphqlOperation);
    refused(&json!({ "query": "{ a } query A { b }", "operationName": "A" }), Reason::GraphqlOperation);
    assert_eq!(keys(&json!([{ "query": "{ a }" }, { "query": "{ b }" }])).map(|keys| keys.len()), Ok(2));
}

#[test]
fn arguments_are_literals_variables_and_defaults() {
    let request = json!({
        "query": "mutation ($o: ID!, $n: Float = 1.50, $u: Int) { refund(order: $o, amount: $n, unit: EUR, note: \"a\\u0041\", x: $u, deep: { list: [1, $o] }) }",
        "variables": { "o": "7" },
    });
    let (_, arguments) = elements(&request).unwrap().remove(0);
    let expected = Json::Object(vec![
        ("order".into(), Json::Text("7".into())),
        ("amount".into(), Json::Number("1.50".into())),
        ("unit".into(), Json::Text("EUR".into())),
        ("note".into(), Json::Text("aA".into())),
        (
            "deep".into(),
            Json::Object(vec![("list".into(), Json::List(vec![Json::Number("1".into()), Json::Text("7".into())]))]),
        ),
    ]);
    assert_eq!(arguments, format!("{expected:?}"));
    refused(&json!({ "query": "{ a(x: $undeclared) }" }), Reason::GraphqlMalformed);
    refused(&json!({ "query": "{ a(x: 1, x: 2) }" }), Reason::GraphqlMalformed);
}

#[test]
fn persisted_documents_are_known_by_their_id_alone() {
    let hash = sha256("{ order }");
    let apq = |hash: &str| json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    assert_eq!(keys(&json!({ "extensions": apq(&hash) })), Ok(vec![format!("graphql persisted {hash}")]));
    assert_eq!(keys(&json!({ "documentId": "orders.v1" })), Ok(vec!["graphql persisted orders.v1".to_owned()]));
    assert_eq!(
        keys(&json!({ "query": "{ order }", "extensions": apq(&hash) })),
        Ok(vec!["graphql query order".to_owned()])
    );
    refused(&json!({ "query": "{ refunds }", "extensions": apq(&hash) }), Reason::GraphqlPersisted);
    refused(&json!({ "query": "{ order }", "documentId": "orders.v1" }), Reason::GraphqlPersisted);
    refused(&json!({ "id": "a", "documentId": "b" }), Reason::GraphqlMalformed);
    refused(&json!({ "id": "../a b" }), Reason::GraphqlMalformed);
}

#[test]
fn what_is_no_request_is_refused() {
    for request in [
        json!({}),
        json!([]),
        json!(1),
        json!({ "query": 1 }),
        json!({ "query": "" }),
        json!({ "query": "{ a" }),
        json!({ "query": "type A { b: C }" }),
        json!({ "query": "{ ...Missing }" }),
        json!({ "query": "{ ...A } fragment A on Q { ...A }" }),
        json!({ "query": "{ a }", "variables": [] }),
        json!({ "query": "{ a }", "more": 1 }),
    ] {
        assert!(keys(&request).is_err(), "{request}");
    }
}

#[test]
fn bombs_of_fragments_and_depth_are_bounded() {
    let levels: String = (0..30).map(|n| format!("fragment F{n} on Q {{ ...F{} ...F{} }} ", n + 1, n + 1)).collect();
    let bomb = format!("{{ ...F0 }} {levels} fragment F30 on Q {{ a }}");
    assert!(keys(&json!({ "query": bomb })).is_err());
    refused(&json!({ "query": format!("{}{}", "{a".repeat(500), "}".repeat(500)) }), Reason::GraphqlTooComplex);
    refused(&json!({ "query": format!("{{ {} }}", "a ".repeat(10_000)) }), Reason::GraphqlTooComplex);
    refused(&json!({ "query": format!("{{ {} }}", "a ".repeat(100)) }), Reason::BatchTooLong);
}

proptest! {
    #[test]
    fn no_document_makes_it_panic(query in "[{}()\\[\\]:$@.\"a-c0-9 \\\\u{}\n#!=,fragmentquyio]{0,60}") {
        let _ = keys(&json!({ "query": query }));
    }
}
