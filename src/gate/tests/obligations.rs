//! What an allow asks of the proxy.

use super::*;

/// What a proxy shows that hides no header.
const SHOWN: [(&str, &str); 2] = [(":scheme", "https"), ("x-forwarded-proto", "https")];

#[test]
fn what_we_assert_is_set_and_what_we_do_not_is_taken_out() {
    let bundle = standard();
    let headers = vec![
        ("tollgate-tier", "open"),
        ("tollgate_action", "x"),
        ("tollgate-made-up", "x"),
        ("x-channel", "app"),
        ("authorization", "t"),
    ];
    let plan = Ask { headers, ..Ask::get("/orders/7") }.plan(&bundle);
    assert_eq!(plan.decision().forged_headers, ["tollgate-tier", "tollgate_action"]);
    let Settled::Pass(passage) = settle(plan, Recorded::Yes) else { panic!("granted") };
    let obligations = passage.obligations();
    let set: BTreeMap<_, _> = obligations.set_headers.iter().map(|(name, value)| (*name, value.as_ref())).collect();
    assert_eq!(
        set,
        BTreeMap::from([
            ("tollgate-action", "order.read"),
            ("tollgate-tier", "personal"),
            ("tollgate-purpose", "support")
        ])
    );
    for name in [
        "tollgate_tier",
        "tollgate_action",
        "tollgate-view",
        "tollgate-made-up",
        "x-channel",
        "x_channel",
        "authorization",
        "x-envoy-auth-failure-mode-allowed",
    ] {
        assert!(obligations.remove_headers.iter().any(|one| one == name), "{name}");
    }
    assert!(
        obligations.remove_headers.iter().all(|name| !set.contains_key(name.as_ref())),
        "Envoy would take it out again"
    );
    assert!(obligations.no_store);
    assert_eq!(*passage.receipt(), Id::default());
    assert!(!obligations.remove_headers.iter().any(|name| name == "tollgate-receipt"));
}

#[test]
fn an_observed_call_is_sanitised_even_where_nothing_of_it_is_understood() {
    let defaults = "apiVersion: tollgate.dev/v1alpha1\nkind: Defaults\nmetadata: { name: d }\nmode: observe";
    let bundle = load(&[GROUND, defaults]);
    let plan =
        Ask { headers: vec![("tollgate-tier", "critical"), ("tollgate-x", "y")], ..Ask::get("//") }.plan(&bundle);
    let Settled::Pass(passage) = settle(plan, Recorded::No) else { panic!("observed") };
    let removed = &passage.obligations().remove_headers;
    assert!(
        ["tollgate-tier", "tollgate-action", "tollgate-x", "tollgate-purpose", "x-channel"]
            .iter()
            .all(|name| removed.iter().any(|one| one == name))
    );
}

/// What is taken out of a request, where it passes.
fn removed(bundle: &Bundle, ask: &Ask<'_>) -> Vec<String> {
    let Settled::Pass(passage) = settle(ask.plan(bundle), Recorded::Yes) else { panic!("{:?}", ask.headers) };
    passage.obligations().remove_headers.iter().map(|name| name.clone().into_owned()).collect()
}

#[test]
fn where_the_proxy_hides_no_header_only_those_that_came_are_taken_out() {
    let bundle = standard();
    let headers = [("tollgate-tier", "open"), ("x_channel", "app"), ("authorization", "t"), ("accept", "*/*")];
    let removed = |shown: &[(&'static str, &'static str)], hides_no_header| {
        let headers = [&headers, shown].concat();
        removed(&bundle, &Ask { headers, hides_no_header, ..Ask::get("/orders/7") })
    };
    let mut seen = removed(&SHOWN, true);
    seen.sort_unstable();
    // The tier is set anew, so it is not taken out.
    assert_eq!(seen, ["authorization", "x_channel"]);
    let all = removed(&SHOWN, false);
    assert!(all.len() > 15, "{all:?}");
    // A proxy that does not show both shows a list of headers, whatever is said of it.
    for one in &SHOWN {
        assert_eq!(removed(std::slice::from_ref(one), true), all);
    }
}

#[test]
fn what_is_not_understood_may_have_headers_that_were_not_read() {
    let defaults = "apiVersion: tollgate.dev/v1alpha1\nkind: Defaults\nmetadata: { name: d }\nmode: observe";
    let bundle = load(&[GROUND, defaults]);
    for (path, more) in [("//", 0), ("/", 2_000)] {
        let headers = [SHOWN.as_slice(), &vec![("x", ""); more]].concat();
        let removed = removed(&bundle, &Ask { headers, hides_no_header: true, ..Ask::get(path) });
        assert!(removed.iter().any(|name| name == "x-channel"), "{path}: {removed:?}");
    }
}

#[test]
fn what_envoy_shows_nobody_is_taken_out_unseen() {
    let service = SERVICE.replace("[authorization]", "[authorization, x-envoy-auth-partial-body]");
    let bundle = load(&[GROUND, &service, &desk()]);
    let removed = removed(&bundle, &Ask { headers: SHOWN.to_vec(), hides_no_header: true, ..Ask::get("/orders/7") });
    assert_eq!(removed, ["x-envoy-auth-partial-body"]);
}

proptest! {
    /// Taken out by exact name, as Envoy does it.
    #[test]
    fn the_service_gets_the_same_headers_whether_known_ones_are_taken_out_or_seen_ones(
        names in prop::collection::btree_set(
            "(tollgate[-_](tier|view|x)|x[-_](channel|original[-_]url|rewrite-url)|x-envoy[-_]original-path|authorization|accept)",
            0..8,
        )
    ) {
        let bundle = standard();
        let headers: Vec<_> = names.iter().map(|name| (name.as_str(), "v")).chain(SHOWN).collect();
        let left = |hides_no_header| {
            let removed = removed(&bundle, &Ask { headers: headers.clone(), hides_no_header, ..Ask::get("/orders/7") });
            names.iter().filter(|name| !removed.contains(name)).collect::<Vec<_>>()
        };
        prop_assert_eq!(left(true), left(false));
    }
}
