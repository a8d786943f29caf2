//! Watching guests: their lines as they come, a time limit for each check, and what they ask for.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::protocol::{Line, parse};
use super::qemu::Qemu;

/// How long a guest may take to boot, and to switch itself off, in seconds.
const BOOT_S: u64 = 120;
const POWER_OFF_S: u64 = 60;
/// Lines of a console that an error shows.
const TAIL_LINES: usize = 12;

/// How one check ended.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) ok: bool,
    pub(crate) detail: String,
    pub(crate) seconds: f64,
}

/// A measurement of a guest.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
}

/// One guest that is being watched.
pub(crate) struct Session {
    qemu: Qemu,
    folder: PathBuf,
    pub(crate) label: String,
    /// What is going on, since when, and until when it may.
    step: String,
    since: Instant,
    limit: Duration,
    /// Slower devices get more time.
    patience: u32,
    done: bool,
    over: bool,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) figures: Vec<Figure>,
}

impl Session {
    /// Watches `qemu`, whose files are in `folder`; every time limit counts `patience` times.
    pub(crate) fn new(qemu: Qemu, folder: &Path, label: &str, patience: u32) -> Self {
        Self {
            qemu,
            folder: folder.to_owned(),
            label: label.to_owned(),
            step: "boot".to_owned(),
            since: Instant::now(),
            limit: Duration::from_secs(BOOT_S) * patience,
            patience,
            done: false,
            over: false,
            outcomes: Vec::new(),
            figures: Vec::new(),
        }
    }

    fn step(&mut self, name: &str, seconds: u64) {
        name.clone_into(&mut self.step);
        self.since = Instant::now();
        self.limit = Duration::from_secs(seconds) * self.patience;
    }

    fn outcome(&mut self, ok: bool, detail: String) {
        let outcome = Outcome {
            name: self.step.clone(),
            ok,
            detail,
            seconds: self.since.elapsed().as_secs_f64(),
        };
        let verdict = if ok { "ok  " } else { "FAIL" };
        eprintln!(
            "   {verdict} {}: {} ({:.1} s) {}",
            self.label, outcome.name, outcome.seconds, outcome.detail
        );
        self.outcomes.push(outcome);
    }

    /// Something went wrong outside a check: what, and the end of the console.
    fn broken(&mut self, what: &str) {
        let told = format!("{what}{}", self.tails());
        self.outcome(false, told);
        self.finish();
    }

    fn finish(&mut self) {
        self.over = true;
        self.qemu.end();
    }

    fn tails(&self) -> String {
        let mut text = String::new();
        for file in ["console.log", "qemu.log"] {
            let path = self.folder.join(file);
            let all = std::fs::read(&path).unwrap_or_default();
            let all = String::from_utf8_lossy(&all);
            let lines: Vec<&str> = all
                .lines()
                .map(str::trim_end)
                .filter(|l| !l.is_empty())
                .collect();
            if lines.is_empty() {
                continue;
            }
            text += &format!("\n      the end of {}:", path.display());
            for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
                text += &format!("\n        {line}");
            }
        }
        text
    }

    fn line(&mut self, text: &str, answer: &mut dyn FnMut(&[String]) -> Result<String>) {
        match parse(text) {
            Ok(Line::Begin { name, seconds }) => self.step(&name, seconds),
            Ok(Line::Check { name, ok, detail }) => {
                self.step = name;
                self.outcome(ok, detail);
                self.step("the script, between two checks", 60);
            }
            Ok(Line::Figure { name, value, unit }) => {
                eprintln!("        {}: {name} {value} {unit}", self.label);
                self.figures.push(Figure { name, value, unit });
            }
            Ok(Line::Ask(words)) => {
                let told = match answer(&words) {
                    Ok(told) => format!("ok {told}"),
                    Err(error) => {
                        eprintln!(
                            "        {}: asked for `{}`: {error:#}",
                            self.label,
                            words.join(" ")
                        );
                        format!("failed {error:#}").replace('\n', " ")
                    }
                };
                let sent = self
                    .qemu
                    .answers
                    .as_mut()
                    .map(|to| writeln!(to, "{told}").and_then(|()| to.flush()));
                if !matches!(sent, Some(Ok(()))) {
                    self.broken("the guest asked for something, and its answer cannot be sent");
                }
            }
            Ok(Line::Done) => {
                self.done = true;
                self.step("power off", POWER_OFF_S);
            }
            Err(_) if text.trim().is_empty() => {}
            Err(error) => self.broken(&error),
        }
    }

    fn ended(&mut self) {
        if self.done {
            if self.outcomes.is_empty() {
                self.broken("the guest ran no check at all");
            }
            self.finish();
        } else {
            self.broken("the guest ended before its script did");
        }
    }

    fn overdue(&mut self) {
        if !self.over && self.since.elapsed() > self.limit {
            self.broken(&format!("no end after {} s", self.limit.as_secs()));
        }
    }
}

