//! `Arbitrary`, for fuzz targets.

use arbitrary::{Arbitrary, Result, Unstructured};

use crate::generate::Split;
use crate::rule::{Role, Rule};

impl<'a> Arbitrary<'a> for Role {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        u.choose(&Self::ALL).copied()
    }
}

impl<'a> Arbitrary<'a> for Rule {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        u.choose(Self::ALL).copied()
    }
}

impl<'a> Arbitrary<'a> for Split {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        if u.ratio(1_u8, 2)? {
            return u.choose(&Self::FIXED).cloned();
        }
        let count = u.int_in_range(0..=8)?;
        let parts: Result<Vec<u16>> = (0..count).map(|_| u.arbitrary()).collect();
        Ok(Self::At(parts?))
    }
}
