//! Many files to tokens: each is read, normalised, measured and encoded within limits of its own.

use std::collections::BTreeMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::batch::encode_all;
use crate::measure::{measure, Topology};
use crate::mesh::normalize::{normalize, BOUND};
use crate::read::{read_path, ReadLimits};
use crate::tokenizer::Encoding;
use crate::{MeshError, Result, Tokenizer};

/// Most memory a face takes on its way from the file to its tokens; measured, and rounded up.
const BYTES_PER_FACE: u64 = 1_000;

/// How far the work may run ahead of the one who takes the results, in files per thread.
const AHEAD_PER_THREAD: usize = 8;

/// What one file may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FileLimits {
    /// Wall time before the file is given up. Its thread is left to finish by itself, and another takes
    /// its place.
    pub time: Duration,
    /// Bytes of memory, as an estimate from the sizes of the file and of its faces.
    pub bytes: u64,
}

impl FileLimits {
    fn read_limits(&self) -> ReadLimits {
        ReadLimits {
            max_bytes: self.bytes,
            max_triangles: usize::try_from(self.bytes / BYTES_PER_FACE).unwrap_or(usize::MAX),
        }
    }
}

/// What a file holds.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Parts that the file keeps apart.
    pub n_geometries: usize,
    /// Vertices that no face uses, left out.
    pub n_unreferenced: usize,
    /// Counts on the mesh as it was read.
    pub topology: Topology,
}

/// What became of one file.
#[derive(Debug)]
pub struct FileResult {
    /// The file.
    pub path: PathBuf,
    /// What it holds, or why nothing came of it.
    pub loaded: Result<Loaded>,
    /// One per tokenizer where the file was loaded, else none.
    pub encodings: Vec<Result<Encoding>>,
}

impl FileResult {
    fn failed(path: &Path, error: MeshError) -> Self {
        Self {
            path: path.to_owned(),
            loaded: Err(error),
            encodings: Vec::new(),
        }
    }
}

/// Reads one file, moves it into the cube, and encodes it with every tokenizer.
pub fn tokenize_file(
    path: &Path,
    tokenizers: &[Arc<dyn Tokenizer>],
    limits: &FileLimits,
) -> FileResult {
    let load = || {
        let mut file = read_path(path, &limits.read_limits())?;
        let topology = measure(&file.mesh)?;
        normalize(&mut file.mesh, BOUND)?;
        let loaded = Loaded {
            n_geometries: file.n_geometries,
            n_unreferenced: file.n_unreferenced,
            topology,
        };
        Ok((loaded, file.mesh))
    };
    match load() {
        Ok((loaded, mesh)) => FileResult {
            path: path.to_owned(),
            loaded: Ok(loaded),
            encodings: encode_all(&mesh, tokenizers),
        },
        Err(error) => FileResult::failed(path, error),
    }
}

/// The results of many files, in the order of the files, whatever the number of threads.
///
/// Dropping it stops the work after the files in progress.
pub struct FileStream {
    work: Arc<Work>,
    next: usize,
}

struct Work {
    paths: Vec<PathBuf>,
    tokenizers: Vec<Arc<dyn Tokenizer>>,
    limits: FileLimits,
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Default)]
struct Progress {
    /// The first file that no thread has taken.
    next: usize,
    /// Files from here on may not be taken yet.
    end: usize,
    started: BTreeMap<usize, Instant>,
    finished: BTreeMap<usize, FileResult>,
    is_over: bool,
}

impl FileStream {
    /// Starts the work on `threads` threads, or on one per core.
    pub fn new(
        paths: Vec<PathBuf>,
        tokenizers: Vec<Arc<dyn Tokenizer>>,
        threads: Option<usize>,
        limits: FileLimits,
    ) -> Result<Self> {
        let n_threads = match threads {
            Some(n) if (1..=1024).contains(&n) => n,
            Some(n) => {
                return Err(MeshError::InvalidInput(format!(
                    "threads = {n}; give 1 to 1024, or none"
                )))
            }
            None => thread::available_parallelism().map_or(1, usize::from),
        };
        let progress = Progress {
            end: n_threads * AHEAD_PER_THREAD,
            ..Progress::default()
        };
        let work = Arc::new(Work {
            paths,
            tokenizers,
            limits,
            progress: Mutex::new(progress),
            changed: Condvar::new(),
        });
        for _ in 0..n_threads {
            Work::start_thread(&work)?;
        }
        Ok(Self { work, next: 0 })
    }
}

