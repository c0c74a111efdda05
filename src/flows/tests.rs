//! Shapes, and that memory stays where it is.

use proptest::prelude::*;

use super::*;
use crate::bundle::load;
use crate::facts::{Facts, Told};
use crate::yaml::SourceFile;

const POLICIES: &str = "
apiVersion: tollgate.dev/v1alpha1
kind: Service
metadata: { name: s }
hosts: [a.example, '*.b.example']
actions:
  a.read: { tier: open, routes: [{ http: 'GET /shop/{id}/frobnications' }] }
";

fn count(unmapped: &Unmapped, method: &str, host: &str, path: &str) {
    let file = SourceFile { name: "p".into(), text: POLICIES.into() };
    let bundle = load(&[file]).unwrap().bundle;
    let facts = Facts::read(Told { method, host, path, ..Told::default() });
    unmapped.count(&bundle.catalog, &facts.target.unwrap());
}

fn shape(method: &str, host: &str, path: &str) -> String {
    let unmapped = Unmapped::default();
    count(&unmapped, method, host, path);
    unmapped.most_frequent().0[0].0.to_string()
}

#[test]
fn a_path_is_known_by_its_shape_alone() {
    for (path, expected) in [
        ("/v1/orders/4711", "/v1/orders/{number}"),
        ("/v2.1/customers/ada/export?email=a", "/v2.1/customers/{word}/export"),
        ("/shop/frobnications", "/shop/frobnications"),
        ("/users/ada@example.com", "/users/{address}"),
        ("/users/0190a6f8-1c2d-7e3f-8a4b-5c6d7e8f9a0b/notes", "/users/{uuid}/notes"),
        ("/files/deadbeef01", "/files/{hex}"),
        ("/files/AB-12", "/files/{id}"),
        ("/files/a%20b", "/files/{text}"),
        ("/files/", "/files/"),
        ("/", "/"),
        ("/a/b/c/d/e/f/g/h/i", "/{word}/{word}/{word}/{word}/{word}/{word}/{word}/{word}/…"),
    ] {
        assert_eq!(shape("GET", "a.example", path), format!("GET a.example{expected}"));
    }
    assert_eq!(shape("BREW", "tenant-7.b.example", "/orders"), "other *.b.example/orders");
    assert_eq!(shape("GET", "elsewhere.example", "/orders"), "GET other/orders");
}

#[test]
fn what_is_frequent_is_found_among_very_much_else_in_bounded_memory() {
    let unmapped = Unmapped::default();
    for number in 0..20_000_u32 {
        let word = |bit: u32| if number >> bit & 1 == 1 { "orders" } else { "users" };
        let path: Vec<_> = (0..8).map(|bit| word(bit + number / 5_000)).collect();
        count(&unmapped, "GET", "a.example", &format!("/{}", path.join("/")));
        if number % 10 == 0 {
            count(&unmapped, "POST", "a.example", "/v1/payouts/7");
        }
    }
    let (shown, error) = unmapped.most_frequent();
    assert_eq!(shown[0].0.to_string(), "POST a.example/v1/payouts/{number}");
    assert!((2_000..=2_000 + error).contains(&shown[0].1), "{shown:?} {error}");
    assert!(shown.len() <= MAX_SHOWN);
    assert!(unmapped.seen.lock().unwrap().num_active_items() <= MAX_SHAPES * 3 / 4);
}

#[test]
fn the_counts_are_shown_as_metrics() {
    let unmapped = Unmapped::default();
    count(&unmapped, "GET", "a.example", "/v1/payouts/7");
    count(&unmapped, "GET", "a.example", "/v1/payouts/8");
    let mut registry = Registry::with_prefix("tollgate");
    unmapped.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let line = "tollgate_unmapped_calls{host=\"a.example\",method=\"GET\",route=\"/v1/payouts/{number}\"} 2";
    assert!(text.contains(line) && text.contains("tollgate_unmapped_calls_error 0"), "{text}");
}

proptest! {
    #[test]
    fn nothing_that_may_be_somebodys_is_kept(name in "[a-zA-Z]{3,12}[0-9]{1,4}|[a-z]{2,9}\\.[a-z]{2,9}@x\\.example") {
        let found = shape("GET", "a.example", &format!("/users/{name}/orders/{name}"));
        prop_assert!(found.starts_with("GET a.example/users/{") && !found.contains(&name), "{}", found);
    }
}
