//! Answers that the gateway makes itself: health, debug, echo, 404, 405, redirects, refusals.
//! Source: docs/reference/lura-core.md 2.2, 2.4, 5.5.

use super::super::content::Content;
use super::super::worker::{builtin_entry, unrouted_entry};
use super::{Answered, Exchange, Reply, Setting};
use crate::admin::builtin;
use crate::http::Method;
use crate::net::clock::{self};
use crate::plan::Builtin;
use crate::plan::policy::Answer;
use crate::plan::router::{REDIRECT_CONTENT_TYPE, redirect_body};
use crate::proxy::outcome::Label;
use crate::proxy::render::{Frame, Message, Plain, Writer};
use crate::upstream::BodyError;

impl Exchange {
    pub(super) fn health(&mut self, setting: &Setting<'_>) -> Answered {
        let body = builtin::health(clock::wall_nanos(), clock::now().since(setting.worker.started));
        self.json(setting, &body)
    }

    pub(super) async fn builtin(
        &mut self,
        setting: &Setting<'_>,
        content: &mut Content<'_>,
        which: Builtin,
    ) -> Answered {
        let max = setting.plan.plan.limits.body_bytes.min(usize::MAX as u64) as usize;
        let entry = builtin_entry(&setting.plan.plan);
        content.welcome().await;
        let body = match content.collect(max).await {
            Ok(body) => body,
            Err(error) => return self.bad_body(setting, entry, error),
        };
        let seen =
            builtin::Seen { head: &self.head, bytes: setting.bytes, path: &self.path, body: &body };
        if which == Builtin::Echo {
            let answer = builtin::echo(&seen);
            return self.json(setting, &answer);
        }
        let mut lines = Vec::new();
        builtin::debug_lines(&seen, &mut lines);
        for line in lines {
            use crate::telemetry::logger::Level;
            let now = clock::wall_nanos();
            let prefix: &[u8] = b"[ENDPOINT: /__debug/*] ";
            setting.worker.lane.log(now, Level::Debug, [prefix, line.as_bytes(), b"", b""]);
        }
        self.json(setting, builtin::PONG)
    }

    pub(super) fn json(&mut self, setting: &Setting<'_>, body: &[u8]) -> Answered {
        let plain = Plain {
            status: 200,
            banner: None,
            content_type: b"application/json; charset=utf-8",
            lines: b"",
            body,
        };
        let entry = builtin_entry(&setting.plan.plan);
        self.plain(setting, &plain, Label::Builtin, entry)
    }

    /// 404 and 405, after the policies of the stage `Engine`.
    pub(super) fn unrouted(
        &mut self,
        setting: &Setting<'_>,
        status: u16,
        lines: &[u8],
    ) -> Answered {
        let plan = &setting.plan.plan;
        let entry = unrouted_entry(plan);
        let (label, own, text) = match status {
            405 => {
                (Label::MethodNotAllowed, &plan.not_allowed_body, &b"405 method not allowed"[..])
            }
            _ => (Label::NotFound, &plan.not_found_body, &b"404 page not found"[..]),
        };
        let (content_type, body): (&[u8], &[u8]) = match own {
            Some(json) => (b"application/json; charset=utf-8", json.as_bytes()),
            None => (b"text/plain", text),
        };
        let plain = Plain { status, banner: Some(&plan.banner), content_type, lines, body };
        self.plain(setting, &plain, label, entry)
    }

    /// `auto_options`.
    pub(super) fn options(&mut self, setting: &Setting<'_>, allow: &str) -> Answered {
        let plan = &setting.plan.plan;
        let lines = format!("Allow: {allow}\r\n{}", plan.banner);
        let lines = lines.as_bytes();
        let plain = Plain { status: 200, banner: None, content_type: b"", lines, body: b"" };
        self.plain(setting, &plain, Label::Builtin, builtin_entry(plan))
    }

    pub(super) fn redirect(
        &mut self,
        setting: &Setting<'_>,
        status: u16,
        location: &[u8],
    ) -> Answered {
        let mut lines = b"Location: ".to_vec();
        lines.extend_from_slice(location);
        lines.extend_from_slice(b"\r\n");
        let mut body = Vec::new();
        let mut content_type: &[u8] = b"";
        if matches!(self.head.method, Method::Get | Method::Head) {
            redirect_body(location, &mut body);
            content_type = REDIRECT_CONTENT_TYPE.as_bytes();
        }
        let plain = Plain { status, banner: None, content_type, lines: &lines, body: &body };
        let entry = unrouted_entry(&setting.plan.plan);
        let answered = self.plain(setting, &plain, Label::Redirect, entry);
        Answered { is_logged: false, ..answered }
    }

    /// A request that is refused with no more than its status.
    pub fn refuse(
        &mut self,
        setting: &Setting<'_>,
        status: u16,
        label: Label,
        body: &[u8],
    ) -> Answered {
        let content_type: &[u8] = if body.is_empty() { b"" } else { b"text/plain; charset=utf-8" };
        let plain = Plain { status, banner: None, content_type, lines: b"", body };
        self.last(setting, &plain, label, unrouted_entry(&setting.plan.plan))
    }

    /// An answer after which the connection ends: what follows it on the wire is not trusted.
    pub(super) fn last(
        &mut self,
        setting: &Setting<'_>,
        plain: &Plain<'_>,
        label: Label,
        entry: u32,
    ) -> Answered {
        let writer = self.writer(setting);
        let frame = Frame { closes: true, ..writer.frame };
        let block = Writer { frame, ..writer }.plain(plain);
        Answered {
            reply: Reply::Whole(Message::Block(block)),
            status: plain.status,
            label,
            entry,
            is_logged: true,
            keeps_alive: false,
        }
    }

    /// 503 while memory is short: nothing is held for it, and the connection ends.
    #[cold]
    pub(super) fn overloaded(&mut self, setting: &Setting<'_>, entry: u32) -> Answered {
        let lines = b"Retry-After: 1\r\n";
        let plain = Plain { status: 503, banner: None, content_type: b"", lines, body: b"" };
        self.last(setting, &plain, Label::Overload, entry)
    }

    pub(super) fn bad_body(
        &mut self,
        setting: &Setting<'_>,
        entry: u32,
        error: BodyError,
    ) -> Answered {
        let (status, label) = match error {
            BodyError::Overload => return self.overloaded(setting, entry),
            BodyError::TooLarge => (413, Label::BodyTooLarge),
            BodyError::TooSlow => (408, Label::RequestTimeout),
            BodyError::Malformed => (400, Label::BadRequest),
            BodyError::ClientLeft => (400, Label::ClientLeft),
        };
        let plain = Plain { status, banner: None, content_type: b"", lines: b"", body: b"" };
        self.last(setting, &plain, label, entry)
    }

    pub(super) fn policy_answer(
        &mut self,
        setting: &Setting<'_>,
        answer: &Answer,
        entry: u32,
    ) -> Answered {
        let block = self.writer(setting).policy_answer(answer);
        Answered {
            reply: Reply::Whole(Message::Block(block)),
            status: answer.status,
            label: Label::of_policy(answer.label),
            entry,
            is_logged: true,
            keeps_alive: true,
        }
    }

    pub(super) fn plain(
        &mut self,
        setting: &Setting<'_>,
        plain: &Plain<'_>,
        label: Label,
        entry: u32,
    ) -> Answered {
        let block = self.writer(setting).plain(plain);
        Answered {
            reply: Reply::Whole(Message::Block(block)),
            status: plain.status,
            label,
            entry,
            is_logged: true,
            keeps_alive: true,
        }
    }
}
