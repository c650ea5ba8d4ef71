//! Reading: files in long stretches of whole lines, by as many threads as there are cores. A thing's records are mostly
//! near one another, so that one thread has most of what belongs together.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Context as _;

use crate::days::Range;
use crate::ledger::{Report, report};
use crate::part::Part;
use crate::seals::Seals;

/// Bytes that are read and verified at once: hundreds of lines, and small enough for a core's own cache.
const BLOCK_BYTES: usize = 256 * 1024;
/// Bytes of a stretch that are worth a thread's turn.
const STRETCH_BYTES_MIN: u64 = 4 * 1024 * 1024;

/// Verifies files as one export.
///
/// # Errors
/// When a file cannot be read.
pub fn verify(files: &[PathBuf], told: &Seals, range: Range) -> anyhow::Result<Report> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let stretches = Mutex::new(Stretches::of(files, cores)?);
    let parts: anyhow::Result<Vec<Part>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(|| verify_stretches(&stretches))).collect();
        let ended_early = |_| Err(anyhow::anyhow!("a verifying thread ended early"));
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(ended_early)).collect()
    });
    let mut parts = parts?;
    let report = report(&mut parts, told, range);
    // A great many small pieces of memory: whoever waits for the report does not wait for their return.
    thread::spawn(move || drop(parts));
    Ok(report)
}

fn verify_stretches(stretches: &Mutex<Stretches<'_>>) -> anyhow::Result<Part> {
    let mut part = Part::default();
    loop {
        // By itself, so that the lock ends with it: the others go on while this stretch is verified.
        let next = stretches.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some(stretch) = next else { return Ok(part) };
        let path = stretch.path.display();
        let file = File::open(stretch.path).with_context(|| format!("`{path}` cannot be opened"))?;
        verify_stretch(&stretch, file, &mut part).with_context(|| format!("`{path}` cannot be read"))?;
    }
}

fn verify_stretch(stretch: &Stretch<'_>, mut file: File, part: &mut Part) -> anyhow::Result<()> {
    let mut at = stretch.from;
    if at > 0 {
        at = file.seek(SeekFrom::Start(at - 1))?;
    }
    let mut file = BufReader::with_capacity(BLOCK_BYTES, file);
    if stretch.from > 0 {
        // Unless a line begins exactly here, the one that is under way is of the stretch before.
        at += u64::try_from(file.skip_until(b'\n')?)?;
    }
    let mut line = Vec::new();
    while at < stretch.to {
        let block = file.fill_buf()?;
        if block.is_empty() {
            break;
        }
        let lines = usize::try_from(stretch.to - at).ok().and_then(|rest| block.get(..rest)).unwrap_or(block);
        if let Some((lines, _)) = memchr::memrchr(b'\n', lines).and_then(|last| lines.split_at_checked(last + 1)) {
            part.take(stretch.number, lines);
            let taken = lines.len();
            at += u64::try_from(taken)?;
            file.consume(taken);
        } else {
            // A line that goes on in the next block, or after the stretch, is the only one that is copied.
            line.clear();
            at += u64::try_from(file.read_until(b'\n', &mut line)?)?;
            part.take(stretch.number, &line);
        }
    }
    Ok(())
}

/// The lines of a file that begin from one byte on, and before another.
struct Stretch<'a> {
    /// Its place among all stretches.
    number: usize,
    path: &'a Path,
    from: u64,
    to: u64,
}

/// What is still to be handed out of the files, in their order.
struct Stretches<'a> {
    files: Vec<(&'a Path, Option<u64>)>,
    /// Where in the first of the files the next begins.
    at: u64,
    given: usize,
    cores: u64,
}

impl<'a> Stretches<'a> {
    fn of(files: &'a [PathBuf], cores: usize) -> anyhow::Result<Self> {
        let mut lengths = Vec::with_capacity(files.len());
        for path in files {
            let about = std::fs::metadata(path).with_context(|| format!("`{}` cannot be opened", path.display()))?;
            // What is no file, such as a pipe, has no length that is known, and is read from its beginning to its end.
            lengths.push((path.as_path(), about.is_file().then_some(about.len())));
        }
        lengths.reverse();
        Ok(Self { files: lengths, at: 0, given: 0, cores: u64::try_from(cores)? })
    }
}

