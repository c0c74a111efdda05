//! What the tier, the channel and guardrails demand of a call.

use std::fmt::Display;

use jiff::Timestamp;

use super::call::Call;
use super::{Objections, Ruling};
use crate::catalog::{Assurance, Demands};
use crate::gate::trail::Trail;
use crate::identity::User;
use crate::terms::Reason;

/// A clock may run a little behind the one that signed. The same minute that JWT libraries allow.
const SKEW_SECONDS: i64 = 60;

impl<'b> Call<'_, 'b> {
    /// What the tier demands, and the channel's ceiling.
    pub(super) fn weigh_demands(
        &self,
        demands: &'b Demands,
        ruling: &mut Ruling<'b>,
        objections: &mut Objections,
        trail: &mut impl Trail,
    ) {
        let tier = self.action.tier;
        self.weigh_required(demands, &format_args!("tier `{tier}`"), ruling, objections, trail);
        if let Some(ceiling) = ruling.caller.channel.ceiling {
            let above = (tier > ceiling).then_some(Reason::ChannelCeiling);
            objections.add(above, &format_args!("the channel's ceiling is `{ceiling}`"), trail, || {
                format!("the action's tier is `{tier}`")
            });
        }
    }

    /// What a tier or a guardrail demands by itself.
    pub(super) fn weigh_required(
        &self,
        demands: &'b Demands,
        rule: &dyn Display,
        ruling: &mut Ruling<'b>,
        objections: &mut Objections,
        trail: &mut impl Trail,
    ) {
        if demands.known_caller {
            let unknown = (!ruling.caller.is_known()).then_some(Reason::CallerUnknown);
            objections.add(unknown, &format_args!("{rule} demands a known caller"), trail, String::new);
        }
        if demands.declared_purpose {
            let undeclared = self.purpose.is_none().then_some(Reason::PurposeUndeclared);
            objections.add(undeclared, &format_args!("{rule} demands one declared purpose"), trail, || {
                self.purpose.as_ref().map(ToString::to_string).unwrap_or_default()
            });
        }
        if let Some(assurance) = &demands.assurance {
            self.weigh_assurance(assurance, rule, ruling, objections, trail);
        }
    }

    fn weigh_assurance(
        &self,
        assurance: &'b Assurance,
        rule: &dyn Display,
        ruling: &mut Ruling<'b>,
        objections: &mut Objections,
        trail: &mut impl Trail,
    ) {
        let met = ruling.caller.user.proven().is_some_and(|user| is_assured(user, assurance, self.now));
        let lacking = (!met).then_some(Reason::AssuranceRequired);
        if lacking.is_some() {
            ruling.challenge = Some(ruling.challenge.map_or(assurance, |other| stricter(other, assurance)));
        }
        objections.add(lacking, &format_args!("{rule} demands a strong, recent sign-in"), trail, || {
            assurance.acr.join(" or ")
        });
    }
}

/// Of two challenges the one with the shorter time: who meets it meets the other's time, too.
fn stricter<'b>(one: &'b Assurance, other: &'b Assurance) -> &'b Assurance {
    let is_shorter = one.max_age.is_some_and(|age| other.max_age.is_none_or(|other| age <= other));
    if is_shorter { one } else { other }
}

/// A sign-in of one of the classes, recent enough. What is not known is not met.
fn is_assured(user: &User, assurance: &Assurance, now: Timestamp) -> bool {
    let strong = user.acr.as_ref().is_some_and(|acr| assurance.acr.contains(acr));
    let recent = assurance.max_age.is_none_or(|max_age| {
        let age = user.auth_time.map(|signed_in| now.as_second().saturating_sub(signed_in));
        age.is_some_and(|age| {
            age >= -SKEW_SECONDS && u64::try_from(age.max(0)).is_ok_and(|age| age <= max_age.as_secs())
        })
    });
    strong && recent
}
