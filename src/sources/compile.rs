//! From files to a bundle, on threads that end with it: an allocator keeps for a thread what it worked with, and nobody has
//! anything like it to do until a policy is edited.
//!
//! Reading YAML is half of the work, and a large bundle nearly always has several files: while it is waited for, those are read
//! on several threads.

use std::iter;
use std::mem;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::ReadError;
use crate::bundle::{self, Loaded, Part};
use crate::yaml::SourceFile;

/// From so many on another thread is worth its start.
const MANY_BYTES: usize = 256 * 1024;
/// Into how many pieces files are divided. What is wrong with each piece is kept until all are read, and bounded.
const PIECES: usize = 16;

/// Compiles what was read, or says all that is wrong with it, and does something else meanwhile.
pub(super) fn compile<T>(
    files: Result<Vec<SourceFile>, ReadError>,
    readers: usize,
    meanwhile: impl FnOnce() -> T,
) -> (Result<Loaded, Vec<String>>, T) {
    let files = match files {
        Ok(files) => files,
        Err(error) => return (Err(vec![error.to_string()]), meanwhile()),
    };
    let load = || {
        let loaded = bundle::load_by(files, |files| read(files, readers));
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

/// On how many threads files are read at the most.
pub(super) fn one_per_core() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Reads files on several threads, if they are large.
fn read(files: Vec<SourceFile>, readers: usize) -> Vec<Part> {
    let bytes: usize = files.iter().map(|file| file.text.len()).sum();
    if readers == 1 || bytes < MANY_BYTES {
        return vec![Part::read(files)];
    }
    read_pieces(divide(files, bytes.div_ceil(PIECES)), readers)
}

/// Files in their order, in pieces of so many bytes or of one file that is larger.
fn divide(files: Vec<SourceFile>, bytes: usize) -> Vec<Vec<SourceFile>> {
    let (mut pieces, mut piece, mut held) = (Vec::new(), Vec::new(), 0);
    for file in files {
        held += file.text.len();
        piece.push(file);
        if held >= bytes {
            pieces.push(mem::take(&mut piece));
            held = 0;
        }
    }
    pieces.push(piece);
    pieces
}

/// Reads each piece, whoever has time for it.
fn read_pieces(pieces: Vec<Vec<SourceFile>>, readers: usize) -> Vec<Part> {
    let readers = readers.min(pieces.len());
    let waiting = Mutex::new(pieces.into_iter().enumerate());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let read = || -> Vec<_> { iter::from_fn(next).map(|(place, files)| (place, Part::read(files))).collect() };
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

    /// In as many pieces as there are files, and in one for each few.
    fn load(files: &[SourceFile], readers: usize) -> Result<Loaded, String> {
        let load = |bytes| bundle::load_by(files.to_vec(), |files| read_pieces(divide(files, bytes), readers));
        let [each, few] = [1, 1000].map(|bytes| load(bytes).map_err(|problems| problems.to_string()));
        match (&each, &few) {
            (Ok(each), Ok(few)) => assert_eq!(each.bundle.digest, few.bundle.digest),
            (Err(each), Err(few)) => assert_eq!(each, few),
            _ => panic!("{each:?} {few:?}"),
        }
        each
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
    fn however_many_read_the_same_is_said_where_more_is_wrong_than_is_said() {
        let lines: String = (0..300).map(|n| format!("  a{n}: 1\n")).collect();
        let mut bad = files(10);
        bad.iter_mut().skip(1).for_each(|file| file.text += &lines);
        let alone = bundle::load(&bad).map(|_| ()).unwrap_err().to_string();
        for readers in [1, 2, 5] {
            assert_eq!(load(&bad, readers).map(|_| ()).unwrap_err(), alone, "{readers}");
        }
    }

    #[test]
    fn files_are_divided_in_their_order_into_pieces_of_a_size() {
        let of = |sizes: &[usize]| -> Vec<_> {
            sizes.iter().map(|size| SourceFile { name: size.to_string(), text: "#".repeat(*size) }).collect()
        };
        let sizes = |files: Vec<SourceFile>, bytes| -> Vec<Vec<usize>> {
            divide(files, bytes).iter().map(|piece| piece.iter().map(|file| file.text.len()).collect()).collect()
        };
        assert_eq!(sizes(of(&[3, 4, 20, 1, 1, 9]), 7), [vec![3, 4], vec![20], vec![1, 1, 9], vec![]]);
        let many = files(5000);
        let bytes = many.iter().map(|file| file.text.len()).sum::<usize>();
        assert!(bytes > MANY_BYTES, "they are worth a thread");
        assert_eq!(read(many.clone(), 1).len(), 1, "one reader divides nothing");
        let parts = read(many, 2);
        assert!((2..=PIECES + 1).contains(&parts.len()), "{}", parts.len());
        assert_eq!(read(files(40), 2).len(), 1, "these are not");
    }
}
