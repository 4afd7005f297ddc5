//! Verdicts: what the RFC forbids, what it advises against, and what is only uncommon.

use std::fmt;

/// How an implementation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The implementation [skips](super::Wire::skip) it.
    Skipped,
    /// As the RFC demands, as early as it can be known, with the usual code.
    Pass,
    /// The RFC allows it. Most do it another way, or could do it earlier: no fault.
    Custom,
    /// The RFC says SHOULD, or the like, and it does not.
    Should,
    /// The RFC says MUST, and it does not.
    Fail,
}

impl Verdict {
    /// Every verdict, the best first.
    pub const ALL: [Self; 5] = [Self::Skipped, Self::Pass, Self::Custom, Self::Should, Self::Fail];

    /// What it means, in a sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Skipped => "not run: the implementation, or whoever runs it, leaves it out",
            Self::Pass => "as the RFC demands",
            Self::Custom => "allowed; most implementations do it another way, or earlier",
            Self::Should => "against a SHOULD of the RFC",
            Self::Fail => "against a MUST of the RFC",
        }
    }

    /// The word for it in a table.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Skipped => "-",
            Self::Pass => "pass",
            Self::Custom => "custom",
            Self::Should => "should",
            Self::Fail => "FAIL",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// A verdict on one session, with the section that it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The section of RFC 6455, or another RFC's number and section.
    pub section: &'static str,
    /// What was done; empty, if it passes.
    pub why: String,
}

impl Judgement {
    pub(crate) fn new(verdict: Verdict, section: &'static str, why: impl Into<String>) -> Self {
        Self {
            verdict,
            section,
            why: why.into(),
        }
    }
}
