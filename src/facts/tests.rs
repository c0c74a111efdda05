//! What is canonicalised and what is refused, class by class.

use proptest::prelude::*;

use super::*;

fn told<'a>(method: &'a str, host: &'a str, path: &'a str, headers: &[(&'a str, &'a str)]) -> Told<'a> {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    Told { method, host, path, headers, ..Told::default() }
}

#[track_caller]
fn check_path(path: &str, expected: Result<&str, Reason>) {
    let facts = Facts::read(told("GET", "a.example", path, &[]));
    let found = facts.target.as_ref().map(|target| target.path.as_str()).map_err(|reason| *reason);
    assert_eq!(found, expected, "{path:?}");
}

#[test]
fn a_plain_path_is_kept_and_an_encoded_one_is_decoded_once() {
    check_path("/", Ok("/"));
    check_path("/v1/orders/7", Ok("/v1/orders/7"));
    check_path("/v1/orders/7/", Ok("/v1/orders/7/"));
    check_path("/v1/orders/7?a=b", Ok("/v1/orders/7"));
    check_path("/v1/a%20b", Ok("/v1/a b"));
    check_path("/v1/%C3%A9", Ok("/v1/é"));
    check_path("/v1/a:b@c,d=e", Ok("/v1/a:b@c,d=e"));
}

#[test]
fn a_path_that_two_parsers_could_read_differently_is_refused() {
    use Reason::*;
    let cases = [
        ("", PathMissing),
        ("v1/orders", PathNotAbsolute),
        ("*", PathNotAbsolute),
        ("http://a.example/v1", PathNotAbsolute),
        ("//v1/orders", PathEmptySegment),
        ("/v1//orders", PathEmptySegment),
        ("/v1/orders//", PathEmptySegment),
        ("//", PathEmptySegment),
        ("/v1/../admin", PathDotSegment),
        ("/v1/./admin", PathDotSegment),
        ("/v1/..", PathDotSegment),
        ("/..", PathDotSegment),
        ("/v1/%2e%2e/admin", PathEncodedPlain),
        ("/v1/.%2E/admin", PathEncodedPlain),
        ("/v1/orders%2f7", PathEncodedSeparator),
        ("/v1/orders%2F7", PathEncodedSeparator),
        ("/v1/orders%5c7", PathEncodedSeparator),
        ("/v1/orders%3b7", PathEncodedSeparator),
        ("/v1/orders%3Fa=b", PathEncodedSeparator),
        ("/v1/orders%23a", PathEncodedSeparator),
        ("/v1/orders\\7", PathBackslash),
        ("/admin;x=y", PathMatrix),
        ("/;/admin", PathMatrix),
        ("/admin#x", PathFragment),
        ("/admin?a#x", PathFragment),
        ("/admin%00.png", PathEncodedControl),
        ("/admin%0d%0a", PathEncodedControl),
        ("/admin%7f", PathEncodedControl),
        ("/admin%C2%85", PathEncodedControl),
        ("/v1/%252e", PathEncodedPercent),
        ("/v1/%6frders", PathEncodedPlain),
        ("/v1/%ff", PathNotUtf8),
        ("/v1/%C3", PathNotUtf8),
        ("/v1/%", PathBadEscape),
        ("/v1/%2", PathBadEscape),
        ("/v1/%zz", PathBadEscape),
        ("/v1/%é0", PathForbiddenCharacter),
        ("/v1/+%+1", PathBadEscape),
        ("/v1/a b", PathForbiddenCharacter),
        ("/v1/é", PathForbiddenCharacter),
        ("/v1/a\u{0}", PathForbiddenCharacter),
        ("/v1/{order}", PathForbiddenCharacter),
        ("/v1?a b", PathForbiddenCharacter),
        ("/v1?%zz", QueryBadEscape),
    ];
    for (path, reason) in cases {
        check_path(path, Err(reason));
    }
    check_path(&format!("/{}", "a".repeat(64 * 1024)), Err(RequestTooLarge));
}

