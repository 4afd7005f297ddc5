//! Findings, and how they are shown.

use std::fmt;

use super::Example;
use super::verdict::{Judgement, Verdict};
use crate::generate;
use crate::rule::Role;
use crate::session::{Case, Session};

/// What an implementation did with one case.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The case.
    pub case: Case,
    /// The worst that it did.
    pub verdict: Verdict,
    /// The section that the verdict rests on: that of the case, or of what was done wrong.
    pub section: &'static str,
    /// What that was.
    pub why: String,
    /// A session that shows it, shrunk, and the places at which its bytes are cut.
    pub example: Option<(Session, Vec<usize>)>,
    /// By which [`Checker::replay`](super::Checker::replay) runs the session again from which the example was shrunk.
    pub id: Option<String>,
    /// How many connections were run.
    pub runs: u32,
}

impl Finding {
    pub(crate) const fn new(case: Case) -> Self {
        Self {
            case,
            verdict: Verdict::Skipped,
            section: case.section(),
            why: String::new(),
            example: None,
            id: None,
            runs: 0,
        }
    }

    /// Takes over a judgement that is worse than the one so far.
    pub(crate) fn set(&mut self, judgement: Judgement) {
        self.verdict = judgement.verdict;
        self.section = match judgement.section {
            "" => self.case.section(),
            section => section,
        };
        self.why = judgement.why;
    }

    pub(super) fn show(&mut self, example: Example) {
        self.id = Some(example.id);
        self.example = Some(((*example.session).clone(), example.cuts.to_vec()));
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "section {}, {}: {} {}",
            self.section, self.case, self.verdict, self.why
        )?;
        let Some((session, cuts)) = &self.example else {
            return Ok(());
        };
        if let Some(id) = &self.id {
            write!(f, "\n  {id}")?;
            if !session.name.is_empty() {
                write!(f, ", from: {}", session.name)?;
            }
        }
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
    /// The seed of the sessions by chance.
    pub seed: u64,
    /// What it did, case by case.
    pub findings: Vec<Finding>,
    /// Limits that it seems to have. They are no fault.
    pub limits: Vec<String>,
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

    /// How many connections were run.
    #[must_use]
    pub fn runs(&self) -> u32 {
        self.findings.iter().map(|finding| finding.runs).sum()
    }
}

/// A table of one column, and below it what did not pass, the worst first, and what the words mean.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Table(std::slice::from_ref(self)))?;
        for verdict in [Verdict::Fail, Verdict::Should, Verdict::Custom] {
            for finding in self.with(verdict) {
                writeln!(f, "{} as {}: {finding}", self.name, self.role)?;
            }
        }
        for limit in &self.limits {
            writeln!(
                f,
                "{} as {} has a limit, which is no fault: it {limit}",
                self.name, self.role
            )?;
        }
        if self.verdict() > Verdict::Pass {
            writeln!(f, "seed {}; {} connections", self.seed, self.runs())?;
        }
        Ok(())
    }
}

/// Reports side by side: sections down, implementations across. Below, what the words mean.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a>(pub &'a [Report]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for role in Role::ALL {
            let reports: Vec<_> = self.0.iter().filter(|report| report.role == role).collect();
            if reports.is_empty() {
                continue;
            }
            write!(f, "{:<12}{:<52}", "section", format!("as {role}"))?;
            for report in &reports {
                write!(f, "{:<20}", report.name)?;
            }
            writeln!(f)?;
            for case in in_order(role) {
                let findings: Vec<_> = reports
                    .iter()
                    .map(|report| report.findings.iter().find(|finding| finding.case == case))
                    .collect();
                if findings.iter().all(Option::is_none) {
                    continue;
                }
                write!(f, "{:<12}{:<52}", case.section(), case.to_string())?;
                for finding in findings {
                    let verdict = finding.map_or(Verdict::Skipped, |finding| finding.verdict);
                    write!(f, "{verdict:<20}")?;
                }
                writeln!(f)?;
            }
            writeln!(f)?;
        }
        for verdict in Verdict::ALL {
            writeln!(f, "{verdict:<8}{}", verdict.meaning())?;
        }
        writeln!(f)
    }
}

/// The cases of a role, by section.
pub(crate) fn in_order(role: Role) -> Vec<Case> {
    let mut cases = Case::all(role);
    cases.sort_by_key(|case| {
        let numbers = case.section().split('.').map(|number| number.parse().unwrap_or(0));
        numbers.collect::<Vec<u32>>()
    });
    cases
}
