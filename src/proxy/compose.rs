//! One request in, one or more backend calls, what the answer is made of out.
//! Source: docs/reference/lura-core.md 3.1, 3.5, 3.9, 5.2, 5.5; design: differences, row 1.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use super::backend_call::{self, Answer, Scene, Streamed};
use super::data::Data;
use super::failure::Failure;
use super::outcome::{Cause, Label, Outcome, outcome};
use super::request::RequestBody;
use crate::config::model::MergeOrder;
use crate::net::clock::Tick;
use crate::net::fanout::FanOut;
use crate::net::placed::place;
use crate::net::timer::{self, Deadline};
use crate::plan::{Backend, MERGE_SHARE, Output, RACE_SHARE, share};

/// What an answer is made of.
pub enum Composed {
    /// Data to render; with failures where it is partial.
    Data {
        /// The parts in the order of merging.
        parts: Parts,
        /// `X-Krakend-Completed`, before it is known whether there is anything in it.
        is_complete: bool,
        /// Why it is not complete.
        failures: Vec<Failure>,
    },
    /// `no-op`: the backend's own answer.
    Stream(Streamed),
    /// Nothing to show. At least one.
    Failed(Vec<Failure>),
}

/// The parts of an answer: the usual one costs no allocation.
pub enum Parts {
    /// One backend, or one that is left.
    One(Data),
    /// Several.
    Many(Vec<Data>),
}

impl Parts {
    /// Them all.
    pub fn as_slice(&self) -> &[Data] {
        match self {
            Parts::One(data) => std::slice::from_ref(data),
            Parts::Many(list) => list,
        }
    }
}

/// Calls the backends of the endpoint within its timeout, which began at `started`. `deadline` is
/// the connection's own: moved, it costs less than a new one for each request.
pub async fn compose(
    scene: &Scene<'_>,
    body: RequestBody<'_>,
    started: Tick,
    deadline: &mut Deadline,
) -> Composed {
    let endpoint = scene.endpoint;
    let [backend] = &*endpoint.backends else {
        return place(merge(scene, body, started, deadline)).await;
    };
    deadline.reset(scene.deadline);
    let late = scene.dropped_as;
    let called = if backend.concurrent_calls <= 1 {
        until(deadline, late, pin!(backend_call::backend(scene, backend, body))).await
    } else {
        until(deadline, late, pin!(place(race(scene, backend, body, started)))).await
    };
    match called {
        None => Composed::Failed(vec![Failure::deadline()]),
        Some(Err(failure)) => Composed::Failed(vec![failure]),
        Some(Ok(Answer::Stream(stream))) if endpoint.output == Output::NoOp => {
            Composed::Stream(stream)
        }
        Some(Ok(answer)) => {
            let data = data_of(answer);
            let is_complete = data.is_complete;
            Composed::Data { parts: Parts::One(data), is_complete, failures: Vec::new() }
        }
    }
}

/// What `future` gives before the deadline. When that comes, `late` is told before the future is
/// dropped, so that its guards know why.
async fn until<F: Future>(
    deadline: &mut Deadline,
    late: &Cell<Label>,
    mut future: Pin<&mut F>,
) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Pin::new(&mut *deadline).poll(cx).map(|()| {
            late.set(Label::Deadline);
            None
        }),
    })
    .await
}

/// A backend that is not decoded contributes an empty object, and its content is dropped.
fn data_of(answer: Answer) -> Data {
    match answer {
        Answer::Data(data) => data,
        Answer::Stream(stream) => {
            backend_call::discard(stream.response);
            Data::empty()
        }
    }
}

/// One backend: a single call, or several equal ones that race.
async fn one(
    scene: &Scene<'_>,
    backend: &Backend,
    body: RequestBody<'_>,
    started: Tick,
) -> Result<Answer, Failure> {
    if backend.concurrent_calls <= 1 {
        return backend_call::backend(scene, backend, body).await;
    }
    place(race(scene, backend, body, started)).await
}

/// `concurrent_calls`: the first complete answer wins, the others are given up.
async fn race(
    scene: &Scene<'_>,
    backend: &Backend,
    body: RequestBody<'_>,
    started: Tick,
) -> Result<Answer, Failure> {
    // The plan holds the body of an endpoint whose calls race, so that each can send it.
    let held: &[u8] = match &body {
        RequestBody::Held(bytes) => bytes,
        RequestBody::Empty | RequestBody::Streamed { .. } => b"",
    };
    let dropped_as = Cell::new(Label::Cancelled);
    let scene = &Scene { dropped_as: &dropped_as, ..*scene };
    let mut calls = FanOut::new();
    for _ in 0..backend.concurrent_calls {
        calls.push(backend_call::backend(scene, backend, RequestBody::Held(held)));
    }
    let mut last = None;
    let first = async {
        while let Some((_, result)) = calls.next().await {
            match result {
                Ok(Answer::Data(data)) if !data.is_complete => {
                    last = Some(Ok(Answer::Data(data)));
                }
                Ok(answer) => return Some(answer),
                Err(failure) => {
                    if !matches!(last, Some(Ok(_))) {
                        last = Some(Err(failure));
                    }
                }
            }
        }
        None
    };
    let deadline = started + share(scene.endpoint.timeout, RACE_SHARE);
    match timer::timeout_at(deadline, first).await {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => last.unwrap_or_else(|| Err(Failure::deadline())),
        Err(_) => {
            dropped_as.set(Label::Deadline);
            Err(Failure::deadline())
        }
    }
}

