//! From documents to one bundle: what they mean together.
//!
//! Here references are resolved, names are compared, and what cannot hold is refused. Compiling goes on after a problem, so
//! that all are reported; a bundle comes out only where there was none.

mod contract;
mod ground;
mod service;

use std::collections::HashMap;

use super::Bundle;
use super::cases::Case;
use super::documents::{Body, Document};
use super::problem::{Place, Problem, Problems};
use super::read::Spanned;
use crate::catalog::Catalog;
use crate::contract::Contracts;
use crate::terms::{ActionName, Mode, Name};

/// Whether every document could be read. Where one could not, a name that is not found may be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Documents {
    AllRead,
    SomeUnread,
}

/// Compiles documents into a bundle. What comes out is worth nothing where `problems` grew.
pub(super) fn compile(
    documents: Vec<Document>,
    read: Documents,
    digest: String,
    problems: &mut Problems,
) -> (Bundle, Vec<Case>) {
    refuse_double_names(&documents, problems);
    let mut sorted = Sorted::default();
    for Document { name, owner, body } in documents {
        sorted.add(name, owner, body, problems);
    }
    let mode = sorted.defaults.and_then(|(_, defaults)| defaults.mode).unwrap_or(Mode::Enforce);
    let tiers = sorted.tiers.map(|(_, tiers)| ground::tiers(tiers, problems)).unwrap_or_default();
    let identity = sorted.identity.map(|(_, identity)| ground::identity(identity, problems)).unwrap_or_default();
    let mut services = service::Compiler::new(Catalog::new(tiers), problems);
    sorted.services.into_iter().for_each(|(name, owner, service)| services.add(name, owner, service));
    let (catalog, inputs_by_action) = services.finish();
    let compiler = contract::Compiler { catalog: &catalog, inputs_by_action: &inputs_by_action, read };
    let contracts = sorted
        .contracts
        .into_iter()
        .filter_map(|(name, owner, contract)| compiler.compile(name, owner, contract, problems))
        .collect();
    let cases = sorted.tests.into_iter().flat_map(|test| test.cases).map(Case::from).collect();
    let contracts = Contracts::new(contracts, &catalog);
    (Bundle { digest, mode, identity, catalog, contracts }, cases)
}

/// What an action's rules may look at, by the action's name.
pub(super) type InputsByAction = HashMap<ActionName, Vec<crate::catalog::Input>>;

#[derive(Default)]
struct Sorted {
    defaults: Option<(Place, super::documents::ground::Defaults)>,
    tiers: Option<(Place, super::documents::ground::Tiers)>,
    identity: Option<(Place, super::documents::ground::Identity)>,
    services: Vec<(Name, Option<String>, super::documents::service::Service)>,
    contracts: Vec<(Name, Option<String>, super::documents::contract::Contract)>,
    tests: Vec<super::documents::test::Test>,
}

impl Sorted {
    fn add(&mut self, name: Spanned<Name>, owner: Option<String>, body: Body, problems: &mut Problems) {
        match body {
            Body::Defaults(one) => set_once(&mut self.defaults, name.place, one, "Defaults", problems),
            Body::Tiers(one) => set_once(&mut self.tiers, name.place, one, "Tiers", problems),
            Body::Identity(one) => set_once(&mut self.identity, name.place, one, "Identity", problems),
            Body::Service(one) => self.services.push((name.value, owner, one)),
            Body::Contract(one) => self.contracts.push((name.value, owner, one)),
            Body::Test(one) => self.tests.push(one),
        }
    }
}

fn set_once<T>(slot: &mut Option<(Place, T)>, place: Place, document: T, kind: &str, problems: &mut Problems) {
    match slot {
        Some((first, _)) => problems.push(
            Problem::at(&place, format!("a bundle has one `{kind}` document, this is another"))
                .also(first, "the first is here"),
        ),
        None => *slot = Some((place, document)),
    }
}

fn refuse_double_names(documents: &[Document], problems: &mut Problems) {
    let mut first_by_name: HashMap<(&str, &Name), &Place> = HashMap::new();
    for document in documents {
        let kind = document.body.kind();
        if let Some(first) = first_by_name.insert((kind, &document.name.value), &document.name.place) {
            let problem = Problem::at(
                &document.name.place,
                format!("there are two `{kind}` documents named `{}`", document.name.value),
            );
            problems.push(problem.also(first, "the first is here"));
        }
    }
}
