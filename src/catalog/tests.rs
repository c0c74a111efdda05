//! What a request is found to be, and what its inputs are read as.

use proptest::prelude::*;

use super::*;
use crate::facts::{Facts, Told};
use crate::terms::Reason;

fn hosts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn catalog(routes: &[(&str, &str)]) -> Result<Catalog, Overlap> {
    let mut catalog = Catalog::default();
    let hosts = hosts(&["a.example", "*.wild.example"]);
    let service =
        catalog.add_service(Service { name: "s".parse().unwrap(), owner: None, mode: None, descriptors: None }, &hosts);
    for (name, route) in routes {
        let action = Action {
            name: name.parse().unwrap(),
            service,
            tier: Tier::Open,
            description: None,
            inputs: [].into(),
            subject: None,
            returns: [].into(),
            limits: [].into(),
            mutations: Mutations::default(),
        };
        let id = catalog.add_action(action).or_else(|| catalog.action_id(name)).unwrap();
        let (method, template) = Route::parse(route).unwrap();
        catalog.add_route(id, &hosts, Route::new(Form::Http(method, template), [].into(), Accepts::default(), None))?;
    }
    Ok(catalog)
}

fn find(catalog: &Catalog, method: &str, host: &str, path: &str) -> Option<(String, Vec<String>)> {
    let facts = Facts::read(Told { method, host, path, ..Told::default() });
    match catalog.find(facts.target.as_ref().unwrap()) {
        Found::Mapped(found) => {
            Some((found.action.name.to_string(), found.params.iter().map(|param| (*param).to_owned()).collect()))
        }
        Found::Endpoint(_) | Found::Unmapped { .. } => None,
    }
}

#[test]
fn a_literal_beats_a_parameter_and_nothing_else_is_guessed() {
    let catalog = catalog(&[
        ("order.read", "GET /orders/{order}"),
        ("order.latest", "GET /orders/latest"),
        ("order.item", "GET /orders/{order}/items/{item}"),
        ("order.latest-item", "GET /orders/latest/first"),
        ("order.create", "POST /orders/"),
        ("root.read", "GET /"),
    ])
    .unwrap();
    let check = |method, path, expected: Option<(&str, &[&str])>| {
        let expected =
            expected.map(|(name, params)| (name.to_owned(), params.iter().map(|p| (*p).to_owned()).collect()));
        assert_eq!(find(&catalog, method, "a.example", path), expected, "{method} {path}");
    };
    check("GET", "/orders/7", Some(("order.read", &["7"])));
    check("HEAD", "/orders/7", Some(("order.read", &["7"])));
    check("GET", "/orders/latest", Some(("order.latest", &[])));
    check("GET", "/orders/latest/items/1", Some(("order.item", &["latest", "1"])));
    check("GET", "/orders/latest/first", Some(("order.latest-item", &[])));
    for near in ["/orders/LATEST", "/orders/latest%20", "/orders/latest.json", "/orders/Latest."] {
        check("GET", near, None);
    }
    check("POST", "/orders/", Some(("order.create", &[])));
    check("GET", "/", Some(("root.read", &[])));
    for (method, path) in [
        ("POST", "/orders/7"),
        ("get", "/orders/7"),
        ("FOO", "/orders/7"),
        ("GET", "/orders"),
        ("GET", "/orders/"),
        ("GET", "/orders/7/"),
        ("GET", "/ORDERS/7"),
        ("GET", "/orders/7/items"),
        ("POST", "/orders"),
        ("OPTIONS", "/orders/7"),
    ] {
        check(method, path, None);
    }
}

#[test]
fn a_host_is_found_by_its_name_or_by_one_wildcard_label() {
    let catalog = catalog(&[("a.read", "GET /x")]).unwrap();
    for host in ["a.example", "A.EXAMPLE:8080", "b.wild.example"] {
        assert!(find(&catalog, "GET", host, "/x").is_some(), "{host}");
    }
    for host in ["b.example", "wild.example", "a.b.wild.example", "x.a.example"] {
        assert!(find(&catalog, "GET", host, "/x").is_none(), "{host}");
    }
}

#[test]
fn routes_of_which_neither_is_more_literal_are_refused() {
    let overlaps = |a, b| catalog(&[("a.read", a), ("b.read", b)]).is_err();
    assert!(overlaps("GET /a/{x}", "GET /a/{y}"));
    assert!(overlaps("GET /a/b", "GET /a/b"));
    assert!(overlaps("GET /a/{x}", "GET /{y}/b"));
    assert!(overlaps("GET /{a}/b/{c}", "GET /a/{b}/{c}"));
    assert!(!overlaps("GET /a/{x}", "GET /a/b"));
    assert!(!overlaps("GET /{x}/{y}", "GET /a/b"));
    assert!(!overlaps("GET /a/{x}/c", "GET /{y}/b/d"));
    assert!(!overlaps("GET /a/{x}", "POST /a/{y}"));
    assert!(!overlaps("GET /a/{x}", "GET /a/"));
}

