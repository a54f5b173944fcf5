//! Runs the policies of a stage: forward on the request, backward on the response, and `on_end` for
//! each that continued, from a guard, so that it comes also when the exchange is dropped.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::outcome::Label;
use crate::net::clock::Tick;
use crate::net::timer;
use crate::plan::policy::{Answer, End, Locals, Policy, RequestCx, ResponseCx, Suspended, Verdict};

/// Lends a context for the length of one step.
pub type WithRequest<'w> = dyn FnMut(&mut dyn FnMut(&mut RequestCx<'_>)) + 'w;

/// The same for the response side.
pub type WithResponse<'w> = dyn FnMut(&mut dyn FnMut(&mut ResponseCx<'_>)) + 'w;

/// The policies of a stage that continued. Dropping it ends them.
pub struct Ran<'a> {
    chain: &'a [Arc<dyn Policy>],
    n: usize,
    locals: &'a RefCell<Locals>,
    end: End,
    /// Why a call was dropped before its end: a backend that is too slow has failed, a call that
    /// nobody wants any more has not.
    dropped_as: Option<&'a Cell<Label>>,
}

/// How far a chain came without waiting.
pub enum Advance {
    /// All of it continued.
    Done,
    /// A policy answered.
    Stopped(Answer),
    /// A policy waits.
    Waits(Suspended),
}

/// Why a chain went no further.
pub enum Stopped {
    /// A policy answered.
    Answered(Answer),
    /// A policy waited until the deadline.
    Late,
}

