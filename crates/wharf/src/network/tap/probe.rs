//! One socket's teller: it knows the socket's number, ends and state, and turns
//! what happened into events.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;

use tokio::time::Instant;

use super::journal::Recorder;
use super::steps::{self, Step, StepKind};
use super::{Call, Event, Failure, Outcome, SocketId, StateChange, TcpSample, TcpState, Transport};
use crate::network::Endpoint;

/// When a call began and whether it had to wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) started: Instant,
    pub(super) waited: Waited,
}

/// Whether a call was not ready when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    Yes,
    No,
}

impl Span {
    /// A call that began at `now`, or earlier if it has been waiting since.
    pub(super) fn of(waiting: Option<Instant>, now: Instant) -> Self {
        Span {
            started: waiting.unwrap_or(now),
            waited: match waiting {
                Some(_) => Waited::Yes,
                None => Waited::No,
            },
        }
    }
}

/// Tells what happens to one socket.
#[derive(Debug)]
pub(crate) struct Probe {
    recorder: Recorder,
    socket: SocketId,
    transport: Transport,
    local: Option<Endpoint>,
    peer: Option<Endpoint>,
    state: TcpState,
}

impl Probe {
    pub(super) fn new(recorder: Recorder, transport: Transport) -> Self {
        Probe {
            socket: recorder.next_socket(),
            recorder,
            transport,
            local: None,
            peer: None,
            state: TcpState::Closed,
        }
    }

    /// The teller of a socket that accept(2) returned on this one.
    pub(super) fn accepted(&self, local: Endpoint, peer: Endpoint) -> Probe {
        Probe {
            local: Some(local),
            peer: Some(peer),
            state: TcpState::Established,
            ..Probe::new(self.recorder.clone(), self.transport)
        }
    }

    /// The teller of the same socket in another runtime.
    pub(super) fn share(&self) -> Probe {
        Probe {
            recorder: self.recorder.clone(),
            socket: self.socket,
            transport: self.transport,
            local: self.local.clone(),
            peer: self.peer.clone(),
            state: self.state,
        }
    }

    pub(super) fn socket(&self) -> SocketId {
        self.socket
    }

    pub(super) fn set_local(&mut self, local: Endpoint) {
        self.local = Some(local);
    }

    pub(super) fn set_peer(&mut self, peer: Endpoint) {
        self.peer = Some(peer);
    }

    pub(super) fn peer(&self) -> Option<&Endpoint> {
        self.peer.as_ref()
    }

    /// Tells a call that has just ended.
    pub(super) fn tell(
        &mut self,
        call: Call,
        outcome: Outcome,
        span: Span,
        kernel: Option<TcpSample>,
    ) {
        self.tell_at(call, outcome, span, Instant::now(), kernel);
    }

    fn tell_at(
        &mut self,
        call: Call,
        outcome: Outcome,
        span: Span,
        ended: Instant,
        kernel: Option<TcpSample>,
    ) {
        let lasted = ended.saturating_duration_since(span.started);
        let state = self.follow(&call, &outcome, kernel.as_ref());
        self.recorder.record(Event {
            number: 0,
            socket: self.socket,
            transport: self.transport,
            call,
            outcome,
            started: self.recorder.since_began(span.started),
            ended: self.recorder.since_began(ended),
            wall: self.recorder.wall_at(span.started),
            blocked: (span.waited == Waited::Yes).then_some(lasted),
            local: self.local.clone(),
            peer: self.peer.clone(),
            state,
            kernel: kernel.map(Box::new),
        });
    }

    /// Follows the state of a TCP connection through one call.
    fn follow(
        &mut self,
        call: &Call,
        outcome: &Outcome,
        kernel: Option<&TcpSample>,
    ) -> Option<StateChange> {
        if self.transport != Transport::Tcp {
            return None;
        }
        let from = self.state;
        // A sample at accept(2) is of the socket that it returned; one at close(2) is from
        // before it, and so tells where it begins.
        let kernel = match call {
            Call::Accept { .. } => None,
            _ => kernel.and_then(|sample| sample.state),
        };
        let closes = matches!(call, Call::Close { .. });
        let (begins, to) = match closes {
            true => {
                let begins = from.corrected(kernel);
                (begins, begins.after(call, outcome))
            }
            false => (from, from.after(call, outcome).corrected(kernel)),
        };
        self.state = to;
        let through = match call {
            Call::Connect { .. } => Some(TcpState::SynSent),
            _ if begins != from => Some(begins),
            _ => None,
        };
        (from != to || through.is_some()).then_some(StateChange {
            from,
            through,
            to,
            from_the_kernel: kernel == Some(to) && !closes,
        })
    }
}