#[test]
fn a_host_is_compared_without_case_port_and_trailing_dot() {
    let check = |authority: &str, expected: Result<&str, Reason>| {
        let found = Host::read(authority);
        assert_eq!(found.as_ref().map(Host::as_str), expected.as_ref().copied(), "{authority:?}");
    };
    check("Admin.EXAMPLE.com", Ok("admin.example.com"));
    check("admin.example.com:443", Ok("admin.example.com"));
    check("admin.example.com.", Ok("admin.example.com"));
    check("[::1]:8080", Ok("[::1]"));
    check("[0:0::1]", Ok("[::1]"));
    check("127.0.0.1", Ok("127.0.0.1"));
    check("", Err(Reason::HostMissing));
    for bad in [
        "a..b",
        ".",
        "a:b",
        "a:",
        "a:99999",
        "a:1:2",
        "u@a",
        "a b",
        "é",
        "[::1",
        "[::1]x",
        "[a]",
        "a/b",
        "a\\b",
        "a%41",
        &"a.".repeat(200),
    ] {
        check(bad, Err(Reason::HostMalformed));
    }
}

#[test]
fn what_is_said_twice_must_be_the_same() {
    let reason = |headers: &[(&str, &str)]| Facts::read(told("GET", "a.example", "/x", headers)).target.err();
    assert_eq!(
        reason(&[(":method", "GET"), (":path", "/x"), (":authority", "a.example"), ("host", "A.example:80")]),
        None
    );
    assert_eq!(reason(&[(":method", "POST")]), Some(Reason::RequestAmbiguous));
    assert_eq!(reason(&[(":path", "/y")]), Some(Reason::RequestAmbiguous));
    assert_eq!(reason(&[(":authority", "b.example")]), Some(Reason::RequestAmbiguous));
    assert_eq!(reason(&[("host", "b.example")]), Some(Reason::HostAmbiguous));
    assert_eq!(reason(&[("host", "a.example"), ("host", "a.example")]), Some(Reason::HostAmbiguous));
    for name in ["x-http-method-override", "x_http_method_override", "x-http_method-override", "x-method-override"] {
        assert_eq!(reason(&[(name, "DELETE")]), Some(Reason::MethodOverride));
    }
    assert_eq!(reason(&[("connection", "keep-alive, Upgrade")]), None);
    assert_eq!(reason(&[("connection", "close, tollgate-tier")]), Some(Reason::HeaderHopByHop));
    assert_eq!(reason(&[("b ad", "x")]), Some(Reason::HeaderMalformed));
}

#[test]
fn methods_are_tokens_and_keep_their_case() {
    let method = |text| Facts::read(told(text, "a.example", "/", &[])).target.map(|target| target.method.to_owned());
    assert_eq!(method("get"), Ok("get".to_owned()));
    for bad in ["", "GET ", "GE\tT", "GET/", &"G".repeat(33)] {
        assert_eq!(method(bad), Err(Reason::MethodMalformed), "{bad:?}");
    }
}

#[test]
fn a_query_parameter_that_is_read_has_one_value_under_its_own_name() {
    let value =
        |query: &str| Query::read(query).and_then(|query| query.value("role").map(|value| value.map(str::to_owned)));
    assert_eq!(value(""), Ok(None));
    assert_eq!(value("a=b&&c"), Ok(None));
    assert_eq!(value("role=user"), Ok(Some("user".to_owned())));
    assert_eq!(value("role"), Ok(Some(String::new())));
    assert_eq!(value("role=a%20b%3D"), Ok(Some("a b=".to_owned())));
    assert_eq!(value("roles=1&xrole=2"), Ok(None));
    for doubtful in [
        "role=user&role=admin",
        "Role=admin",
        "role=user&ROLE=admin",
        "role[]=admin",
        "+role=admin",
        "%20role=admin",
        "role%00=admin",
        "role%00x=admin",
        "role[0]=a",
        "%72ole=admin",
        "role=a+b",
        "x=1;role=admin",
        "role=a;b",
    ] {
        assert_eq!(value(doubtful), Err(Reason::QueryAmbiguous), "{doubtful}");
    }
    assert_eq!(value("role=%"), Err(Reason::QueryBadEscape));
    let many = vec!["a=b"; 257].join("&");
    assert_eq!(value(&many), Err(Reason::RequestTooLarge));
}