impl<'a> Ran<'a> {
    /// None yet. Until `finish`, an end counts as the client's leaving.
    pub fn none(chain: &'a [Arc<dyn Policy>], locals: &'a RefCell<Locals>) -> Ran<'a> {
        Ran { chain, n: 0, locals, end: End::Cancelled, dropped_as: None }
    }

    /// The same for a call that may be dropped for other reasons.
    pub fn dropped_as(
        chain: &'a [Arc<dyn Policy>],
        locals: &'a RefCell<Locals>,
        label: &'a Cell<Label>,
    ) -> Ran<'a> {
        let mut ran = Ran::none(chain, locals);
        ran.dropped_as = Some(label);
        ran
    }

    /// Runs the requests' side. `with` lends a context for the length of one step; it must not be
    /// called while another step runs. What a policy waits for is given up at the deadline.
    pub async fn requests(
        &mut self,
        deadline: Tick,
        with: &mut WithRequest<'_>,
    ) -> Result<(), Stopped> {
        match self.advance(with) {
            Advance::Done => Ok(()),
            Advance::Stopped(answer) => Err(Stopped::Answered(answer)),
            Advance::Waits(wait) => self.wait(wait, deadline, with).await,
        }
    }

    /// Runs the requests' side as far as nothing waits.
    pub fn advance(&mut self, with: &mut WithRequest<'_>) -> Advance {
        while let Some(policy) = self.chain.get(self.n) {
            let mut verdict = Verdict::Continue;
            with(&mut |cx| verdict = policy.on_request(cx));
            match verdict {
                Verdict::Continue => self.n += 1,
                Verdict::Answer(answer) => return Advance::Stopped(answer),
                Verdict::Wait(wait) => return Advance::Waits(wait),
            }
        }
        Advance::Done
    }

    /// Goes on from a policy that waits, to the end of the chain.
    pub async fn wait(
        &mut self,
        first: Suspended,
        deadline: Tick,
        with: &mut WithRequest<'_>,
    ) -> Result<(), Stopped> {
        let Suspended(mut wait) = first;
        loop {
            let Ok(resume) = timer::timeout_at(deadline, wait).await else {
                return Err(Stopped::Late);
            };
            let mut resume = Some(resume);
            let mut verdict = Verdict::Continue;
            with(&mut |cx| {
                if let Some(resume) = resume.take() {
                    verdict = resume(cx);
                }
            });
            let next = match verdict {
                Verdict::Continue => {
                    self.n += 1;
                    self.advance(with)
                }
                Verdict::Answer(answer) => Advance::Stopped(answer),
                Verdict::Wait(wait) => Advance::Waits(wait),
            };
            match next {
                Advance::Done => return Ok(()),
                Advance::Stopped(answer) => return Err(Stopped::Answered(answer)),
                Advance::Waits(Suspended(next)) => wait = next,
            }
        }
    }

    /// Whether there is a policy to run at all.
    pub fn has_policies(&self) -> bool {
        !self.chain.is_empty()
    }

    /// Whether nothing ran, so that nothing has to be told of the response.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Runs the responses' side in reverse order. A policy's own answer replaces the response; the
    /// policies outside of it see that one's status.
    pub fn responses(&mut self, with: &mut WithResponse<'_>) -> Option<Answer> {
        let mut answer: Option<Answer> = None;
        for policy in self.chain.iter().take(self.n).rev() {
            let mut verdict = Verdict::Continue;
            with(&mut |cx| {
                if let Some(answer) = &answer {
                    cx.status = answer.status;
                    cx.is_complete = false;
                }
                verdict = policy.on_response(cx);
            });
            // Waiting is for requests: a response that needs I/O is asked for before it.
            if let Verdict::Answer(own) = verdict {
                answer = Some(own);
            }
        }
        answer
    }

    /// How the exchange ended.
    pub fn finish(&mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Ran<'_> {
    fn drop(&mut self) {
        if self.n == 0 {
            return;
        }
        // Only a panic inside a policy can leave the state borrowed; its state is then lost anyway.
        let Ok(mut locals) = self.locals.try_borrow_mut() else { return };
        let is_late = self.dropped_as.is_some_and(|label| label.get() == Label::Deadline);
        if self.end == End::Cancelled && is_late {
            self.end = End::Failed;
        }
        let mut panic = None;
        for policy in self.chain.iter().take(self.n).rev() {
            // This may run because another policy panicked: a second panic would end the process.
            let ended = catch_unwind(AssertUnwindSafe(|| policy.on_end(&mut locals, self.end)));
            panic = panic.or(ended.err());
        }
        drop(locals);
        if let Some(panic) = panic
            && !std::thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::h1::RequestHead;
    use crate::plan::policy::{Edits, Resume};
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};

    type Log = Arc<Mutex<Vec<String>>>;

    struct Noted {
        name: &'static str,
        log: Log,
        verdict: fn() -> Verdict,
    }

    impl Noted {
        fn note(&self, what: &str) {
            self.log.lock().expect("no panic holds it").push(format!("{} {what}", self.name));
        }
    }

    impl Policy for Noted {
        fn on_request(&self, _: &mut RequestCx<'_>) -> Verdict {
            self.note("request");
            (self.verdict)()
        }
        fn on_response(&self, cx: &mut ResponseCx<'_>) -> Verdict {
            self.note(&format!("response {}", cx.status));
            Verdict::Continue
        }
        fn on_end(&self, _: &mut Locals, end: End) {
            self.note(&format!("{end:?}"));
        }
    }

    fn wait() -> Verdict {
        Verdict::Wait(Suspended(Box::pin(async {
            let resume: Resume = Box::new(|cx| {
                cx.set_header("X-Waited", "yes");
                Verdict::Continue
            });
            resume
        })))
    }

    fn run(verdicts: &[fn() -> Verdict], finish: Option<End>) -> (Vec<String>, bool, usize) {
        let log = Log::default();
        let chain: Vec<Arc<dyn Policy>> = verdicts
            .iter()
            .zip(["a", "b", "c"])
            .map(|(verdict, name)| {
                Arc::new(Noted { name, log: log.clone(), verdict: *verdict }) as Arc<dyn Policy>
            })
            .collect();
        let locals = RefCell::new(Locals::default());
        let mut edits = Edits::default();
        let head = RequestHead::default();
        let mut answered = false;
        {
            let mut ran = Ran::none(&chain, &locals);
            let mut with = |step: &mut dyn FnMut(&mut RequestCx<'_>)| {
                step(&mut RequestCx {
                    bytes: b"",
                    head: &head,
                    path: b"/",
                    query: b"",
                    params: &|_| None,
                    body: None,
                    peer: None,
                    route: "",
                    backend: None,
                    edits: &mut edits,
                    locals: &mut locals.borrow_mut(),
                });
            };
            {
                let mut steps = pin!(ran.requests(Tick::NEVER, &mut with));
                let mut cx = Context::from_waker(Waker::noop());
                if let Poll::Ready(stopped) = steps.as_mut().poll(&mut cx) {
                    answered = stopped.is_err();
                }
            }
            if let Some(end) = finish {
                let mut none = Edits::default();
                ran.responses(&mut |step| {
                    step(&mut ResponseCx {
                        status: 200,
                        is_complete: true,
                        body: None,
                        tree: None,
                        backend: None,
                        edits: &mut none,
                        locals: &mut locals.borrow_mut(),
                    });
                });
                ran.finish(end);
            }
        }
        let log = log.lock().expect("no panic holds it").clone();
        (log, answered, edits.to_backend.len())
    }

    const GO: fn() -> Verdict = || Verdict::Continue;
    const STOP: fn() -> Verdict = || Verdict::Answer(Answer::empty(403, "test"));

    #[test]
    fn forward_then_backward() {
        let (log, answered, _) = run(&[GO, GO], Some(End::Done));
        let expected =
            ["a request", "b request", "b response 200", "a response 200", "b Done", "a Done"];
        assert_eq!(log, expected);
        assert!(!answered);
    }

    #[test]
    fn an_answer_stops_the_chain_and_ends_what_ran() {
        let (log, answered, _) = run(&[GO, STOP, GO], Some(End::Failed));
        assert_eq!(log, ["a request", "b request", "a response 200", "a Failed"]);
        assert!(answered);
    }

    #[test]
    fn a_dropped_exchange_is_cancelled() {
        let (log, ..) = run(&[GO], None);
        assert_eq!(log, ["a request", "a Cancelled"]);
    }

    #[test]
    fn a_wait_resumes_with_a_context() {
        let (log, answered, n_edits) = run(&[wait, GO], Some(End::Done));
        assert_eq!(log[..2], ["a request", "b request"]);
        assert!(!answered && n_edits == 1);
    }
}
