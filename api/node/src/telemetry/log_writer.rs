//! Writes log lines from a thread of its own, off the threads that serve requests.
//!
//! A paused terminal or a pipe without a reader would block its writer. So a separate thread writes; when it cannot
//! keep up, new lines are dropped and counted in `voxledger_log_lines_lost_total`.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// The most lines in the queue.
const QUEUE: usize = 8192;

enum Message {
    Line(Vec<u8>),
    /// Requests an answer once everything before it is written.
    Flush(SyncSender<()>),
}

/// The queue of the log's lines.
#[derive(Debug, Clone)]
pub(super) struct LogWriter {
    queue: SyncSender<Message>,
}

impl LogWriter {
    /// Starts the thread that writes to `sink`. Fails when the thread cannot be started.
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<Self> {
        Self::with_queue(sink, QUEUE)
    }

    fn with_queue(sink: impl Write + Send + 'static, length: usize) -> io::Result<Self> {
        let (queue, lines) = sync_channel(length);
        thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&lines, sink))?;
        Ok(Self { queue })
    }

    /// Waits until all earlier lines are written, at most for `wait`.
    pub(super) fn flush(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let (done, written) = sync_channel(1);
        let mut message = Message::Flush(done);
        while let Err(TrySendError::Full(back)) = self.queue.try_send(message) {
            if Instant::now() >= until {
                return;
            }
            message = back;
            thread::sleep(Duration::from_millis(5));
        }
        let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

fn write_all(lines: &Receiver<Message>, sink: impl Write) {
    let mut sink = io::BufWriter::new(sink);
    let mut next = lines.recv().ok();
    while let Some(message) = next {
        // nobody can be informed when the sink fails
        match message {
            Message::Line(line) => {
                let _ = sink.write_all(&line);
            }
            Message::Flush(done) => {
                let _ = sink.flush();
                let _ = done.try_send(());
            }
        }
        next = match lines.try_recv() {
            Ok(message) => Some(message),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                let _ = sink.flush();
                lines.recv().ok()
            }
        };
    }
    let _ = sink.flush();
}

impl Write for &LogWriter {
    /// Queues one line: the subscriber writes each line in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            metrics::counter!(domain::metrics::LOG_LINES_LOST).increment(1);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = &'a LogWriter;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flush_returns_when_every_line_is_written() {
        let kept = Kept::default();
        let writer = LogWriter::start(kept.clone()).unwrap();
        for n in 0..100 {
            writeln!(&writer, "{n}").unwrap();
        }
        writer.flush(Duration::from_secs(60));
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(text.starts_with('0') && text.ends_with("99\n"), "{text}");
    }

    /// Blocks in its first write until the test releases it.
    struct Stuck(Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_nobody_reads_holds_nobody_up() {
        let (let_go, stuck) = channel();
        let writer = LogWriter::with_queue(Stuck(stuck), 2).unwrap();
        // if the writer waited for a full queue, this would never end
        for _ in 0..1000 {
            (&writer).write_all(b"line\n").unwrap();
        }
        writer.flush(Duration::from_millis(20));
        drop(let_go);
    }
}
