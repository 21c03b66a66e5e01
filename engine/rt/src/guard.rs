//! Panic isolation: a panic in one session's future ends that session and nothing else.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The guarded future panicked; the panic message, as far as it is text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked(pub String);

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.0)
    }
}

impl std::error::Error for Panicked {}

/// Polls `future` under `catch_unwind`, and drops it there too as soon as it is done.
///
/// State that the future shares with others is the caller's to repair after `Err`.
pub fn guard<F: Future>(future: F) -> Guard<F> {
    Guard { future: Some(future) }
}

/// See [`guard`]. Adds at most a word to the future.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited or spawned"]
pub struct Guard<F> {
    future: Option<F>,
}

impl<F: Future> Future for Guard<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: `future` is pinned structurally: it is never moved out of the option, only dropped in place, and
        // `Guard` is `Unpin` only where `F` is (the automatic implementation) and has no `Drop` of its own.
        let mut slot = unsafe { self.map_unchecked_mut(|guard| &mut guard.future) };
        let polled = catch_unwind(AssertUnwindSafe(|| match slot.as_mut().as_pin_mut() {
            Some(future) => future.poll(context),
            None => panic!("a guarded future was polled after its end"),
        }));
        let outcome = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(message(&*payload)),
        };
        let dropped = catch_unwind(AssertUnwindSafe(|| slot.set(None)));
        Poll::Ready(match dropped {
            Ok(()) => outcome,
            Err(payload) => Err(message(&*payload)),
        })
    }
}

/// Starts a task as [`super::spawn`] does, polled under `catch_unwind`; `after` hears of a panic. For tasks of which there
/// is one a connection: nothing is kept beside the future and `after`.
pub fn spawn_guarded<F, A>(future: F, after: A)
where
    F: Future<Output = ()> + 'static,
    A: FnOnce(Panicked) + Unpin + 'static,
{
    super::spawn(Guarded {
        future: guard(future),
        after: Some(after),
    });
}

/// See [`spawn_guarded`].
struct Guarded<F, A> {
    future: Guard<F>,
    after: Option<A>,
}

impl<F: Future<Output = ()>, A: FnOnce(Panicked) + Unpin> Future for Guarded<F, A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // SAFETY: `future` is pinned structurally: it is never moved out, `Guarded` is `Unpin` only where `Guard<F>` is
        // (the automatic implementation; `A` is anyway) and has no `Drop` of its own. `after` is not pinned.
        let (future, after) = unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.future), &mut this.after)
        };
        match future.poll(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(panic)) => {
                if let Some(after) = after.take() {
                    after(panic);
                }
            }
        }
        Poll::Ready(())
    }
}

fn message(payload: &(dyn Any + Send)) -> Panicked {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned());
    Panicked(text.unwrap_or_else(|| "(no message)".to_owned()))
}
