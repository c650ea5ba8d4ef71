//! Reading: files in blocks of whole lines, by as many threads as there are cores. Each reads the next block and verifies
//! it while its core still has it at hand.

use std::fs::File;
use std::io::{self, Read as _};
use std::num::NonZero;
use std::path::PathBuf;
use std::slice;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Context as _;

use crate::days::Range;
use crate::ledger::{Report, report};
use crate::part::Part;
use crate::seals::Seals;

/// Bytes of a block: hundreds of lines, and small enough for a core's own cache.
const BLOCK_BYTES: usize = 256 * 1024;

/// Verifies files as one export.
///
/// # Errors
/// When a file cannot be read.
pub fn verify(files: &[PathBuf], told: &Seals, range: Range) -> anyhow::Result<Report> {
    let source = Mutex::new(Source { files: files.iter(), open: None, rest: Vec::new(), blocks: 0 });
    let parts: anyhow::Result<Vec<Part>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores()).map(|_| scope.spawn(|| verify_blocks(&source))).collect();
        let ended_early = |_| Err(anyhow::anyhow!("a verifying thread ended early"));
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(ended_early)).collect()
    });
    let mut parts = parts?;
    let report = report(&mut parts, told, range);
    // A great many small pieces of memory: whoever waits for the report does not wait for their return.
    thread::spawn(move || drop(parts));
    Ok(report)
}

/// How many threads are worth having.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

fn verify_blocks(source: &Mutex<Source<'_>>) -> anyhow::Result<Part> {
    let mut part = Part::default();
    let mut block = Vec::new();
    loop {
        // By itself, so that the lock ends with it: the others read on while this block is verified.
        let next = source.lock().unwrap_or_else(PoisonError::into_inner).next_block(&mut block)?;
        let Some(number) = next else { return Ok(part) };
        part.take(number, &block);
    }
}

/// What is still to be read.
struct Source<'a> {
    files: slice::Iter<'a, PathBuf>,
    open: Option<(&'a PathBuf, File)>,
    /// The beginning of a line whose end was not read yet.
    rest: Vec<u8>,
    blocks: usize,
}

impl Source<'_> {
    /// Reads the next block of whole lines into `block` and answers its number; none at the end of the last file.
    fn next_block(&mut self, block: &mut Vec<u8>) -> anyhow::Result<Option<usize>> {
        block.clear();
        while block.is_empty() {
            if self.open.is_none() {
                let Some(path) = self.files.next() else { return Ok(None) };
                let file = File::open(path).with_context(|| format!("`{}` cannot be opened", path.display()))?;
                self.open = Some((path, file));
            }
            let Some((path, file)) = &mut self.open else { continue };
            block.append(&mut self.rest);
            let is_end = fill(file, block).with_context(|| format!("`{}` cannot be read", path.display()))?;
            if is_end {
                self.open = None;
            } else {
                let whole = memchr::memrchr(b'\n', block).map_or(0, |end| end + 1);
                self.rest.extend(block.drain(whole..));
            }
        }
        self.blocks += 1;
        Ok(Some(self.blocks))
    }
}

/// Reads a block more, if there is so much; answers whether the file is at its end.
fn fill(file: &mut File, block: &mut Vec<u8>) -> io::Result<bool> {
    block.reserve(BLOCK_BYTES);
    let wanted = u64::try_from(BLOCK_BYTES).unwrap_or(u64::MAX);
    Ok(file.take(wanted).read_to_end(block)? < BLOCK_BYTES)
}