/// A line of a guest, or its end.
type Event = (usize, Option<String>);

fn listen(at: usize, session: &mut Session, events: &Sender<Event>) {
    let Some(lines) = session.qemu.lines.take() else {
        return;
    };
    let events = events.clone();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(lines);
        let mut line = Vec::new();
        while matches!(lines.read_until(b'\n', &mut line), Ok(length) if length > 0) {
            let text = String::from_utf8_lossy(&line).into_owned();
            if events.send((at, Some(text))).is_err() {
                return;
            }
            line.clear();
        }
        events.send((at, None)).ok();
    });
}

/// Watches all guests to their end. `answer` does what a guest (its number) asks for.
pub(crate) fn watch(
    sessions: &mut [Session],
    answer: &mut dyn FnMut(usize, &[String]) -> Result<String>,
) {
    let (sender, events): (Sender<Event>, Receiver<Event>) = channel();
    for (at, session) in sessions.iter_mut().enumerate() {
        listen(at, session, &sender);
    }
    drop(sender);
    while sessions.iter().any(|session| !session.over) {
        match events.recv_timeout(Duration::from_millis(200)) {
            Ok((at, _)) if sessions[at].over => {}
            Ok((at, Some(text))) => {
                sessions[at].line(&text, &mut |words: &[String]| answer(at, words));
            }
            Ok((at, None)) => sessions[at].ended(),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        sessions.iter_mut().for_each(Session::overdue);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::super::qemu::Qemu;
    use super::{Outcome, Session, watch};

    /// What a "guest" that runs `script` comes to.
    fn outcomes(script: &str, limit_s: u64) -> Vec<Outcome> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("console.log"), "last words\n").expect("a file");
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let qemu = Qemu::spawn(command, folder.path()).expect("sh");
        let mut session = Session::new(qemu, folder.path(), "test", 1);
        session.limit = Duration::from_secs(limit_s);
        let mut sessions = [session];
        watch(&mut sessions, &mut |_, words| Ok(words.join("+")));
        let [session] = sessions;
        session.outcomes
    }

    #[test]
    fn a_guest_that_does_all_passes() {
        let all = outcomes("echo BEGIN a 9; echo CHECK a ok fine; echo DONE", 9);
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(all[0].ok && all[0].name == "a" && all[0].detail == "fine");
    }

    #[test]
    fn what_falls_short_fails_with_the_end_of_the_console() {
        for (script, told) in [
            ("echo CHECK a ok", "ended before its script did"),
            ("echo DONE", "no check at all"),
            ("echo hello", "none of BEGIN"),
            ("exec sleep 99", "no end after 1 s"),
        ] {
            let all = outcomes(script, 1);
            let last = all.last().expect("an outcome");
            assert!(!last.ok && last.detail.contains(told), "{script}: {last:?}");
            assert!(last.detail.contains("last words"), "{script}: {last:?}");
        }
    }

    #[test]
    fn a_check_has_a_limit_of_its_own_and_a_failed_one_stays_failed() {
        let all = outcomes("echo CHECK a fail why; echo BEGIN b 1; exec sleep 99", 60);
        assert_eq!(all.len(), 2, "{all:?}");
        assert!(!all[0].ok && all[0].detail == "why");
        assert!(!all[1].ok && all[1].name == "b");
    }

    #[test]
    fn what_a_guest_asks_for_is_answered() {
        let all = outcomes("echo ASK a b; read x; echo CHECK c ok $x; echo DONE", 9);
        assert_eq!(all[0].detail, "ok a+b");
    }
}