#[test]
fn the_bounds_on_headers_are_kept() {
    for (count, expected) in [(1024, None), (1025, Some(Reason::RequestTooLarge))] {
        let joined = vec!["b"; count].join(",");
        assert_eq!(Headers::read(&vec![("a", &b"b"[..]); count]).1, expected, "{count} apart");
        assert_eq!(Headers::read(&[("a", joined.as_bytes())]).1, expected, "{count} joined");
    }
    let long = vec![b'a'; 129 * 1024];
    let (headers, wrong) = Headers::read(&[("a", &long), ("tollgate-tier", b"open"), ("é", b"")]);
    assert_eq!(wrong, Some(Reason::RequestTooLarge));
    assert_eq!(headers.names().collect::<Vec<_>>(), ["tollgate-tier"], "what must be taken out is known even then");
}

/// What Envoy does when it makes the map form of a list of headers.
fn joined(list: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    let mut map: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, value) in list {
        let value = text_of(value).into_bytes();
        match map.iter_mut().find(|(one, _)| one == name) {
            Some((_, joined)) => {
                joined.push(b',');
                joined.extend_from_slice(&value);
            }
            None => map.push((name.clone(), value)),
        }
    }
    map.reverse();
    map
}

fn text_of(value: &[u8]) -> String {
    value.utf8_chunks().flat_map(|chunk| chunk.valid().chars().chain(chunk.invalid().iter().map(|_| '!'))).collect()
}

fn view(list: &[(String, Vec<u8>)]) -> Vec<(String, String)> {
    let borrowed: Vec<_> = list.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let (headers, _) = Headers::read(&borrowed);
    headers.names().map(|name| (name.to_owned(), headers.value(name).unwrap_or_default().to_owned())).collect()
}

proptest! {
    #[test]
    fn both_forms_of_headers_have_the_same_facts(
        list in prop::collection::vec(("[a-c]|cookie", prop::collection::vec(any::<u8>(), 0..6)), 0..8)
    ) {
        prop_assert_eq!(view(&list), view(&joined(&list)));
    }

    #[test]
    fn no_input_panics_and_what_is_accepted_reads_the_same_again(method in ".{0,4}", host in ".{0,12}", path in "(/|%|[a-z0-9.;?#%2ef])*.{0,8}") {
        let facts = Facts::read(told(&method, &host, &path, &[]));
        if let Ok(target) = facts.target {
            // Encoding the decoded path again and reading it must lead to the same place: there was one reading.
            let encoded = percent_encoding::utf8_percent_encode(target.path.as_str(), &ENCODE).to_string();
            let again = Path::read(&encoded);
            prop_assert_eq!(again.as_ref().map(Path::as_str), Ok(target.path.as_str()));
        }
    }

    #[test]
    fn an_accepted_path_has_as_many_segments_as_the_raw_one(path in "(/[a-z%0-9.]{0,6}){1,5}") {
        if let Ok(read) = Path::read(&path) {
            prop_assert_eq!(read.as_str().matches('/').count(), path.matches('/').count());
        }
    }
}

const ENCODE: percent_encoding::AsciiSet = percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

mod bodies {
    //! Whole, of one media type, decodable in one way; or the reason why not.

    use std::io::Write as _;

    use super::*;
    use crate::facts::{Accepts, Given};

    type Headers<'a> = &'a [(&'a str, &'a str)];

    fn facts<'a>(headers: Headers<'a>, body: Given<'a>, size: Option<u64>) -> Facts<'a> {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        Facts::read(Told { method: "POST", host: "a", path: "/", headers, body, size, ..Told::default() })
    }

