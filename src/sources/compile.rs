//! From files to a bundle, on threads that end with it: an allocator keeps for a thread what it worked with, and nobody has
//! anything like it to do until a policy is edited.
//!
//! Reading YAML is half of the work, and a large bundle always has several files, so those are read on several threads.

use std::iter;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::ReadError;
use crate::bundle::{self, Loaded, Part};
use crate::yaml::SourceFile;

/// From so many on another thread is worth its start.
const MANY_BYTES: usize = 256 * 1024;

/// Compiles what was read, or says all that is wrong with it, and does something else meanwhile.
pub(super) fn compile<T>(
    files: Result<Vec<SourceFile>, ReadError>,
    meanwhile: impl FnOnce() -> T,
) -> (Result<Loaded, Vec<String>>, T) {
    let files = match files {
        Ok(files) => files,
        Err(error) => return (Err(vec![error.to_string()]), meanwhile()),
    };
    let load = || {
        let loaded = bundle::load_by(files, |files| read_each(readers(&files), files));
        loaded.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    thread::scope(|scope| {
        let compiling = thread::Builder::new().name("compile".to_owned()).spawn_scoped(scope, load);
        let done = meanwhile();
        let loaded = match compiling.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(loaded)) => loaded,
            // A bundle that makes the compiler panic is a bad bundle, and no end of looking.
            Ok(Err(_)) => Err(vec!["compiling panicked".to_owned()]),
            Err(error) => Err(vec![format!("cannot start a thread to compile in: {error}")]),
        };
        (loaded, done)
    })
}

/// On how many threads these files are read: as many as there are cores, where they are large.
fn readers(files: &[SourceFile]) -> usize {
    match files.iter().map(|file| file.text.len()).sum() {
        0..MANY_BYTES => 1,
        MANY_BYTES.. => thread::available_parallelism().map_or(1, usize::from),
    }
}

/// Reads each file, whoever has time for it.
fn read_each(readers: usize, files: Vec<SourceFile>) -> Vec<Part> {
    let readers = readers.min(files.len());
    let waiting = Mutex::new(files.into_iter().enumerate());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let read = || -> Vec<_> { iter::from_fn(next).map(|(place, file)| (place, Part::read(file))).collect() };
    let mut parts = thread::scope(|scope| {
        let start = |_| thread::Builder::new().name("read".to_owned()).spawn_scoped(scope, read);
        // Where no more threads can be started, this one reads what the others would have.
        let others: Vec<_> = (1..readers).flat_map(start).collect();
        let mut parts = read();
        for other in others {
            parts.extend(other.join().unwrap_or_else(|panicked| resume_unwind(panicked)));
        }
        parts
    });
    parts.sort_unstable_by_key(|(place, _)| *place);
    parts.into_iter().map(|(_, part)| part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of one action each.
    fn files(count: usize) -> Vec<SourceFile> {
        let ground = "apiVersion: tollgate.dev/v1alpha1\nkind: Defaults\nmetadata: { name: defaults }\nmode: observe\n";
        let service = |n: usize| {
            format!(
                "apiVersion: tollgate.dev/v1alpha1\nkind: Service\nmetadata: {{ name: s{n} }}\nhosts: [s{n}.example]\n\
                 actions:\n  s{n}.read: {{ tier: open, routes: [{{ http: \"GET /{n}\" }}] }}\n"
            )
        };
        let texts = iter::once(ground.to_owned()).chain((1..count).map(service));
        texts.enumerate().map(|(n, text)| SourceFile { name: format!("{n:02}.yaml"), text }).collect()
    }

    fn load(files: &[SourceFile], readers: usize) -> Result<Loaded, String> {
        bundle::load_by(files.to_vec(), |files| read_each(readers, files)).map_err(|problems| problems.to_string())
    }

    #[test]
    fn however_many_read_the_bundle_and_what_is_wrong_with_it_are_the_same() {
        let good = files(40);
        let mut bad = good.clone();
        bad[7].text = "kind: [\n".to_owned();
        bad[9].text = bad[9].text.replace("Service", "Servise");
        bad[11].text = bad[12].text.clone();
        let alone = bundle::load(&bad).map(|_| ()).unwrap_err().to_string();
        for part in ["07.yaml:", "did you mean `Service`?", "12.yaml:"] {
            assert!(alone.contains(part), "{part} in {alone}");
        }
        for readers in [1, 2, 5, 100] {
            let bundle = load(&good, readers).unwrap().bundle;
            assert_eq!(bundle.catalog.actions().count(), 39, "{readers}");
            assert_eq!(bundle.digest, bundle::digest(&good));
            assert_eq!(load(&bad, readers).map(|_| ()).unwrap_err(), alone, "{readers}");
        }
        assert!(load(&[], 4).is_err());
    }

    #[test]
    fn small_files_are_not_worth_a_thread() {
        assert_eq!(readers(&files(40)), 1);
        let large = SourceFile { name: String::new(), text: "#".repeat(MANY_BYTES) };
        assert_eq!(readers(&[large]), thread::available_parallelism().map_or(1, usize::from));
    }
}
