//! The task that owns the connection: the driver's round of [`crate::core`].
//!
//! Invariants: the core's lock is never held while waiting; a step that is interrupted loses nothing (reads go to a buffer, writes
//! say how much they wrote). The task ends when the client has ended, or nobody holds a handle any more.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

use super::socket::{Connected, Stream, Trust};
use super::{Shared, State, random};
use crate::core::{Dial, LinkId};

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

type Dialed = Pin<Box<dyn Future<Output = (Dial, io::Result<Connected>)> + Send>>;

/// The connection in use.
struct Open {
    link: LinkId,
    reader: Reader,
    writer: Writer,
}

struct Reader {
    half: ReadHalf<Box<dyn Stream>>,
    input: Vec<u8>,
}

struct Writer {
    half: WriteHalf<Box<dyn Stream>>,
    output: Vec<u8>,
    /// Of the output.
    written: usize,
    unflushed: bool,
}

impl Open {
    fn new(link: LinkId, stream: Box<dyn Stream>) -> Open {
        let (reader, writer) = tokio::io::split(stream);
        Open {
            link,
            reader: Reader {
                half: reader,
                input: Vec::with_capacity(READ_BYTES),
            },
            writer: Writer {
                half: writer,
                output: Vec::new(),
                written: 0,
                unflushed: false,
            },
        }
    }
}

impl Reader {
    /// Waits for bytes; how many there are.
    async fn read(&mut self) -> io::Result<usize> {
        self.input.clear();
        self.half.read_buf(&mut self.input).await
    }
}

impl Writer {
    fn has_output(&self) -> bool {
        self.written < self.output.len() || self.unflushed
    }

    /// Takes what there is to write, once everything before it is written.
    fn load(&mut self, output: &mut Vec<u8>) {
        if self.written == self.output.len() && !output.is_empty() {
            self.output.clear();
            self.written = 0;
            std::mem::swap(&mut self.output, output);
        }
    }

    /// Writes what the socket takes.
    async fn write(&mut self) -> io::Result<()> {
        if self.written == self.output.len() {
            self.half.flush().await?;
            self.unflushed = false;
            return Ok(());
        }
        let count = self.half.write(&self.output[self.written..]).await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.written += count;
        self.unflushed = true;
        Ok(())
    }
}

/// What happened.
enum Happened {
    Woken,
    Time,
    Dialed(Dial, io::Result<Connected>),
    Read(io::Result<usize>),
    Wrote(io::Result<()>),
    NobodyLeft,
}

/// Runs until the end.
pub(super) async fn run(shared: Arc<Shared>, trust: Trust, mut alive: watch::Receiver<()>) {
    let mut open: Option<Open> = None;
    let mut dialing: Option<Dialed> = None;
    loop {
        let mut plan = plan(&shared, &mut open);
        if plan.ended {
            say_goodbye(&shared, open).await;
            shared.quietly(State::release_store);
            return;
        }
        if let Some(dial) = plan.dial.take() {
            let trust = trust.clone();
            dialing = Some(Box::pin(async move {
                let stream = trust.dial(&dial.endpoint).await;
                (dial, stream)
            }));
        }
        let happened = next(&shared, &mut alive, &mut open, &mut dialing, &plan).await;
        take_up(&shared, &mut open, &mut dialing, happened);
    }
}

/// What is to be done next.
struct Plan {
    ended: bool,
    dial: Option<Dial>,
    wants_input: bool,
    timeout: Option<u64>,
}

fn plan(shared: &Shared, open: &mut Option<Open>) -> Plan {
    let now = shared.now();
    shared.quietly(|state| {
        let core = &mut state.core;
        let dial = core.poll_dial(now, u64::from_le_bytes(random()));
        let ended = core.ended().is_some();
        if !ended && core.link() != open.as_ref().map(|open| open.link) {
            *open = None;
        }
        if let Some(open) = open {
            open.writer.load(core.output());
        }
        Plan {
            ended,
            dial,
            wants_input: core.wants_input(),
            timeout: core.next_timeout(),
        }
    })
}

async fn next(
    shared: &Shared,
    alive: &mut watch::Receiver<()>,
    open: &mut Option<Open>,
    dialing: &mut Option<Dialed>,
    plan: &Plan,
) -> Happened {
    let due = plan.timeout.map(|at| shared.started + Duration::from_millis(at));
    let has_output = open.as_ref().is_some_and(|open| open.writer.has_output());
    let reads = open.is_some() && plan.wants_input;
    let (mut reader, mut writer) = match open {
        Some(open) => (Some(&mut open.reader), Some(&mut open.writer)),
        None => (None, None),
    };
    tokio::select! {
        () = shared.task.notified() => Happened::Woken,
        () = sleep_until(due.unwrap_or_else(far)), if due.is_some() => Happened::Time,
        (dial, stream) = async { dialing.as_mut().expect("checked").await }, if dialing.is_some() => Happened::Dialed(dial, stream),
        read = async { reader.as_mut().expect("checked").read().await }, if reads => Happened::Read(read),
        wrote = async { writer.as_mut().expect("checked").write().await }, if has_output => Happened::Wrote(wrote),
        _ = alive.changed() => Happened::NobodyLeft,
    }
}

fn far() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(3_600)
}

/// Tells the core.
fn take_up(shared: &Shared, open: &mut Option<Open>, dialing: &mut Option<Dialed>, happened: Happened) {
    let now = shared.now();
    match happened {
        Happened::Woken => {}
        Happened::Wrote(Ok(())) => {}
        Happened::Time => shared.with(|state| state.core.timeout(now)),
        Happened::NobodyLeft => shared.with(|state| state.core.close()),
        Happened::Dialed(dial, Ok(connected)) => {
            *dialing = None;
            shared.with(|state| {
                if let Some(exporter) = connected.exporter {
                    state.core.channel_binding(dial.link, exporter);
                }
                state.core.connected(dial.link, now, random());
            });
            *open = Some(Open::new(dial.link, connected.stream));
        }
        Happened::Dialed(dial, Err(error)) => {
            *dialing = None;
            let why = format!("{}: {error}", dial.endpoint);
            shared.with(|state| state.core.dial_failed(dial.link, now, why));
        }
        Happened::Read(Ok(count)) if count > 0 => {
            if let Some(open) = open {
                shared.with(|state| state.core.received(open.link, now, &open.reader.input));
            }
        }
        Happened::Read(_) | Happened::Wrote(Err(_)) => {
            if let Some(open) = open.take() {
                shared.with(|state| state.core.disconnected(open.link, now));
            }
        }
    }
}

/// Writes what is left, and closes.
async fn say_goodbye(shared: &Shared, open: Option<Open>) {
    let Some(mut open) = open else { return };
    let last = shared.quietly(|state| std::mem::take(state.core.output()));
    let goodbye = async {
        let writer = &mut open.writer;
        writer.half.write_all(&writer.output[writer.written..]).await?;
        writer.half.write_all(&last).await?;
        writer.half.shutdown().await
    };
    // Who does not listen is not waited for.
    let _ = timeout(GOODBYE, goodbye).await;
}
