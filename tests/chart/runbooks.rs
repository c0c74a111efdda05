//! A page for each alert, for whoever was woken by it.

use std::collections::BTreeSet;

use crate::helm::root;
use crate::monitoring::{alerts, one};

/// What each page answers, in this order.
const SECTIONS: [&str; 6] = ["What it means", "What customers feel", "Look", "Do", "Do not", "It is over when"];

#[test]
fn each_alert_has_its_page_and_each_page_its_alert() {
    let rule = one("PrometheusRule/tollgate", &["prometheusRule.enabled=true"]);
    let named: BTreeSet<_> = alerts(&rule).iter().map(|alert| alert["alert"].as_str().unwrap().to_owned()).collect();
    let folder = root().join("docs/runbooks");
    let index = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let mut pages = BTreeSet::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == "README" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&format!("# {name}\n")), "{name} is not called so");
        let sections: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(sections, SECTIONS, "{name}");
        assert!(index.contains(&format!("[{name}]({name}.md)")), "{name} is not in the list");
        // Somebody reads it at night.
        assert!(text.lines().count() < 80, "{name} is long");
        pages.insert(name);
    }
    assert_eq!(pages, named);
}