impl<'a> Iterator for Stretches<'a> {
    type Item = Stretch<'a>;

    fn next(&mut self) -> Option<Stretch<'a>> {
        let (path, length) = *self.files.last()?;
        let rest: u64 = self.files.iter().filter_map(|(_, length)| *length).sum::<u64>() - self.at;
        // Ever shorter ones, so that all threads end at about the same time.
        let fair = (rest / (2 * self.cores)).max(STRETCH_BYTES_MIN);
        let (from, end) = (self.at, length.unwrap_or(u64::MAX));
        let to = end.min(from.saturating_add(if length.is_some() { fair } else { u64::MAX }));
        if to == end {
            self.files.pop();
            self.at = 0;
        } else {
            self.at = to;
        }
        self.given += 1;
        Some(Stretch { number: self.given, path, from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(path: &Path, from: u64, to: u64) -> anyhow::Result<u64> {
        let mut part = Part::default();
        verify_stretch(&Stretch { number: 1, path, from, to }, File::open(path)?, &mut part)?;
        Ok(part.stretches.iter().map(|(_, lines)| lines).sum())
    }

    #[test]
    fn every_line_is_of_one_stretch_wherever_they_meet() -> anyhow::Result<()> {
        let path = std::env::temp_dir().join(format!("verifier-stretches-{}", std::process::id()));
        for (text, lines) in [("a\nbcd\n\n\nefghij\nk\n", 6), ("a\n\nno line ends here", 3), ("\n", 1), ("x", 1)] {
            std::fs::write(&path, text)?;
            let end = u64::try_from(text.len())?;
            for border in 0..=end {
                let (before, after) = (lines_of(&path, 0, border)?, lines_of(&path, border, end)?);
                assert_eq!(before + after, lines, "{text:?} at {border}");
            }
        }
        Ok(std::fs::remove_file(path)?)
    }

    #[test]
    fn every_line_is_of_one_stretch_however_it_lies_in_the_blocks_that_are_read() -> anyhow::Result<()> {
        let path = std::env::temp_dir().join(format!("verifier-blocks-{}", std::process::id()));
        let long = |bytes: usize| "x".repeat(bytes) + "\n";
        let text =
            long(1000).repeat(700) + &long(3 * BLOCK_BYTES) + &long(BLOCK_BYTES - 1).repeat(2) + "no line ends here";
        std::fs::write(&path, &text)?;
        let end = u64::try_from(text.len())?;
        for border in (0..=end).step_by(BLOCK_BYTES / 2 + 1) {
            let (before, after) = (lines_of(&path, 0, border)?, lines_of(&path, border, end)?);
            assert_eq!(before + after, 704, "at {border}");
        }
        Ok(std::fs::remove_file(path)?)
    }

    #[test]
    fn stretches_cover_each_file_from_its_beginning_to_its_end() {
        let [empty, small, large, pipe] = ["empty", "small", "large", "pipe"].map(Path::new);
        let files = vec![(pipe, None), (large, Some(100_000_000)), (small, Some(1)), (empty, Some(0))];
        let all: Vec<Stretch<'_>> = Stretches { files, at: 0, given: 0, cores: 2 }.collect();
        let mut covered: Vec<(&Path, u64)> = Vec::new();
        for (number, Stretch { path, from, to, .. }) in all.iter().enumerate() {
            assert_eq!(all[number].number, number + 1);
            match covered.last_mut().filter(|(last, _)| last == path) {
                Some((_, end)) if *end == *from => *end = *to,
                last => {
                    assert_eq!((last, *from), (None, 0), "a file is begun once, at its beginning");
                    covered.push((path, *to));
                }
            }
        }
        assert_eq!(covered, [(empty, 0), (small, 1), (large, 100_000_000), (pipe, u64::MAX)]);
        assert!(all.len() > 8, "the last stretches are short, so that all threads end at about the same time");
    }
}
