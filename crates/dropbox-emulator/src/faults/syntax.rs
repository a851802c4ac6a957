//! Faults as the command line and the control API write them.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use super::tags::{AUTH_TAGS, RELOCATION_TAGS, tag};
use super::{Fault, FaultKind, names_route};
use crate::routes;
use crate::units::{format_speed, parse_number, parse_speed, settings};

/// Seconds, if none are said.
const RETRY_AFTER: u64 = 1;

/// Names of the kinds that have no settings of their own.
const PLAIN: [(&str, FaultKind); 21] = [
    ("500", FaultKind::Status500),
    ("502", FaultKind::Status502),
    ("503", FaultKind::Status503),
    ("429-writes", FaultKind::TooManyWriteOperations),
    ("reset-before-body", FaultKind::ResetBeforeBody),
    ("reset-mid-body", FaultKind::ResetBeforeEffect),
    ("reset-after-body", FaultKind::ResetAfterBody),
    ("reset-mid-answer", FaultKind::ResetMidAnswer),
    ("answer-lost", FaultKind::AnswerLostAfterEffect),
    ("token-expired", FaultKind::AccessTokenExpired),
    ("hash-mismatch", FaultKind::ContentHashMismatch),
    ("stalled-body", FaultKind::StalledBody),
    ("stalled-answer", FaultKind::StalledAnswer),
    ("quota-reached", FaultKind::QuotaReached),
    ("session-lost", FaultKind::SessionLost),
    ("damaged-body", FaultKind::DamagedBody),
    ("invalid-root", FaultKind::InvalidRoot),
    ("cursor-reset", FaultKind::CursorReset),
    ("empty-page", FaultKind::EmptyPage),
    ("repeated-page", FaultKind::RepeatedPage),
    ("no-hash", FaultKind::NoContentHash),
];

/// Names of the kinds that have.
const WITH_SETTINGS: [&str; 7] = ["401", "409", "429", "429-text", "incorrect-offset", "slow-body", "proxy-page"];

/// What every fault can say, and what belongs to kinds.
#[derive(Default)]
struct Said<'a> {
    route: Option<&'a str>,
    kind: Option<&'a str>,
    path: Option<&'a str>,
    nth: Option<u32>,
    every: Option<u32>,
    times: Option<u32>,
    retry_after: Option<u64>,
    speed: Option<u64>,
    offset: Option<u64>,
    tag: Option<&'a str>,
    status: Option<u16>,
}

