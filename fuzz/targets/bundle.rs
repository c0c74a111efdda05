//! Any text as policies: loaded whole, or refused with problems that stand in it. What was loaded is no other than itself,
//! and lets no stranger in unless it says so.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::bundle::{self, Asked};
use tollgate::yaml::SourceFile;
use tollgate::gate::cases;
use tollgate::terms::Mode;
use tollgate::verdict::Verdict;

fuzz_target!(|text: &str| {
    let file = SourceFile { name: "f.yaml".into(), text: text.to_owned() };
    match bundle::load(std::slice::from_ref(&file)) {
        Err(problems) => {
            assert!(!problems.is_empty());
            // YAML 1.2, section 5.4: a carriage return alone ends a line, too.
            let lines = text.matches(['\n', '\r']).count() + 1;
            for problem in problems.iter() {
                assert!(!problem.message.is_empty());
                if let Some(place) = &problem.place {
                    assert!((1..=lines).contains(&place.line()), "line {} of {lines}", place.line());
                }
                let _ = problem.render(&annotate_snippets::Renderer::plain());
            }
        }
        Ok(loaded) => {
            assert!(bundle::diff(&loaded.bundle, &loaded.bundle).is_empty(), "a bundle differs from itself");
            for case in &loaded.cases {
                let _ = cases::check(&loaded.bundle, case);
            }
            if loaded.bundle.mode == Mode::Observe
                || text.contains("anyone")
                || text.contains("\\x")
                || text.contains("\\u")
            {
                return;
            }
            let asked = Asked {
                method: "GET".into(),
                host: "shop.example".into(),
                path: "/orders/7".into(),
                ..Asked::default()
            };
            let (plan, _) = cases::explain(&loaded.bundle, &asked);
            assert!(plan.summary.verdict != Verdict::Allow, "a stranger was let in");
        }
    }
});