#[test]
fn a_template_that_no_request_can_match_is_refused() {
    for bad in ["/a//b", "a", "", "/a/../b", "/a%20b", "/a;b", "/a/{x}/{x}", "/a/x{y}", "/a/*", "/{}", "/a b", "/{x-y}"]
    {
        assert!(bad.parse::<Template>().is_err(), "{bad}");
    }
    assert!(Route::parse("HEAD /a").is_err() && Route::parse("GET").is_err() && Route::parse("FETCH /a").is_err());
}

fn read(
    kind: InputKind,
    at: Location,
    currency_at: Option<Location>,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Inputs<'static>, Reason> {
    let input = Input { name: "it".into(), kind, optional: false, spelled: Spelled::Number };
    let placed = Placed { input: input.into(), at, currency_at };
    let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let facts = Facts::read(Told { method: "GET", host: "a", path, headers, ..Told::default() });
    let params = ["7"];
    let target = facts.target.as_ref().unwrap();
    let body = Parsed::NotRead;
    let content = Content { target, facts: &facts, params: &params, body: &body, element: None };
    // In a test a route may live for ever.
    Inputs::read(Box::leak(Box::new([placed])), &content)
}

#[test]
fn inputs_have_one_reading_or_a_reason() {
    let query = || Location::Query("it".into());
    let value =
        |kind, path: &str| read(kind, query(), None, path, &[]).map(|inputs| inputs.value("it").cloned().unwrap());
    assert_eq!(value(InputKind::Integer, "/?it=-12"), Ok(Value::Integer(-12)));
    assert_eq!(value(InputKind::Boolean, "/?it=true"), Ok(Value::Boolean(true)));
    assert_eq!(value(InputKind::Text, "/?it=a%20b"), Ok(Value::Text("a b".into())));
    for bad in ["007", "1.0", "-0", "1e3", "0x1", "", "9223372036854775808", "%201"] {
        assert_eq!(value(InputKind::Integer, &format!("/?it={bad}")), Err(Reason::InputInvalid), "{bad}");
    }
    for bad in ["True", "1", "yes", ""] {
        assert_eq!(value(InputKind::Boolean, &format!("/?it={bad}")), Err(Reason::InputInvalid), "{bad}");
    }
    assert_eq!(value(InputKind::Text, "/?it=a%0ab"), Err(Reason::InputInvalid));
    assert_eq!(value(InputKind::Text, "/"), Err(Reason::InputMissing));
    assert_eq!(value(InputKind::Text, "/?it=1&it=2"), Err(Reason::QueryAmbiguous));
    let header = |value| read(InputKind::Text, Location::Header("x-it".into()), None, "/", &[("x-it", value)]).err();
    assert_eq!(header("a"), None);
    assert_eq!(header("a,b"), Some(Reason::HeaderAmbiguous));
    assert_eq!(
        read(InputKind::Text, Location::Path(0), None, "/", &[]).unwrap().value("it"),
        Some(&Value::Text("7".into()))
    );
    assert_eq!(
        read(InputKind::Text, Location::Body("/a".parse().unwrap()), None, "/", &[]),
        Err(Reason::BodyUnavailable)
    );
}

#[test]
fn a_limit_holds_only_for_what_it_can_be_compared_with() {
    let kind = InputKind::Money { unit: MoneyUnit::Major, min: "0.01".parse().unwrap() };
    let limit = Limit { input: "it".into(), bound: Bound::Money("200.00 EUR".parse().unwrap()) };
    let check = |query: &str| {
        let inputs =
            read(kind, Location::Query("it".into()), Some(Location::Query("cur".into())), &format!("/?{query}"), &[]);
        inputs.and_then(|inputs| limit.check(&inputs)).err()
    };
    assert_eq!(check("it=200&cur=EUR"), None);
    assert_eq!(check("it=200.00&cur=EUR"), None);
    assert_eq!(check("it=200.01&cur=EUR"), Some(Reason::LimitExceeded));
    assert_eq!(check("it=1&cur=USD"), Some(Reason::LimitCurrency));
    assert_eq!(check("it=1"), Some(Reason::InputMissing));
    for bad in ["it=-1&cur=EUR", "it=0&cur=EUR", "it=1e2&cur=EUR", "it=1&cur=eur", "it=&cur=EUR"] {
        assert_eq!(check(bad), Some(Reason::InputInvalid), "{bad}");
    }
    assert_eq!(limit.check(&Inputs::default()), Err(Reason::InputMissing));
}

proptest! {
    #[test]
    fn a_route_finds_the_paths_that_are_made_from_it(parts in prop::collection::vec("[a-c]|\\{[a-c]\\}", 1..5), value in "[a-z0-9]{1,5}") {
        let text: String = parts.iter().map(|part| format!("/{part}")).collect();
        prop_assume!(text.parse::<Template>().is_ok());
        let catalog = catalog(&[("a.read", &format!("GET {text}"))]).unwrap();
        let path: String = parts.iter().map(|part| if part.starts_with('{') { format!("/{value}") } else { format!("/{part}") }).collect();
        prop_assert!(find(&catalog, "GET", "a.example", &path).is_some());
    }
}
