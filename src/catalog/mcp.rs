//! The operations of a Model Context Protocol request: JSON-RPC 2.0 over streamable HTTP.
//!
//! The body is always read. Since the revision 2026-07-28 clients repeat the method and the name in headers, by which
//! proxies may route; a header that says something else than the body is refused, an absent one is an older client's.
//! Batches existed until the revision 2025-03-26: each of their messages is an operation.

use super::{Element, Key};
use crate::facts::{Headers, Json};
use crate::terms::Reason;

/// More messages in one request are no conversation.
pub(super) const MAX_ELEMENTS: usize = 32;

/// The operations of a body; never none.
pub(super) fn read<'b>(body: &Json<'b>, headers: &Headers<'_>) -> Result<Vec<Element<'b>>, Reason> {
    let elements = match body {
        Json::List(list) if list.len() > MAX_ELEMENTS => return Err(Reason::BatchTooLong),
        Json::List(list) if list.is_empty() => return Err(Reason::McpMalformed),
        Json::List(list) => list.iter().map(read_message).collect::<Result<Vec<_>, _>>()?,
        message => vec![read_message(message)?],
    };
    agree(&elements, headers)?;
    Ok(elements)
}

fn read_message<'b>(message: &Json<'b>) -> Result<Element<'b>, Reason> {
    let Json::Object(entries) = message else { return Err(Reason::McpMalformed) };
    // An answer to the server, or a message with a part that we do not know, is no operation of ours.
    if entries.iter().any(|(key, _)| !matches!(key.as_ref(), "jsonrpc" | "id" | "method" | "params")) {
        return Err(Reason::McpMalformed);
    }
    let Some(Json::Text(version)) = message.key("jsonrpc")? else { return Err(Reason::McpMalformed) };
    let Some(Json::Text(method)) = message.key("method")? else { return Err(Reason::McpMalformed) };
    match message.key("id")? {
        None | Some(Json::Text(_) | Json::Number(_)) if version == "2.0" => {}
        _ => return Err(Reason::McpMalformed),
    }
    let params = match message.key("params")? {
        None => Json::Object(Vec::new()),
        Some(params @ Json::Object(_)) => params.clone(),
        Some(_) => return Err(Reason::McpMalformed),
    };
    let name = match name_key(method) {
        Some(key) => match params.key(key)? {
            Some(Json::Text(name)) => Some(name.clone().into_owned()),
            _ => return Err(Reason::McpMalformed),
        },
        None => None,
    };
    let arguments = match params.key("arguments")? {
        Some(arguments @ Json::Object(_)) => arguments.clone(),
        None => Json::Object(Vec::new()),
        Some(_) => return Err(Reason::McpMalformed),
    };
    let key = Key::Mcp { method: method.clone().into_owned(), name };
    Ok(Element { key, message: message.clone(), arguments })
}

/// Where a method names what it is about (`Mcp-Name` repeats it).
fn name_key(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => Some("uri"),
        _ => None,
    }
}

/// Headers that repeat a part of the body must say the same; of a batch they cannot.
fn agree(elements: &[Element<'_>], headers: &Headers<'_>) -> Result<(), Reason> {
    let single = |name| headers.single(name).map_err(|_| Reason::McpHeaderMismatch);
    let (method, name) = (single("mcp-method")?, single("mcp-name")?);
    let agrees = match elements {
        [Element { key: Key::Mcp { method: told, name: named }, .. }] => {
            method.is_none_or(|method| method == told) && name.is_none_or(|name| Some(name) == named.as_deref())
        }
        _ => method.is_none() && name.is_none(),
    };
    if agrees { Ok(()) } else { Err(Reason::McpHeaderMismatch) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Facts, Told};

    fn keys(body: &str, headers: &[(&str, &str)]) -> Result<Vec<String>, Reason> {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let facts = Facts::read(Told { headers, ..Told::default() });
        let json = Json::parse(body.as_bytes()).unwrap();
        Ok(read(&json, &facts.headers)?.iter().map(|element| element.key.to_string()).collect())
    }

    #[track_caller]
    fn check(body: &str, headers: &[(&str, &str)], expected: Result<&[&str], Reason>) {
        let expected = expected.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect());
        assert_eq!(keys(body, headers), expected, "{body} {headers:?}");
    }

    const CALL: &str =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"refund","arguments":{"a":1}}}"#;

    #[test]
    fn a_message_is_known_by_its_method_and_name() {
        check(CALL, &[], Ok(&["mcp tools/call refund"]));
        check(r#"{"jsonrpc":"2.0","id":"x","method":"tools/list"}"#, &[], Ok(&["mcp tools/list"]));
        let read = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#;
        check(read, &[], Ok(&["mcp resources/read file:///a"]));
        check(&format!("[{CALL},{CALL}]"), &[], Ok(&["mcp tools/call refund", "mcp tools/call refund"]));
    }

    #[test]
    fn headers_must_say_what_the_body_says() {
        check(CALL, &[("mcp-method", "tools/call"), ("mcp-name", "refund")], Ok(&["mcp tools/call refund"]));
        for headers in [
            &[("mcp-method", "tools/list")][..],
            &[("mcp-name", "order_status")],
            &[("mcp_name", "order_status")],
            &[("mcp-name", "refund"), ("mcp-name", "order_status")],
        ] {
            check(CALL, headers, Err(Reason::McpHeaderMismatch));
        }
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        check(list, &[("mcp-name", "refund")], Err(Reason::McpHeaderMismatch));
        check(&format!("[{CALL}]"), &[("mcp-method", "tools/call")], Ok(&["mcp tools/call refund"]));
        check(&format!("[{CALL},{CALL}]"), &[("mcp-method", "tools/call")], Err(Reason::McpHeaderMismatch));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for body in [
            "1",
            "[]",
            "[[]]",
            r#"{"jsonrpc":"1.0","method":"ping"}"#,
            r#"{"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","extra":1}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":1}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":[]}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
        ] {
            check(body, &[], Err(Reason::McpMalformed));
        }
        let twice = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"refund"}}"#;
        check(twice, &[], Err(Reason::JsonKeyAmbiguous));
        check(&format!("[{}]", vec![CALL; 33].join(",")), &[], Err(Reason::BatchTooLong));
    }
}
