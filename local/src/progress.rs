//! Long work says how far it is, on standard error, so that nobody wonders whether it hangs.

use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two lines: often enough on a terminal, where a line replaces the one before, seldom enough in a log.
const PACE_TERMINAL: Duration = Duration::from_millis(500);
const PACE_LOG: Duration = Duration::from_secs(10);

/// A running report; it ends when it is dropped.
#[derive(Debug)]
pub struct Progress {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Reports as long as there is work: `so_far` answers how many units are done, and of how many.
    #[must_use]
    pub fn watch(label: &str, unit: &'static str, so_far: impl Fn() -> (u64, u64) + Send + 'static) -> Self {
        let (stop, stopped) = channel();
        let label = label.to_owned();
        let is_terminal = std::io::stderr().is_terminal();
        let pace = if is_terminal { PACE_TERMINAL } else { PACE_LOG };
        let thread = std::thread::spawn(move || {
            let say = |done, total, began: Instant, end: &str| {
                let line = line(&label, unit, done, total, began.elapsed());
                // A report that cannot be written is none; the work goes on.
                let _ = write!(std::io::stderr().lock(), "{}{line}{end}", if is_terminal { "\r\x1b[2K" } else { "" });
            };
            // The units that were done when the work that runs now began, and when that was: at the last look without
            // any.
            let mut rest = (so_far().0, Instant::now());
            let mut running: Option<(u64, Instant)> = None;
            let mut was_told = false;
            loop {
                let ended = stopped.recv_timeout(pace) != Err(RecvTimeoutError::Timeout);
                let (done, total) = so_far();
                match running {
                    Some((before, began)) if done >= total || ended => {
                        if was_told {
                            say(done.saturating_sub(before), total.saturating_sub(before), began, "\n");
                        }
                        (running, was_told, rest) = (None, false, (done, Instant::now()));
                    }
                    Some((before, began)) => {
                        let end = if is_terminal { "" } else { "\n" };
                        say(done.saturating_sub(before), total.saturating_sub(before), began, end);
                        was_told = true;
                    }
                    None if done < total => running = Some(rest),
                    None => rest = (done, Instant::now()),
                }
                if ended {
                    return;
                }
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It only writes; should it have panicked there is nothing to clean up.
            let _ = thread.join();
        }
    }
}

fn line(label: &str, unit: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs().max(1);
    let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
    let left = match done {
        0 => String::new(),
        _ => format!(", about {} s left", total.saturating_sub(done).saturating_mul(seconds) / done),
    };
    format!("{label}: {done} of {total} {unit} ({percent} %), {} a second{left}", done / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_and_how_long_and_nothing_divides_by_zero() {
        let after = |done, total| line("reading", "rows", done, total, Duration::from_secs(10));
        assert_eq!(after(500, 2_000), "reading: 500 of 2000 rows (25 %), 50 a second, about 30 s left");
        assert_eq!(after(0, 0), "reading: 0 of 0 rows (100 %), 0 a second");
        assert_eq!(line("x", "y", 5, 5, Duration::ZERO), "x: 5 of 5 y (100 %), 5 a second, about 0 s left");
    }

    #[test]
    fn a_report_ends_with_its_work_and_not_before_it_is_told() {
        let progress = Progress::watch("quick", "rows", || (1, 1));
        drop(progress);
    }
}
