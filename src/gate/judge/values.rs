//! What conditions may look at, read from one operation.
//!
//! What is not proven or not there is unknown: it has no value, not an empty one.

use std::time::Duration;

use super::call::Call;
use crate::catalog::{Form, Value as Input};
use crate::contract::{ConditionName as Name, ConditionValue as Value, Values};
use crate::identity::Caller;

/// The values of one operation.
pub(super) struct OfCall<'c, 'a, 'b> {
    call: &'c Call<'a, 'b>,
    caller: &'c Caller,
}

impl<'a, 'b> Call<'a, 'b> {
    pub(super) const fn values<'c>(&'c self, caller: &'c Caller) -> OfCall<'c, 'a, 'b> {
        OfCall { call: self, caller }
    }
}

impl Values for OfCall<'_, '_, '_> {
    fn value(&self, name: &Name) -> Option<Value<'_>> {
        let user = || self.caller.user.proven();
        let call = self.call;
        Some(match name {
            Name::Workload => Value::Text(self.caller.workload.proven()?.as_str()),
            Name::User => Value::Text(user()?.id.expose()),
            Name::Roles => Value::Texts(&user()?.roles),
            Name::Agents => Value::Texts(&user()?.agents),
            Name::Automation => Value::Text(self.caller.automation.word()?),
            Name::Channel => Value::Text(self.caller.channel.name.as_deref()?),
            Name::Acr => Value::Text(user()?.acr.as_deref()?),
            Name::AuthAge => {
                // A sign-in in the future has no known age.
                let Ok(age) = u64::try_from(call.now.as_second().saturating_sub(user()?.auth_time?)) else {
                    return None;
                };
                Value::Duration(Duration::from_secs(age))
            }
            Name::Tenant => Value::Text(user()?.tenant.as_deref()?),
            Name::Purpose => Value::Text(call.purpose.as_ref()?.as_str()),
            Name::Action => Value::Text(call.action.name.as_str()),
            Name::Tier => Value::Tier(call.action.tier),
            Name::Input(name) => self.input(name)?,
            Name::Subject => self.subject()?,
            Name::Method => Value::Text(call.content.target.method),
            Name::Host => Value::Text(call.content.target.host.as_str()),
            Name::Header(name) => match call.content.facts.headers.single(name) {
                Ok(value) => Value::Text(value?),
                // What can be read in two ways is not known.
                Err(_) => return None,
            },
            Name::Now => Value::Time(call.now),
        })
    }
}

impl OfCall<'_, '_, '_> {
    fn input(&self, name: &str) -> Option<Value<'_>> {
        let Ok(inputs) = &self.call.inputs else { return None };
        Some(match inputs.value(name)? {
            Input::Text(text) => Value::Text(text),
            Input::Integer(number) => Value::Integer(*number),
            Input::Decimal(number) => Value::Decimal(*number),
            Input::Boolean(is) => Value::Boolean(*is),
            Input::Money(money) => Value::Money(*money),
        })
    }

    fn subject(&self) -> Option<Value<'_>> {
        let name = self.call.action.subject.as_deref()?;
        let in_path = || {
            let Form::Http(_, template) = &self.call.route.form else { return None };
            let place = template.params().position(|param| param == name)?;
            self.call.content.params.get(place).map(|value| Value::Text(value))
        };
        self.input(name).or_else(in_path)
    }
}