impl<'a> Said<'a> {
    fn read(text: &'a str) -> Result<Said<'a>, String> {
        let mut said = Said::default();
        for setting in settings(text) {
            let (name, value) = setting?;
            match name {
                "route" => said.route = Some(value),
                "kind" => said.kind = Some(value),
                "path" => said.path = Some(value),
                "nth" => said.nth = Some(parse_number(value)?),
                "every" => said.every = Some(parse_number(value)?),
                "times" => said.times = Some(parse_number(value)?),
                "retry-after" => said.retry_after = Some(parse_number(value)?),
                "speed" => said.speed = Some(parse_speed(value)?),
                "offset" => said.offset = Some(parse_number(value)?),
                "tag" => said.tag = Some(value),
                "status" => said.status = Some(parse_number(value)?),
                _ => {
                    return Err(format!(
                        "a fault has no \"{name}\": there are route, kind, path, nth, every, times, retry-after, \
                         speed, offset, tag, status"
                    ));
                }
            }
        }
        Ok(said)
    }

    /// The kind, with the settings that belong to it.
    fn kind(&mut self, route: &str) -> Result<FaultKind, String> {
        let name = self.kind.ok_or("a fault needs a kind, such as kind=503")?;
        let kind = match name {
            "503" if self.retry_after.is_some() => {
                FaultKind::Unavailable { retry_after: self.retry_after.take().unwrap_or_default() }
            }
            "401" => FaultKind::Unauthorized { tag: tag(name, &AUTH_TAGS, self.tag.take().unwrap_or("other"))? },
            "409" => {
                let said = self.tag.take().ok_or("409 needs a tag, such as tag=internal_error")?;
                FaultKind::NotRelocated { tag: tag(name, &RELOCATION_TAGS, said)? }
            }
            "proxy-page" => FaultKind::ProxyPage { status: self.status.take().unwrap_or(403) },
            "429" => FaultKind::TooManyRequests { retry_after: self.retry_after.take().unwrap_or(RETRY_AFTER) },
            "429-text" => {
                FaultKind::TooManyRequestsText { retry_after: self.retry_after.take().unwrap_or(RETRY_AFTER) }
            }
            "incorrect-offset" => {
                let correct_offset = self.offset.take().ok_or("incorrect-offset needs an offset, such as offset=5")?;
                FaultKind::IncorrectOffset { correct_offset }
            }
            "slow-body" => {
                let bytes_per_second = self.speed.take().ok_or("slow-body needs a speed, such as speed=100KiB/s")?;
                FaultKind::SlowBody { bytes_per_second }
            }
            // Of a download, the body is the answer's.
            "reset-mid-body" if names_route(route, "files/download") && !route.contains('*') => {
                FaultKind::ResetMidAnswer
            }
            _ => find(name)?,
        };
        let extras = [
            self.retry_after.is_some(),
            self.speed.is_some(),
            self.offset.is_some(),
            self.tag.is_some(),
            self.status.is_some(),
        ];
        match ["retry-after", "speed", "offset", "tag", "status"].iter().zip(extras).find(|(_, is_left)| *is_left) {
            Some((setting, _)) => Err(format!("{name} has no {setting}")),
            None => Ok(kind),
        }
    }
}

fn find(name: &str) -> Result<FaultKind, String> {
    let found = PLAIN.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    found.ok_or_else(|| {
        let known: Vec<&str> = PLAIN.iter().map(|(known, _)| *known).chain(WITH_SETTINGS).collect();
        format!("no fault is called \"{name}\": there are {}", known.join(", "))
    })
}

/// Refuses what could never hit.
fn check_route(pattern: &str) -> Result<(), String> {
    let known: Vec<&str> = routes::names().chain(["oauth2/authorize", "oauth2/token", "apitl/1/"]).collect();
    match known.iter().any(|route| names_route(pattern, route)) {
        true => Ok(()),
        false => Err(format!("no route is called \"{pattern}\": there are {}, and * for any", known.join(", "))),
    }
}

/// Refuses what could never hit.
fn check_count(name: &str, count: Option<u32>) -> Result<Option<u32>, String> {
    if count == Some(0) { Err(format!("{name}=0: calls are counted from 1")) } else { Ok(count) }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut said = Said::read(text)?;
        let route = said.route.ok_or("a fault needs a route, such as route=files/upload, or route=* for any")?;
        check_route(route)?;
        Ok(Fault {
            route: route.to_owned(),
            kind: said.kind(route)?,
            path: said.path.map(str::to_owned),
            nth: check_count("nth", said.nth)?.unwrap_or(1),
            every: check_count("every", said.every)?,
            times: check_count("times", said.times)?,
        })
    }
}

