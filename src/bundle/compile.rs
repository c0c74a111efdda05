//! From documents to one bundle: what they mean together.
//!
//! Here references are resolved, names are compared, and what cannot hold is refused. Compiling goes on after a problem, so
//! that all are reported; a bundle comes out only where there was none.

mod condition;
mod contract;
mod ground;
mod guardrail;
mod message;
mod route;
mod service;

use std::collections::HashMap;

use super::cases::Case;
use super::documents::ground::{Unmapped as TypedUnmapped, UnmappedRule};
use super::documents::{Body, Document};
use super::read::Spanned;
use super::{Bundle, Unmapped};
use crate::catalog::Catalog;
use crate::contract::{Conditions, Contract, Contracts, Guardrails, Who};
use crate::terms::{Mode, Name, header};
use crate::yaml::{Place, Problem, Problems};

/// Whether every document of the bundle was read. Where one was not, since it is broken or stands elsewhere, a name that is not
/// found may be in it.
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
    let declares_headers = sorted.defaults.is_some() || read == Documents::AllRead;
    let defaults = sorted.defaults.map(|(_, defaults)| defaults);
    let (mode, unmapped, headers) =
        defaults.map_or((None, None, None), |defaults| (defaults.mode, defaults.unmapped, defaults.headers));
    let headers: Vec<_> = headers.unwrap_or_default().into_iter().map(|name| ground::header(name, problems)).collect();
    let tiers = sorted.tiers.map(|(_, tiers)| ground::tiers(tiers, problems)).unwrap_or_default();
    let identity = sorted.identity.map(|(_, identity)| ground::identity(identity, problems));
    let mut services = service::Compiler::new(Catalog::new(tiers), problems);
    sorted.services.into_iter().for_each(|(name, owner, service)| services.add(name, owner, service));
    let catalog = services.finish();
    let conditions = Conditions::new(declares_headers.then_some(headers.as_slice()));
    let compiler = contract::Compiler { catalog: &catalog, conditions: &conditions, identity: identity.as_ref(), read };
    let mut contracts: Vec<_> = sorted
        .contracts
        .into_iter()
        .filter_map(|(name, owner, contract)| compiler.compile(name, owner, contract, problems))
        .collect();
    let above = guardrail::Compiler { catalog: &catalog, conditions: &conditions, read };
    let mut seen = HashMap::new();
    for (name, owner, typed) in sorted.overrides {
        above.exception((name, owner), typed, &mut contracts, &mut seen, problems);
    }
    let guardrails = sorted
        .guardrails
        .into_iter()
        .filter_map(|(name, owner, typed)| above.guardrail(name, owner, typed, problems))
        .collect();
    let guardrails = Guardrails::new(guardrails);
    let expected = sorted.tests.iter().flat_map(|test| &test.cases).filter_map(|case| case.expect.action.as_ref());
    for action in expected {
        contract::known_action(&catalog, action, read, problems);
    }
    let cases = sorted.tests.into_iter().flat_map(|test| test.cases).map(Case::from).collect();
    let unmapped = unmapped.map(|typed| self::unmapped(typed, &contracts, read, problems)).unwrap_or_default();
    let contracts = Contracts::new(contracts, &catalog);
    let identity = identity.unwrap_or_default();
    let fixed = header::OURS.iter().chain(&header::ENVOYS).chain(&header::OTHER_PATHS).copied();
    let always_removed = header::both_spellings(fixed.chain(identity.headers()));
    let mode = mode.unwrap_or(Mode::Enforce);
    (Bundle { digest, mode, identity, catalog, contracts, guardrails, unmapped, always_removed }, cases)
}

fn unmapped(typed: TypedUnmapped, contracts: &[Contract], read: Documents, problems: &mut Problems) -> Unmapped {
    let mut places = |rule: Option<UnmappedRule>| {
        let Some(UnmappedRule::GrantTo(names)) = rule else { return Vec::new() };
        let known = || contracts.iter().map(|contract| contract.name.as_str());
        let mut places = Vec::new();
        for name in names {
            match contracts.iter().position(|contract| contract.name == name.value) {
                Some(place) if matches!(contracts.get(place).map(|contract| &contract.who), Some(Who::Anyone)) => {
                    let message = format!("`{}` is for anyone, and anyone may not do what is unmapped", name.value);
                    problems.push(Problem::at(&name.place, message));
                }
                Some(place) => places.push(place),
                None if read == Documents::AllRead => {
                    let problem = Problem::at(&name.place, format!("there is no contract `{}`", name.value));
                    problems.push(match problems.nearest(name.as_str(), known()) {
                        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                        None => problem.help("declare it in a `Contract` document"),
                    });
                }
                None => {}
            }
        }
        places
    };
    Unmapped { read: places(typed.read), write: places(typed.write) }
}

#[derive(Default)]
struct Sorted {
    defaults: Option<(Place, super::documents::ground::Defaults)>,
    tiers: Option<(Place, super::documents::ground::Tiers)>,
    identity: Option<(Place, super::documents::ground::Identity)>,
    services: Vec<(Name, Option<String>, super::documents::service::Service)>,
    contracts: Vec<(Name, Option<String>, super::documents::contract::Contract)>,
    guardrails: Vec<(Name, Option<String>, super::documents::guardrail::Guardrail)>,
    overrides: Vec<(Spanned<Name>, Option<String>, super::documents::guardrail::Override)>,
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
            Body::Guardrail(one) => self.guardrails.push((name.value, owner, one)),
            Body::Override(one) => self.overrides.push((name, owner, one)),
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
