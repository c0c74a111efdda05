//! Guardrails against one operation.
//!
//! A guardrail is never on trial with a service or a contract. It only adds objections, so that no guardrail ever makes an
//! allow of a denial.

use std::fmt::Display;

use super::call::Call;
use super::{Objections, Ruling};
use crate::contract::{Fires, Guardrail, Then};
use crate::gate::trail::{About, Look, Outcome, Trail};
use crate::terms::Reason;

impl<'b> Call<'_, 'b> {
    pub(super) fn weigh_guardrails(
        &self,
        ruling: &mut Ruling<'b>,
        objections: &mut Objections,
        trail: &mut impl Trail,
    ) {
        for guardrail in self.bundle.guardrails.about(self.id) {
            let rule = format_args!("guardrail `{}`", guardrail.name);
            let fires = guardrail.fires(self.purpose.as_ref(), &self.values(&ruling.caller));
            let about = || About::Guardrail(guardrail.name.clone());
            match &fires {
                Fires::No => {
                    trail.note(|| {
                        Look::new(rule.to_string(), Outcome::Passes, "it is not about this call").about(about())
                    });
                    continue;
                }
                Fires::Yes => {
                    trail.note(|| Look::new(rule.to_string(), Outcome::Holds, "it is about this call").about(about()));
                }
                Fires::Unknown(name) => trail.note(|| {
                    let detail = format!("`{name}` is not known, so it is taken to be about this call");
                    Look::new(rule.to_string(), Outcome::Holds, detail).about(about())
                }),
            }
            self.apply(guardrail, &rule, ruling, objections, trail);
        }
    }

    fn apply(
        &self,
        guardrail: &'b Guardrail,
        rule: &dyn Display,
        ruling: &mut Ruling<'b>,
        objections: &mut Objections,
        trail: &mut impl Trail,
    ) {
        match &guardrail.then {
            Then::Deny => objections.add_firm(Some(Reason::GuardrailDenied), rule, trail, String::new),
            Then::Never(_) => {
                let forbidden = guardrail.then.forbidden(self.action);
                objections.add_firm(forbidden.map(|_| Reason::GuardrailNever), rule, trail, || {
                    "the answers hold nothing of it".to_owned()
                });
            }
            Then::Require(demands) => {
                let on_trial = std::mem::replace(&mut objections.on_trial, false);
                self.weigh_required(demands, rule, ruling, objections, trail);
                objections.on_trial = on_trial;
            }
        }
    }
}
