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
    assert_eq!(reason(&[("x-http-method-override", "DELETE")]), Some(Reason::MethodOverride));
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
    let many = vec![("a", &b"b"[..]); 257];
    assert_eq!(Headers::read(&many).1, Some(Reason::RequestTooLarge));
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
                joined.extend_from_slice(if name == "cookie" { b"; " } else { b"," });
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