impl FaultKind {
    /// Its name on the command line.
    fn name(self) -> &'static str {
        match self {
            FaultKind::TooManyRequests { .. } => "429",
            FaultKind::TooManyRequestsText { .. } => "429-text",
            FaultKind::IncorrectOffset { .. } => "incorrect-offset",
            FaultKind::SlowBody { .. } => "slow-body",
            FaultKind::Unavailable { .. } => "503",
            FaultKind::Unauthorized { .. } => "401",
            FaultKind::NotRelocated { .. } => "409",
            FaultKind::ProxyPage { .. } => "proxy-page",
            _ => PLAIN.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name),
        }
    }

    /// The settings that belong to it.
    fn setting(self) -> Option<(&'static str, String)> {
        match self {
            FaultKind::Unauthorized { tag } | FaultKind::NotRelocated { tag } => Some(("tag", tag.to_owned())),
            FaultKind::ProxyPage { status } => Some(("status", status.to_string())),
            FaultKind::TooManyRequests { retry_after }
            | FaultKind::TooManyRequestsText { retry_after }
            | FaultKind::Unavailable { retry_after } => Some(("retry-after", retry_after.to_string())),
            FaultKind::IncorrectOffset { correct_offset } => Some(("offset", correct_offset.to_string())),
            FaultKind::SlowBody { bytes_per_second } => Some(("speed", format_speed(bytes_per_second))),
            _ => None,
        }
    }
}

/// What [`Fault::from_str`] reads.
impl Display for Fault {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "route={},kind={}", self.route, self.kind.name())?;
        let number = |number: Option<u32>| number.map(|number| number.to_string());
        let others = [
            self.kind.setting(),
            self.path.clone().map(|path| ("path", path)),
            (self.nth > 1).then(|| ("nth", self.nth.to_string())),
            number(self.every).map(|every| ("every", every)),
            number(self.times).map(|times| ("times", times)),
        ];
        others.into_iter().flatten().try_for_each(|(name, value)| write!(formatter, ",{name}={value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_written_as_they_are_read() {
        for text in [
            "route=upload_session/append_v2,kind=503,every=20",
            "route=files/upload,kind=429,retry-after=0,times=2",
            "route=*,kind=429-text,retry-after=7,path=/x*,nth=3,every=4,times=5",
            "route=upload_session/*,kind=incorrect-offset,offset=5",
            "route=files/download,kind=slow-body,speed=100KiB/s",
            "route=files/download,kind=reset-mid-answer,nth=3",
            "route=*,kind=401,tag=other",
            "route=files/copy_v2,kind=409,tag=internal_error",
            "route=files/list_folder,kind=503,retry-after=4",
            "route=*,kind=proxy-page,status=302",
        ] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
        for (name, kind) in PLAIN {
            let fault: Fault = format!("route=files/upload, kind={name}").parse().unwrap();
            assert_eq!(fault, Fault::next("files/upload", kind));
        }
        let unsaid: Fault = "kind=429,route=oauth2/token".parse().unwrap();
        assert_eq!(unsaid.kind, FaultKind::TooManyRequests { retry_after: 1 });
        let of_a_download: Fault = "route=download,kind=reset-mid-body".parse().unwrap();
        assert_eq!(of_a_download.kind, FaultKind::ResetMidAnswer);
    }

    #[test]
    fn what_is_no_fault_is_told_so() {
        for (text, words) in [
            ("", "needs a route"),
            ("route=files/upload", "needs a kind"),
            ("route=uplod,kind=500", "no route is called \"uplod\": there are auth/token/revoke, "),
            ("route=*,kind=rain", "no fault is called \"rain\": there are 500, 502, "),
            ("route=*,kind=500,colour=red", "a fault has no \"colour\": there are route, kind, "),
            ("route=*,kind=500,nth=x", "expected a whole number"),
            ("route=*,kind=500,nth=0", "nth=0: calls are counted from 1"),
            ("route=*,kind=500,speed=1B/s", "500 has no speed"),
            ("route=*,kind=409", "409 needs a tag"),
            (
                "route=*,kind=409,tag=rain",
                "no 409 is tagged \"rain\": there are from_lookup, cant_copy_shared_folder, ",
            ),
            ("route=*,kind=slow-body", "slow-body needs a speed"),
            ("route=*,kind=slow-body,speed=0B/s", "more than 0"),
            ("route=*,kind=incorrect-offset", "incorrect-offset needs an offset"),
        ] {
            let problem = text.parse::<Fault>().unwrap_err();
            assert!(problem.contains(words), "{text}: {problem}");
        }
    }
}