/// An operation of a network that opens a socket: several calls, the last of which
/// may wait. Dropping it on the way tells that the last one was given up.
pub(super) struct Operation {
    probe: Option<Probe>,
    /// The endpoint of bind(2), where there is one.
    at: Option<Endpoint>,
    last: Call,
    began: Instant,
    waited: Waited,
    steps: Vec<Step>,
    failed: Option<Failure>,
}

impl Operation {
    /// Binds `at`, and then makes the call `last` (which may be that bind).
    pub(super) fn new(probe: Probe, at: &Endpoint, last: Call) -> Self {
        Operation::connecting(probe, Some(at.clone()), last)
    }

    /// Binds `from` if it is given, and then makes the call `last`.
    pub(super) fn connecting(probe: Probe, from: Option<Endpoint>, last: Call) -> Self {
        Operation {
            probe: Some(probe),
            at: from,
            last,
            began: Instant::now(),
            waited: Waited::No,
            steps: Vec::new(),
            failed: None,
        }
    }

    /// Runs the operation, noting its steps and whether it has to wait.
    pub(super) async fn run<T>(
        &mut self,
        operation: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        let mut operation = pin!(operation);
        let outcome = poll_fn(|cx| {
            let polled = steps::collect(&mut self.steps, || operation.as_mut().poll(cx));
            if polled.is_pending() {
                self.waited = Waited::Yes;
            }
            polled
        })
        .await;
        self.failed = outcome.as_ref().err().map(Failure::from);
        outcome
    }

    /// Tells the calls of the finished operation, and gives the teller for what follows.
    pub(super) fn opened(
        mut self,
        local: Result<Endpoint, &io::Error>,
        kernel: Option<TcpSample>,
    ) -> Probe {
        let failed = self.failed.clone();
        let outcome = failed.map_or(Outcome::Done, Outcome::Failed);
        let probe = self.probe.take();
        // Taken only here and in drop, which comes later.
        let mut probe = probe.expect("an operation has its probe until it ends");
        self.tell(&mut probe, local.ok(), &outcome, kernel);
        probe
    }

    fn tell(
        &mut self,
        probe: &mut Probe,
        local: Option<Endpoint>,
        outcome: &Outcome,
        kernel: Option<TcpSample>,
    ) {
        let now = Instant::now();
        let steps = self.told_steps(outcome, now);
        let known = steps.len();
        let ended = steps.last().map_or(self.began, |step| step.ended);
        let broke = steps.iter().any(|step| step.failed.is_some());
        let mut said_last = false;
        for step in steps {
            let call = match step.kind {
                StepKind::Socket => Call::Socket,
                StepKind::Bind => match &self.at {
                    Some(to) => Call::Bind { to: to.clone() },
                    None => continue,
                },
                StepKind::Listen => self.last.clone(),
            };
            if step.kind == StepKind::Bind
                && let Some(local) = &local
            {
                probe.set_local(local.clone());
            }
            said_last |= call == self.last;
            let span = Span::of(None, step.started);
            let outcome = step.failed.map_or(Outcome::Done, Outcome::Failed);
            probe.tell_at(call, outcome, span, step.ended, None);
        }
        if said_last || broke {
            return;
        }
        if let Some(local) = local {
            probe.set_local(local);
        }
        let started = if known == 0 { self.began } else { ended };
        let span = Span {
            started,
            waited: self.waited,
        };
        probe.tell_at(self.last.clone(), outcome.clone(), span, now, kernel);
    }

    /// The steps that the network told; for one that tells none, those that the
    /// operation consists of.
    fn told_steps(&mut self, outcome: &Outcome, now: Instant) -> Vec<Step> {
        let steps = std::mem::take(&mut self.steps);
        if !steps.is_empty() {
            return steps;
        }
        let step = |kind, failed| Step {
            kind,
            started: self.began,
            ended: self.began,
            failed,
        };
        let mut steps = vec![step(StepKind::Socket, None)];
        if self.at.is_some() {
            // Of the calls that open a socket, bind(2) is the one that fails for its address.
            let failed = match (outcome, &self.last) {
                (Outcome::Failed(failure), Call::Bind { .. } | Call::Listen { .. }) => {
                    Some(failure.clone())
                }
                _ => None,
            };
            steps.push(Step {
                ended: now,
                ..step(StepKind::Bind, failed)
            });
        }
        steps
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if let Some(mut probe) = self.probe.take() {
            self.waited = Waited::Yes;
            self.tell(&mut probe, None, &Outcome::Abandoned, None);
        }
    }
}
