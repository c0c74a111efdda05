//! The pages for operators and contributors, held against the product: what is shown works, what is listed is complete,
//! what is linked exists, and what can be generated is.
//!
//! CONTRIBUTING.md says how a page marks what is to be tried. Nothing here checks that prose is true: that is what reviews
//! are for.

mod errors;
mod examples;
mod generated;
mod listed;
mod page;

use page::{Page, root};

#[test]
fn every_example_on_the_pages_holds() {
    let wrong: Vec<_> = Page::all().iter().flat_map(examples::try_all).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_relative_link_leads_somewhere() {
    let pages = Page::all();
    let mut wrong = Vec::new();
    for page in &pages {
        for (line, link) in page.links() {
            if let Err(why) = follow(page, &link, &pages) {
                wrong.push(format!("{}:{line}: `{link}`: {why}", page.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Whether the file is there, and the heading in it.
fn follow(page: &Page, link: &str, pages: &[Page]) -> Result<(), String> {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = if file.is_empty() { root().join(&page.path) } else { root().join(&page.path).with_file_name(file) };
    let path = path.canonicalize().map_err(|_| "there is no such file".to_owned())?;
    if anchor.is_empty() {
        return Ok(());
    }
    let target = pages.iter().find(|page| root().join(&page.path).canonicalize().is_ok_and(|found| found == path));
    let target = target.ok_or("an anchor leads into a page")?;
    if target.anchors().any(|one| one == anchor) { Ok(()) } else { Err("the page has no such heading".to_owned()) }
}