    #[track_caller]
    fn json(headers: Headers<'_>, body: &[u8], size: Option<u64>, expected: Result<(), Reason>) {
        let facts = facts(headers, Given::Bytes(body), size);
        let found = facts.body.json(&facts.headers, &Accepts { gzip: true, max_bytes: 100, ..Accepts::default() });
        assert_eq!(found.map(|_| ()), expected, "{headers:?}");
    }

    #[track_caller]
    fn field(content_type: &str, body: &str, expected: Result<Option<&str>, Reason>) {
        let headers = [("content-type", content_type)];
        let facts = facts(&headers, Given::Bytes(body.as_bytes()), None);
        let form = facts.body.form(&facts.headers, &Accepts::default());
        let found = form.and_then(|form| form.value("amount").map(|value| value.map(str::to_owned)));
        assert_eq!(found, expected.map(|value| value.map(str::to_owned)), "{content_type} {body}");
    }

    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn a_body_is_read_only_where_it_is_whole() {
        json(&[JSON], b"{}", None, Ok(()));
        json(&[JSON, ("x-envoy-auth-partial-body", "false"), ("content-length", "2")], b"{}", Some(2), Ok(()));
        json(&[JSON, ("x-envoy-auth-partial-body", "true")], b"{}", None, Err(Reason::BodyPartial));
        json(&[JSON, ("x-envoy-auth-partial-body", "maybe")], b"{}", None, Err(Reason::BodyPartial));
        json(&[JSON], b"{}", Some(3), Err(Reason::BodyPartial));
        json(&[JSON, ("content-length", "3")], b"{}", Some(2), Err(Reason::BodyPartial));
        json(&[JSON, ("content-length", "1")], b"{}", None, Err(Reason::BodyLength));
        for bad in ["+2", "2,2", "0x2", "", "99999999999999999999"] {
            json(&[JSON, ("content-length", bad)], b"{}", None, Err(Reason::BodyLength));
        }
        let nothing = facts(&[JSON], Given::Nothing, None);
        assert_eq!(nothing.body.json(&nothing.headers, &Accepts::default()), Err(Reason::BodyUnavailable));
        json(&[JSON], &[b'1'; 101], None, Err(Reason::BodyTooLarge));
    }