/// All backends at once; what is there at 85 % of the timeout is the answer.
async fn merge(
    scene: &Scene<'_>,
    body: RequestBody<'_>,
    started: Tick,
    deadline: &mut Deadline,
) -> Composed {
    let backends = &*scene.endpoint.backends;
    // The plan holds the body of an endpoint with several backends.
    let held: &[u8] = match &body {
        RequestBody::Held(bytes) => bytes,
        RequestBody::Empty | RequestBody::Streamed { .. } => b"",
    };
    let dropped_as = Cell::new(Label::Cancelled);
    let scene = &Scene { dropped_as: &dropped_as, ..*scene };
    deadline.reset(started + share(scene.endpoint.timeout, MERGE_SHARE));
    let mut results: Vec<(usize, Result<Data, Failure>)> = Vec::with_capacity(backends.len());
    {
        let mut calls = FanOut::new();
        for backend in backends {
            calls.push(one(scene, backend, RequestBody::Held(held), started));
        }
        let all = async {
            while let Some((at, result)) = calls.next().await {
                results.push((at, result.map(data_of)));
            }
        };
        until(deadline, &dropped_as, pin!(all)).await;
    }
    if results.len() < backends.len() {
        for at in 0..backends.len() {
            if !results.iter().any(|(done, _)| *done == at) {
                results.push((at, Err(Failure::deadline())));
            }
        }
    }
    if scene.endpoint.merge_order == MergeOrder::Configuration {
        results.sort_unstable_by_key(|(at, _)| *at);
    }
    accumulate(results)
}

/// KrakenD's accumulator, over complete slots (docs/reference/lura-core.md 3.9).
fn accumulate(results: Vec<(usize, Result<Data, Failure>)>) -> Composed {
    let n = results.len();
    let mut parts = Vec::with_capacity(n);
    let mut failures = Vec::new();
    for (_, result) in results {
        match result {
            Ok(data) => parts.push(data),
            Err(failure) => failures.push(failure),
        }
    }
    if parts.is_empty() {
        return Composed::Failed(failures);
    }
    let mut is_complete = failures.is_empty() && parts.iter().all(|p| p.is_complete);
    if parts.len() == 1
        && let Some(only) = parts.pop()
    {
        is_complete &= n == 1 || !only.part.is_nil();
        return Composed::Data { parts: Parts::One(only), is_complete, failures };
    }
    // A part without data is skipped and makes the whole incomplete.
    is_complete &= !parts.iter().any(|p| p.part.is_nil());
    parts.retain(|p| !p.part.is_nil());
    Composed::Data { parts: Parts::Many(parts), is_complete, failures }
}

/// What the client gets where nothing could be composed: the only failure's own outcome, or for
/// several the common one, else 500 or 502.
pub fn total(failures: &[Failure]) -> Outcome {
    match failures {
        [] => outcome(Cause::Several),
        [only] => only.outcome(),
        [first, rest @ ..] => {
            let common = first.outcome();
            if rest.iter().all(|failure| failure.outcome() == common) {
                common
            } else {
                outcome(Cause::Several)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::CallError;
    use std::time::Duration;

    #[test]
    fn shares_of_the_timeout() {
        assert_eq!(share(Duration::from_secs(2), MERGE_SHARE), Duration::from_millis(1700));
        assert_eq!(share(Duration::from_secs(2), RACE_SHARE), Duration::from_millis(1500));
    }

    #[test]
    fn a_merge_of_what_is_there() {
        let good = || Ok(Data::empty());
        let bad = || Err(Failure::deadline());
        for (case, results, n_parts, complete) in [
            ("all", vec![(0, good()), (1, good())], 2, true),
            ("one failed", vec![(0, good()), (1, bad())], 1, false),
            ("two of three", vec![(0, good()), (1, bad()), (2, good())], 2, false),
        ] {
            let Composed::Data { parts, is_complete, .. } = accumulate(results) else {
                panic!("{case}: nothing composed");
            };
            assert_eq!((parts.as_slice().len(), is_complete), (n_parts, complete), "{case}");
        }
        assert!(
            matches!(accumulate(vec![(0, bad()), (1, bad())]), Composed::Failed(f) if f.len() == 2)
        );
    }

    #[test]
    fn outcome_of_total_failures() {
        let refused = Failure::plain(Cause::Call(CallError::ConnectRefused), "");
        let late = Failure::deadline();
        assert_eq!(total(std::slice::from_ref(&late)).label, Label::Deadline);
        assert_eq!(total(&[late.clone(), late.clone()]).rfc_status, 504);
        assert_eq!(total(&[late, refused]).label, Label::Several);
    }
}