impl Iterator for FileStream {
    type Item = FileResult;

    fn next(&mut self) -> Option<FileResult> {
        let index = self.next;
        let path = self.work.paths.get(index)?;
        self.next += 1;
        let mut progress = self.work.lock();
        loop {
            if let Some(result) = progress.finished.remove(&index) {
                progress.end += 1;
                self.work.changed.notify_all();
                return Some(result);
            }
            let left = progress
                .started
                .get(&index)
                .map_or(self.work.limits.time, |start| {
                    self.work.limits.time.saturating_sub(start.elapsed())
                });
            if left.is_zero() {
                progress.started.remove(&index);
                progress.end += 1;
                drop(progress);
                self.work.changed.notify_all();
                // Its thread may never come back; without a new one the work could stand still. A thread
                // that cannot be started leaves those that there are.
                let _ = Work::start_thread(&self.work);
                return Some(FileResult::failed(
                    path,
                    MeshError::TimeLimit {
                        seconds: self.work.limits.time.as_secs_f64().to_string(),
                    },
                ));
            }
            progress = self
                .work
                .changed
                .wait_timeout(progress, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Drop for FileStream {
    fn drop(&mut self) {
        self.work.lock().is_over = true;
        self.work.changed.notify_all();
    }
}

impl Work {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        // Nothing panics while it holds the lock.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_thread(work: &Arc<Self>) -> Result<()> {
        let own = Arc::clone(work);
        thread::Builder::new()
            .name("tokenize-files".into())
            .spawn(move || while own.process_next() {})
            .map(|_| ())
            .map_err(|error| {
                MeshError::InvalidInput(format!(
                    "a thread cannot be started: {error}; ask for fewer"
                ))
            })
    }

    /// Takes and processes one file; false when this thread has nothing more to do.
    fn process_next(&self) -> bool {
        let mut progress = self.lock();
        while !progress.is_over && progress.next < self.paths.len() && progress.next >= progress.end
        {
            progress = self
                .changed
                .wait(progress)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let index = progress.next;
        if progress.is_over || index >= self.paths.len() {
            return false;
        }
        progress.next += 1;
        progress.started.insert(index, Instant::now());
        drop(progress);
        // The one who waits must learn when the clock of the file began.
        self.changed.notify_all();

        let path = &self.paths[index];
        let run = || tokenize_file(path, &self.tokenizers, &self.limits);
        let result = catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|_| FileResult::failed(path, MeshError::Defect));

        let mut progress = self.lock();
        // A file that was given up has lost its start, and its thread has been replaced.
        let is_awaited = progress.started.remove(&index).is_some();
        if is_awaited {
            progress.finished.insert(index, result);
        }
        drop(progress);
        self.changed.notify_all();
        is_awaited
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repair::Repairs;
    use crate::tokenizer::silksong::Silksong;
    use crate::tokenizer::Grammar;
    use crate::TriangleMesh;

    const LIMITS: FileLimits = FileLimits {
        time: Duration::from_secs(20),
        bytes: 1 << 30,
    };
    const TETRAHEDRON: &str =
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n";

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("meshloom-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn silksong() -> Vec<Arc<dyn Tokenizer>> {
        vec![Arc::new(Silksong::default())]
    }

    #[test]
    fn results_come_in_order_and_a_bad_file_is_one_result() {
        let folder = Folder::new("order");
        let mut paths: Vec<PathBuf> = (0..40)
            .map(|i| folder.file(&format!("{i}.obj"), TETRAHEDRON))
            .collect();
        paths[7] = folder.0.join("missing.obj");
        paths[8] = folder.file("page.obj", "<html>log in</html>");
        let tokens = |threads| -> Vec<Vec<i32>> {
            let stream = FileStream::new(paths.clone(), silksong(), Some(threads), LIMITS).unwrap();
            let results: Vec<FileResult> = stream.collect();
            assert!(results.iter().map(|r| &r.path).eq(&paths));
            assert_eq!(
                results[7].loaded.as_ref().unwrap_err().code(),
                "UNREADABLE_FILE"
            );
            assert_eq!(results[8].loaded.as_ref().unwrap_err().code(), "NOT_A_MESH");
            results
                .iter()
                .flat_map(|r| &r.encodings)
                .map(|e| e.as_ref().unwrap().tokens.clone())
                .collect()
        };
        assert_eq!(tokens(1).len(), 38);
        assert_eq!(tokens(1), tokens(3));
    }

    #[test]
    fn a_stream_that_is_dropped_early_stops() {
        let folder = Folder::new("dropped");
        let path = folder.file("one.obj", TETRAHEDRON);
        let mut stream = FileStream::new(vec![path; 1000], silksong(), Some(2), LIMITS).unwrap();
        assert!(stream.next().unwrap().loaded.is_ok());
        let work = Arc::clone(&stream.work);
        drop(stream);
        let deadline = Instant::now() + Duration::from_secs(20);
        while Arc::strong_count(&work) > 1 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(Arc::strong_count(&work), 1, "the threads have ended");
        assert!(work.lock().next < 1000);
    }

    /// A tokenizer that hangs, or panics, on meshes of one face.
    struct Faulty {
        hangs: bool,
    }

    impl Tokenizer for Faulty {
        fn encode_sharing(&self, repairs: &Repairs) -> Result<Encoding> {
            if repairs.mesh().faces.len() == 1 {
                assert!(self.hangs, "a defect");
                thread::sleep(Duration::from_secs(3600));
            }
            Ok(Encoding::default())
        }
        fn decode(&self, _: &[i32]) -> Result<TriangleMesh> {
            Ok(TriangleMesh::default())
        }
        fn resolution(&self) -> u32 {
            128
        }
        fn vocab_size(&self) -> u32 {
            1
        }
        fn grammar(&self) -> Box<dyn Grammar> {
            Silksong::default().grammar()
        }
        fn describe(&self, _: i32) -> String {
            String::new()
        }
    }

    #[test]
    fn a_file_that_hangs_or_panics_is_one_result() {
        let folder = Folder::new("faulty");
        let good = folder.file("good.obj", TETRAHEDRON);
        let bad = folder.file("bad.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n");
        let paths = vec![good.clone(), bad.clone(), bad, good.clone(), good];
        for (hangs, code) in [(true, "TIME_LIMIT"), (false, "INTERNAL")] {
            let limits = FileLimits {
                // Long enough for a good file on a busy machine.
                time: Duration::from_secs(3),
                ..LIMITS
            };
            let tokenizers: Vec<Arc<dyn Tokenizer>> = vec![Arc::new(Faulty { hangs })];
            let stream = FileStream::new(paths.clone(), tokenizers, Some(1), limits).unwrap();
            let codes: Vec<Option<&str>> = stream
                .map(|result| result.loaded.err().map(|error| error.code()))
                .collect();
            assert_eq!(codes, [None, Some(code), Some(code), None, None]);
        }
    }

    #[test]
    fn the_memory_limit_counts_faces() {
        let folder = Folder::new("memory");
        let path = folder.file("four.obj", TETRAHEDRON);
        let limits = |bytes| FileLimits { bytes, ..LIMITS };
        let code = |bytes| {
            let result = tokenize_file(&path, &[], &limits(bytes));
            result.loaded.err().map(|error| error.code())
        };
        assert_eq!(code(4 * BYTES_PER_FACE), None);
        assert_eq!(code(3 * BYTES_PER_FACE), Some("TOO_MANY_FACES_RAW"));
        assert_eq!(code(40), Some("TOO_LARGE"));
    }
}
