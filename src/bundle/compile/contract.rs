//! Contracts: whom they are about, and which of the catalogue's actions they grant.

use std::collections::BTreeMap;

use super::condition::{condition, syntax};
use super::ground::{refuse_empty, refuse_long};
use super::{Documents, service};
use crate::bundle::documents::contract::{Contract as Typed, Grant as TypedGrant, PartyKeys, Who as TypedWho};
use crate::bundle::read::Spanned;
use crate::catalog::{Action, Catalog};
use crate::contract::{Conditions, Contract, Grant, Others, Retain, Sends, Who};
use crate::identity::Identity;
use crate::terms::{ActionName, Name, Role, Tier, TrustDomain};
use crate::yaml::{Place, Problem, Problems};

pub(super) struct Compiler<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) conditions: &'a Conditions<'a>,
    /// None where no document says how proofs become parties: then nobody is ever known, and that is said nowhere else.
    pub(super) identity: Option<&'a Identity>,
    pub(super) read: Documents,
}

impl Compiler<'_> {
    pub(super) fn compile(
        &self,
        name: Name,
        owner: Option<String>,
        typed: Typed,
        problems: &mut Problems,
    ) -> Option<Contract> {
        refuse_empty(&typed.purposes, "a contract is for something", problems);
        refuse_long(&typed.purposes, problems);
        let anyone = match &typed.who {
            TypedWho::Anyone(place) => Some(place.clone()),
            TypedWho::Parties(_) => None,
        };
        let who = match typed.who {
            TypedWho::Anyone(_) => Some(Who::Anyone),
            TypedWho::Parties(keys) => {
                if let Some(identity) = self.identity {
                    refuse_never_met(&keys.value, identity, problems);
                }
                parties(keys, problems)
            }
        };
        let grants = typed
            .actions
            .0
            .into_iter()
            .filter_map(|(action, grant)| self.grant(&action, grant, anyone.as_ref(), problems));
        let grants: BTreeMap<_, _> = grants.collect();
        let retain = typed
            .retain
            .map(|retain| Retain { time: retain.time, no_store: retain.cache.is_some() })
            .unwrap_or_default();
        Some(Contract { name, owner, who: who?, purposes: typed.purposes.value, grants, retain, mode: typed.mode })
    }

    fn grant(
        &self,
        name: &Spanned<ActionName>,
        typed: TypedGrant,
        anyone: Option<&Place>,
        problems: &mut Problems,
    ) -> Option<(ActionName, Grant)> {
        let Some(action) = known_action(self.catalog, name, self.read, problems) else {
            typed.when.iter().for_each(|when| syntax(when, problems));
            return None;
        };
        if let Some(who) = anyone.filter(|_| action.tier > Tier::Open) {
            let problem = Problem::at(
                &name.place,
                format!("`{}` is of the tier `{}`, and anyone may not have it", name.value, action.tier),
            );
            problems
                .push(problem.also(who, "this is for anyone").help("`who: anyone` is for actions of the tier `open`"));
        }
        let limits = typed.limit.map(|limits| service::limits(limits, &action.inputs, problems)).unwrap_or_default();
        let has_subject = action.subject.is_some();
        let when = typed.when.and_then(|when| condition(&when, &action.inputs, has_subject, self.conditions, problems));
        let sends = typed.sends.map(|sends| {
            refuse_empty(&sends.fields, "no body could be passed on", problems);
            refuse_long(&sends.fields, problems);
            Box::new(Sends { fields: sends.fields.value, others: sends.others.unwrap_or(Others::Refuse) })
        });
        // The catalogue's own name, which is there already.
        Some((action.name.clone(), Grant { limits, when, sends, exception: None }))
    }
}

/// An action by its name; a problem where there is none.
pub(super) fn known_action<'c>(
    catalog: &'c Catalog,
    name: &Spanned<ActionName>,
    read: Documents,
    problems: &mut Problems,
) -> Option<&'c Action> {
    let action = catalog.action_id(name.as_str()).and_then(|id| catalog.action(id));
    if action.is_none() && read == Documents::AllRead {
        let problem = Problem::at(&name.place, format!("no service has an action `{}`", name.value));
        let known = catalog.actions().map(|(_, action)| action.name.as_str());
        problems.push(match problems.nearest(name.as_str(), known) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem.help("declare it under the `actions` of a `Service` document"),
        });
    }
    action
}

/// A contract about parties whom no proof makes known would grant nothing, without a word.
fn refuse_never_met(keys: &PartyKeys, identity: &Identity, problems: &mut Problems) {
    if let Some(list) = &keys.workload {
        match &identity.workload {
            None => problems.push(
                Problem::at(&list.place, "no workload is ever known here")
                    .help("`Identity` says from where: `workload: { from: [mtls], trustDomains: [cluster.local] }`"),
            ),
            Some(rule) => {
                let trusted = || rule.trust_domains.iter().map(TrustDomain::as_str);
                for pattern in list.iter() {
                    let domain = pattern.trust_domain();
                    if trusted().any(|one| one == domain) {
                        continue;
                    }
                    let message = format!("the trust domain `{domain}` is none of those that `Identity` trusts");
                    let problem = Problem::at(&list.place, message);
                    problems.push(match problems.nearest(domain, trusted()) {
                        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                        None => problem.help("add it to `workload.trustDomains`"),
                    });
                }
            }
        }
    }
    let users = keys.user.iter().map(|user| &user.any_role.place).chain(keys.agent.iter().map(|list| &list.place));
    for place in users.filter(|_| identity.user.is_none()) {
        let problem = Problem::at(place, "no user is ever known here");
        problems.push(problem.help("`Identity` says from where: `user: { from: \"metadata:NAMESPACE/KEY\" }`"));
    }
    if let (Some(user), Some(rule)) = (&keys.user, &identity.user)
        && rule.roles.is_none()
    {
        let problem = Problem::at(&user.any_role.place, "no user ever has a role here");
        problems.push(problem.help("`Identity` says which claim holds them: `map: { roles: /roles }`"));
    }
}

fn parties(keys: Spanned<PartyKeys>, problems: &mut Problems) -> Option<Who> {
    let place = keys.place;
    let PartyKeys { workload, user, agent } = keys.value;
    if workload.is_none() && user.is_none() && agent.is_none() {
        problems.push(
            Problem::at(&place, "the contract is about nobody")
                .help("name a `workload`, a `user` or an `agent`, or write `who: anyone`"),
        );
        return None;
    }
    let nobody = "it would be about nobody";
    if let Some(list) = &workload {
        refuse_empty(list, nobody, problems);
        refuse_long(list, problems);
    }
    for list in user.iter().map(|user| &user.any_role).chain(&agent) {
        refuse_empty(list, nobody, problems);
        refuse_long(list, problems);
        if list.iter().any(String::is_empty) {
            problems.push(Problem::at(&list.place, "an empty text in the list names nobody"));
        }
    }
    Some(Who::Parties {
        workload: workload.map(|list| list.value),
        user: user.map(|user| user.any_role.value.into_iter().map(Role).collect()),
        agent: agent.map(|list| list.value),
    })
}
