//! The known word that was probably meant, for hints in messages about policies.
//!
//! It never decides anything: a word that is nearly right is still refused.

/// The known word that was probably meant.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let distance = |one: &&str| strsim::damerau_levenshtein(word, one);
    let best = known.into_iter().min_by_key(distance)?;
    // A third of the word may be wrong; beyond that it is another word.
    (distance(&best) <= (word.chars().count().max(3)) / 3 + 1).then_some(best)
}
