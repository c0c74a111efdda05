//! Maps of few keys and of many, which are looked up in two ways.

use super::*;

fn file(text: String) -> Arc<SourceFile> {
    Arc::new(SourceFile { name: "a.yaml".to_owned(), text })
}

/// Around the number from which on there is an index.
const COUNTS: [usize; 6] = [1, INDEXED - 2, INDEXED - 1, INDEXED, INDEXED + 1, 3 * INDEXED];

fn lines(keys: impl Iterator<Item = usize>) -> Vec<String> {
    keys.map(|key| format!("k{key}: {key}\n")).collect()
}

#[test]
fn a_key_that_stands_twice_is_refused_among_few_and_among_many() {
    for count in COUNTS {
        for again in [0, count / 2, count - 1] {
            let text = lines(0..count).concat() + &format!("k{again}: other\n");
            let mut problems = Problems::default();
            documents(&file(text), &mut problems);
            let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
            let [said] = said.as_slice() else { panic!("{count}, {again}: {said:?}") };
            assert!(said.contains(&format!("a.yaml:{}:1: the key `k{again}` stands here twice", count + 1)), "{said}");
            assert!(said.contains(&format!("a.yaml:{}:1", again + 1)), "{said}");
        }
    }
}

#[test]
fn what_is_merged_is_there_beside_few_keys_and_beside_many_and_replaces_none() {
    for own in COUNTS {
        for merged in COUNTS {
            for at in [0, own / 2, own] {
                // Some of the merged keys are there already.
                let first = own / 2;
                let base: String = (first..first + merged).map(|key| format!("  k{key}: base\n")).collect();
                let mut map = lines(0..own);
                map.insert(at, "<<: *base\n".to_owned());
                let map: String = map.iter().map(|line| format!("  {line}")).collect();
                let text = file(format!("base: &base\n{base}map:\n{map}"));
                let (mut read, mut problems) = (None, Problems::default());
                each_document(&text, Dialect::Others, &mut problems, |document| read = Some(document));
                assert!(problems.is_empty(), "{:?}", problems.iter().map(ToString::to_string).collect::<Vec<_>>());
                let Some(Node { kind: Kind::Map(entries), .. }) = read else { panic!("no map") };
                let Some((_, Node { kind: Kind::Map(entries), .. })) = entries.last() else { panic!("no map in it") };
                let found: Vec<_> =
                    entries.iter().map(|(key, value)| (key.text().unwrap(), value.text().unwrap())).collect();
                let all = (0..own).map(|key| (format!("k{key}"), key.to_string()));
                let all: Vec<_> = all
                    .chain((own.max(first)..first + merged).map(|key| (format!("k{key}"), "base".to_owned())))
                    .collect();
                assert!(
                    found.iter().copied().eq(all.iter().map(|(key, value)| (&**key, &**value))),
                    "{own} {merged} {at}: {found:?}"
                );
            }
        }
    }
}
