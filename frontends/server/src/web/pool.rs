//! What would block, files above all, on threads of its own: a task asks, waits, and has its answer on its own thread.
//!
//! Invariants:
//! - At most [`WAITING_MAX`] pieces of work wait; whoever comes then is told at once that there is no place.
//! - A piece of work whose asker has gone is done all the same, and its answer dropped.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;

use crosspoint_engine::rt::{self, Ringer};

/// Threads that do the work.
pub const THREADS: usize = 2;

/// Pieces of work that wait for a thread.
pub const WAITING_MAX: usize = 256;

type Answer = Box<dyn Any + Send>;
type Work = Box<dyn FnOnce() -> Answer + Send>;
type Done = Arc<Mutex<Vec<(u64, Option<Answer>)>>>;

/// The way to the threads, for tasks of one ring's thread.
#[derive(Clone)]
pub struct Pool {
    inner: Rc<Inner>,
}

struct Inner {
    jobs: SyncSender<(u64, Work)>,
    asked: RefCell<Asked>,
}

#[derive(Default)]
struct Asked {
    last: u64,
    waiting: HashMap<u64, Slot>,
}

enum Slot {
    Empty(Option<Waker>),
    Full(Option<Answer>),
}

/// The asker's right to an answer.
struct Ticket {
    inner: Rc<Inner>,
    number: u64,
}

impl Pool {
    /// Starts the threads, and a task that brings their answers. Called on the ring's thread.
    ///
    /// # Errors
    /// No threads or descriptors.
    pub fn start() -> io::Result<Pool> {
        let (jobs, queue) = sync_channel(WAITING_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let done = Done::default();
        let ringer = Ringer::new()?;
        for index in 0..THREADS {
            let (queue, done, ringer) = (queue.clone(), done.clone(), ringer.clone());
            thread::Builder::new()
                .name(format!("files-{index}"))
                .spawn(move || work(&queue, &done, &ringer))?;
        }
        let inner = Rc::new(Inner {
            jobs,
            asked: RefCell::default(),
        });
        let (bell, known) = (ringer.listen()?, inner.clone());
        rt::spawn(async move {
            while bell.rung().await.is_ok() {
                let answers = std::mem::take(&mut *done.lock().unwrap_or_else(PoisonError::into_inner));
                for (number, answer) in answers {
                    known.bring(number, answer);
                }
            }
        });
        Ok(Pool { inner })
    }

    /// Has this done elsewhere.
    ///
    /// # Errors
    /// `WouldBlock`: there is no place for it now. `Other`: it panicked.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let ticket = self.inner.clone().ask();
        let work: Work = Box::new(move || Box::new(work()) as Answer);
        if self.inner.jobs.try_send((ticket.number, work)).is_err() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let answer = poll_fn(|context| ticket.poll(context.waker())).await;
        let answer = answer.and_then(|answer| answer.downcast::<T>().ok());
        answer
            .map(|answer| *answer)
            .ok_or_else(|| io::Error::other("work on files panicked"))
    }
}

impl Pool {
    /// Has this done elsewhere, if there is a place for it; nobody waits.
    pub fn leave(&self, work: impl FnOnce() + Send + 'static) {
        let work: Work = Box::new(move || {
            work();
            Box::new(())
        });
        // Number 0 is nobody's.
        let _ = self.inner.jobs.try_send((0, work));
    }
}

impl Inner {
    fn ask(self: Rc<Self>) -> Ticket {
        let mut asked = self.asked.borrow_mut();
        asked.last += 1;
        let number = asked.last;
        asked.waiting.insert(number, Slot::Empty(None));
        drop(asked);
        Ticket { inner: self, number }
    }

    fn bring(&self, number: u64, answer: Option<Answer>) {
        let mut asked = self.asked.borrow_mut();
        let Some(slot) = asked.waiting.get_mut(&number) else {
            return;
        };
        if let Slot::Empty(Some(waker)) = std::mem::replace(slot, Slot::Full(answer)) {
            waker.wake();
        }
    }
}

impl Ticket {
    /// `None` in the answer: the work panicked.
    fn poll(&self, waker: &Waker) -> Poll<Option<Answer>> {
        let mut asked = self.inner.asked.borrow_mut();
        match asked.waiting.get_mut(&self.number) {
            Some(Slot::Full(answer)) => Poll::Ready(answer.take()),
            Some(slot) => {
                *slot = Slot::Empty(Some(waker.clone()));
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.inner.asked.borrow_mut().waiting.remove(&self.number);
    }
}

fn work(queue: &Mutex<Receiver<(u64, Work)>>, done: &Done, ringer: &Ringer) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, work)) = next else { return };
        let answer = catch_unwind(AssertUnwindSafe(work)).ok();
        done.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((number, answer));
        ringer.ring();
    }
}