    #[test]
    fn only_declared_media_types_are_read() {
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/vnd.api+json",
            "application/json;charset=\"utf-8\"",
        ] {
            json(&[("content-type", good)], b"{}", None, Ok(()));
        }
        for bad in [
            "text/plain; x=application/json",
            "text/json",
            "application/json, text/plain",
            "application/json; charset=utf-16",
            "application/json; charset=utf-8; charset=utf-7",
            "application/x-www-form-urlencoded",
            "",
        ] {
            json(&[("content-type", bad)], b"{}", None, Err(Reason::BodyMediaType));
        }
        json(&[], b"{}", None, Err(Reason::BodyMediaType));
        json(&[JSON, ("content_type", "text/plain")], b"{}", None, Err(Reason::BodyMediaType));
    }

    #[test]
    fn an_encoded_body_is_read_only_where_it_has_one_reading() {
        let gzip = |text: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let encoded = [JSON, ("content-encoding", "gzip")];
        json(&encoded, &gzip(b"{}"), None, Ok(()));
        json(&encoded, &gzip(&[b' '; 5_000]), None, Err(Reason::BodyTooLarge));
        json(&encoded, &[gzip(b"{}"), gzip(b"{}")].concat(), None, Err(Reason::BodyEncodingMalformed));
        json(&encoded, b"{}", None, Err(Reason::BodyEncodingMalformed));
        json(&[JSON, ("content-encoding", "gzip, gzip")], &gzip(b"{}"), None, Err(Reason::BodyEncoding));
        json(&[JSON, ("content-encoding", "br")], b"{}", None, Err(Reason::BodyEncoding));
        json(&[JSON, ("content-encoding", "identity")], b"{}", None, Ok(()));
        let facts = facts(&encoded, Given::Bytes(b"{}"), None);
        assert_eq!(facts.body.json(&facts.headers, &Accepts::default()), Err(Reason::BodyEncoding), "not declared");
    }

    #[test]
    fn a_key_that_the_proxy_may_have_changed_is_refused() {
        let facts = facts(&[JSON], Given::Text("{\"amount!\":1}"), None);
        assert_eq!(facts.body.json(&facts.headers, &Accepts::default()), Err(Reason::JsonKeyAmbiguous));
        assert!(facts.body.is_lossy());
    }

    #[test]
    fn a_field_of_a_form_has_one_reading() {
        const URL: &str = "application/x-www-form-urlencoded";
        field(URL, "amount=1+0%30&b", Ok(Some("1 00")));
        field(URL, "b=1", Ok(None));
        for bad in ["amount=1&amount=2", "Amount=1", "amount[]=1", "amoun%74=1", "a=1;amount=2"] {
            field(URL, bad, Err(Reason::FormAmbiguous));
        }
        for bad in ["amount=%zz", "amount=%ff", "a b=1", "amount=\u{e4}"] {
            field(URL, bad, Err(Reason::FormMalformed));
        }
        field(URL, "_method=delete&amount=1", Err(Reason::MethodOverride));
        field("application/json", "amount=1", Err(Reason::BodyMediaType));
    }

    #[test]
    fn a_part_of_a_multipart_form_has_one_reading() {
        const MULTIPART: &str = "multipart/form-data; boundary=x";
        let part =
            |head: &str, value: &str| format!("--x\r\ncontent-disposition: form-data; {head}\r\n\r\n{value}\r\n");
        let amount = part("name=\"amount\"", "5");
        field(MULTIPART, &format!("{amount}--x--\r\n"), Ok(Some("5")));
        field(MULTIPART, &format!("{}{amount}--x--", part("name=\"file\"; filename=\"a\"", "..")), Ok(Some("5")));
        field(MULTIPART, &format!("{amount}{amount}--x--\r\n"), Err(Reason::FormAmbiguous));
        for head in [
            "name=\"amount\"; filename=\"a\"",
            "name=amount",
            "name=\"a\\\"mount\"",
            "name=\"amount%22\"",
            "name=\"b\"; name=\"amount\"",
            "name*=utf-8''amount",
        ] {
            field(MULTIPART, &format!("{}--x--\r\n", part(head, "5")), Err(Reason::FormAmbiguous));
        }
        for bad in [
            "",
            "--x--",
            "preamble\r\n--x\r\ncontent-disposition: form-data; name=\"amount\"\r\n\r\n5\r\n--x--",
            "--x\ncontent-disposition: form-data; name=\"amount\"\n\n5\n--x--",
            "--x\r\ncontent-disposition: form-data; name=\"amount\"\r\ncontent-transfer-encoding: base64\r\n\r\nNQ==\r\n--x--",
        ] {
            field(MULTIPART, bad, Err(Reason::FormMalformed));
        }
        field(MULTIPART, &format!("{}--x--", part("name=\"a\"", "1\r\n--x \r\nb")), Err(Reason::FormAmbiguous));
        field("multipart/form-data", &amount, Err(Reason::BodyMediaType));
    }

    #[test]
    fn another_method_in_a_form_is_refused_where_no_rule_reads_it() {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let facts = facts(&headers, Given::Bytes(b"_METHOD=delete"), None);
        assert_eq!(facts.target.err(), Some(Reason::MethodOverride));
    }

    #[test]
    fn a_call_carries_one_credential() {
        let two = |value: &str| {
            let headers = [("authorization", value)];
            facts(&headers, Given::Nothing, None).target.err() == Some(Reason::CredentialsAmbiguous)
        };
        assert!(two("Bearer a,Bearer b") && two("Bearer a, b") && two("Basic a==,Digest x=\"y\""));
        assert!(two("Digest username=\"a\", Bearer b"));
        assert!(!two("Bearer a") && !two("Digest username=\"a b\", realm=\"c d\", nonce=\"e\""));
        let headers = [("authorization", "Bearer a"), ("Authorization", "Bearer b")];
        assert_eq!(facts(&headers, Given::Nothing, None).target.err(), Some(Reason::CredentialsAmbiguous));
    }
}
