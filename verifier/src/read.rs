//! Reading: files in blocks of whole lines, verified by as many threads as there are cores, and put together by one.

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Context as _;
use jiff::civil::Date;

use crate::ledger::{Ledger, Report};
use crate::part::Part;
use crate::seals::Seals;

/// Bytes of a block: thousands of lines, and small enough that a few wait without weighing.
const BLOCK_BYTES: usize = 4 * 1024 * 1024;

/// The days that an export was to hold, where that is more than it does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Range {
    /// The first.
    pub from: Option<Date>,
    /// The last.
    pub to: Option<Date>,
}

/// A block and its number.
type Block = (usize, Vec<u8>);

/// Verifies files as one export.
///
/// # Errors
/// When a file cannot be read.
pub fn verify(files: &[PathBuf], told: &Seals, range: Range) -> anyhow::Result<Report> {
    let (blocks_in, blocks) = sync_channel::<Block>(cores());
    let (parts_in, parts) = sync_channel(cores());
    let blocks = Mutex::new(blocks);
    let mut ledger = Ledger::default();
    let read: anyhow::Result<()> = thread::scope(|scope| {
        for _ in 0..cores() {
            let (blocks, parts_in) = (&blocks, parts_in.clone());
            scope.spawn(move || work(blocks, &parts_in));
        }
        drop(parts_in);
        let reader = scope.spawn(move || {
            let mut number = 0;
            for path in files {
                let file = File::open(path).with_context(|| format!("`{}` cannot be opened", path.display()))?;
                send(file, &mut number, &blocks_in).with_context(|| format!("`{}` cannot be read", path.display()))?;
            }
            anyhow::Ok(())
        });
        for (number, part) in parts {
            ledger.add(number, part);
        }
        reader.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the reading thread ended early")))
    });
    read?;
    Ok(ledger.finish(told, range))
}

/// How many threads are worth having.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

fn work(blocks: &Mutex<Receiver<Block>>, parts: &SyncSender<(usize, Part)>) {
    loop {
        let next = blocks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, block)) = next else { return };
        if parts.send((number, Part::of(&block))).is_err() {
            return;
        }
    }
}

/// Sends a file block by block, each cut behind its last whole line.
fn send(mut file: impl Read, number: &mut usize, blocks: &SyncSender<Block>) -> io::Result<()> {
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let mut block = std::mem::take(&mut rest);
        block.reserve(BLOCK_BYTES);
        let wanted = u64::try_from(BLOCK_BYTES).unwrap_or(u64::MAX);
        let is_last = file.by_ref().take(wanted).read_to_end(&mut block)? == 0;
        if !is_last {
            match memchr::memrchr(b'\n', &block) {
                Some(end) => rest = block.split_off(end + 1),
                None => {
                    rest = block;
                    continue;
                }
            }
        }
        if !block.is_empty() && blocks.send((*number, block)).is_err() {
            return Err(io::Error::other("the verifying threads ended early"));
        }
        *number += 1;
        if is_last {
            return Ok(());
        }
    }
}
