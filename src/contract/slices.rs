//! For each action, which rules are about it: their places in a list of rules.
//!
//! Two tables without gaps, since a bundle has thousands of actions and few rules for each. The rules of an action keep the
//! order of the list.

use crate::catalog::ActionId;

/// The places of rules, sliced by action.
#[derive(Debug, Default)]
pub(super) struct Slices {
    /// Where the slice of each action ends, and the next one begins; none behind the last action that has a rule.
    ends: Box<[u32]>,
    places: Box<[u32]>,
}

impl Slices {
    /// Slices pairs of an action and the place of a rule.
    pub(super) fn new(mut pairs: Vec<(ActionId, usize)>) -> Self {
        pairs.sort_unstable();
        let actions = pairs.last().map_or(0, |(action, _)| action.index() + 1);
        let mut ends = vec![0; actions];
        for (end, (action, _)) in (1..).zip(&pairs) {
            if let Some(slot) = ends.get_mut(action.index()) {
                *slot = end;
            }
        }
        // An action without a rule has an empty slice: it ends where the one before it does.
        let mut last = 0;
        for end in &mut ends {
            last = last.max(*end);
            *end = last;
        }
        let places = pairs.into_iter().map(|(_, place)| u32::try_from(place).unwrap_or(u32::MAX));
        Self { ends: ends.into(), places: places.collect() }
    }

    /// The places of the rules about an action.
    pub(super) fn of(&self, action: ActionId) -> impl Iterator<Item = usize> {
        let at = action.index();
        let end_of = |at: usize| self.ends.get(at).map_or(0, |end| *end as usize);
        let begin = at.checked_sub(1).map_or(0, end_of);
        let slice = self.places.get(begin..end_of(at)).unwrap_or_default();
        slice.iter().map(|place| *place as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Action, Catalog, Mutations, Service};
    use crate::terms::Tier;

    #[test]
    fn each_action_has_the_rules_about_it_in_their_order() {
        let mut catalog = Catalog::default();
        let name = "s".parse().unwrap();
        let service = catalog.add_service(Service { name, owner: None, mode: None, descriptors: None }, &[]);
        let ids: Vec<_> = (0..6)
            .map(|n| {
                let action = Action {
                    name: format!("a.{n}").parse().unwrap(),
                    service,
                    tier: Tier::Open,
                    description: None,
                    inputs: [].into(),
                    subject: None,
                    returns: [].into(),
                    limits: [].into(),
                    mutations: Mutations::default(),
                };
                catalog.add_action(action).unwrap()
            })
            .collect();
        let slices = Slices::new(vec![(ids[1], 0), (ids[4], 0), (ids[1], 2), (ids[2], 2), (ids[1], 1)]);
        let found: Vec<Vec<_>> = ids.iter().map(|id| slices.of(*id).collect()).collect();
        assert_eq!(found, [vec![], vec![0, 1, 2], vec![2], vec![], vec![0], vec![]]);
        assert_eq!(Slices::default().of(ids[0]).count(), 0);
    }
}
