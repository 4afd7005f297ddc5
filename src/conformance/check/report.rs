//! Verdicts, and how they are shown.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::conformance::generate::{self, Case, Session};
use crate::conformance::rule::Role;

/// How an implementation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The implementation [skips](super::Wire::skip) it.
    Skipped,
    /// As the RFC demands, as early as it can, with the right code.
    Pass,
    /// The RFC allows it, but it could be stricter.
    NotStrict,
    /// The RFC forbids it.
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Skipped => "-",
            Self::Pass => "pass",
            Self::NotStrict => "lax",
            Self::Fail => "FAIL",
        })
    }
}

/// What an implementation did with one case.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The case.
    pub case: Case,
    /// The worst that it did.
    pub verdict: Verdict,
    /// What that was.
    pub why: String,
    /// A session that shows it, shrunk, and the places at which its bytes are cut.
    pub example: Option<(Session, Vec<usize>)>,
    /// How many connections were run.
    pub runs: u32,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "section {}, {}: {} {}",
            self.case.section(),
            self.case,
            self.verdict,
            self.why
        )?;
        if let Some((session, cuts)) = &self.example {
            write!(f, "\n  ")?;
            for (number, chunk) in generate::chunks(&session.bytes, cuts).iter().enumerate() {
                let shown = chunk.get(..160).unwrap_or(chunk);
                let comma = if number == 0 { "" } else { ", " };
                write!(f, "{comma}b\"{}\"", shown.escape_ascii())?;
                if shown.len() < chunk.len() {
                    write!(f, " and {} bytes more", chunk.len() - shown.len())?;
                }
                if number == 24 {
                    write!(f, ", and so on")?;
                    break;
                }
            }
        }
        Ok(())
    }
}

/// What an implementation did, in one role.
#[derive(Clone, Debug)]
pub struct Report {
    /// The implementation.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// What it did, case by case.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The worst of all findings.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let verdicts = self.findings.iter().map(|finding| finding.verdict);
        verdicts.max().unwrap_or(Verdict::Skipped)
    }

    /// The findings with this verdict.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.verdict == verdict)
    }
}

/// A table of one column, and below it what did not pass.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Table(core::slice::from_ref(self)))?;
        for finding in self.with(Verdict::Fail).chain(self.with(Verdict::NotStrict)) {
            writeln!(f, "{} as {}: {finding}", self.name, self.role)?;
        }
        Ok(())
    }
}

/// Reports side by side: sections down, implementations across.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a>(pub &'a [Report]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for role in Role::ALL {
            let reports: Vec<_> = self.0.iter().filter(|report| report.role == role).collect();
            if reports.is_empty() {
                continue;
            }
            write!(f, "{:<8}{:<48}", "section", format!("as {role}"))?;
            for report in &reports {
                write!(f, "{:<20}", report.name)?;
            }
            writeln!(f)?;
            let mut cases = Case::all(role);
            cases.sort_by_key(|case| {
                let numbers = case.section().split('.').map(|number| number.parse().unwrap_or(0));
                numbers.collect::<Vec<u32>>()
            });
            cases.retain(|case| {
                let mut findings = reports.iter().flat_map(|report| &report.findings);
                findings.any(|finding| finding.case == *case)
            });
            for case in cases {
                write!(f, "{:<8}{:<48}", case.section(), case.to_string())?;
                for report in &reports {
                    let finding = report.findings.iter().find(|finding| finding.case == case);
                    let verdict = finding.map_or(Verdict::Skipped, |finding| finding.verdict);
                    write!(f, "{verdict:<20}")?;
                }
                writeln!(f)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
