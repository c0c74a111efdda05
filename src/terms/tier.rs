//! How much control an action needs.

use super::spelled;

spelled! {
    /// The ladder, lowest first; a tier is comparable with `<`.
    Tier, "a tier" {
        /// Nothing personal, no effect.
        Open = "open",
        /// Reads personal data.
        Personal = "personal",
        /// Reads sensitive data, or writes with little effect.
        Sensitive = "sensitive",
        /// Changes something that a customer feels.
        Impact = "impact",
        /// Money, credentials, entitlements.
        Critical = "critical",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_ordered_from_open_to_critical() {
        assert!(Tier::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!("impact".parse(), Ok(Tier::Impact));
    }

    #[test]
    fn an_unknown_tier_is_refused_with_the_list_of_known_ones() {
        let error = "Critical".parse::<Tier>().unwrap_err().to_string();
        assert!(error.contains("`Critical` is not a tier") && error.contains("`critical`"), "{error}");
    }
}
