//! Calls to Dropbox that fail.

use dropbox_emulator::{Fault, FaultKind};

use crate::story::Story;

const ROUTES: [&str; 6] = [
    "oauth2/token",
    "files/upload",
    "files/upload_session/append_v2",
    "files/upload_session/finish_batch_v2",
    "files/list_folder",
    "files/download",
];
const KINDS: [FaultKind; 12] = [
    FaultKind::Status500,
    FaultKind::Status503,
    FaultKind::TooManyRequests { retry_after: 1 },
    FaultKind::TooManyWriteOperations,
    FaultKind::ResetBeforeBody,
    FaultKind::ResetAfterBody,
    FaultKind::ResetMidAnswer,
    FaultKind::AnswerLostAfterEffect,
    FaultKind::AccessTokenExpired,
    FaultKind::DamagedBody,
    FaultKind::SessionLost,
    FaultKind::QuotaReached,
];
/// These wait for time limits: too long for the short form.
const SLOW_KINDS: [FaultKind; 2] = [FaultKind::StalledBody, FaultKind::StalledAnswer];

impl Story {
    pub(crate) fn let_dropbox_fail(&mut self) {
        for _ in 0..4 {
            let route = self.random.pick(&ROUTES);
            let kinds = if self.is_long { [&KINDS[..], &SLOW_KINDS].concat() } else { KINDS.to_vec() };
            let kind = self.random.pick(&kinds);
            let fault = Fault::next(route, kind).nth(1 + self.random.below(4) as u32);
            self.estate.world.dropbox().inject(fault);
        }
    }
}
