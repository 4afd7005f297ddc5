//! Mask keys: unpredictable, and a new one for each frame (sections 5.3 and 10.3).
//!
//! Keys by chance may look like any of this once in four thousand million times. One sign alone is therefore none where
//! it can be by chance: it takes two.

use std::fmt;

/// What is wrong with the keys of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Sign {
    Zero,
    SameAsBefore,
    Counted,
    OneByteFourTimes,
    Repeated,
    FewValues,
}

impl Sign {
    /// Whether once is enough.
    pub(crate) const fn is_certain(self) -> bool {
        match self {
            Self::Zero | Self::SameAsBefore | Self::Counted | Self::OneByteFourTimes => false,
            Self::Repeated | Self::FewValues => true,
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "masks with a key of zeros",
            Self::SameAsBefore => "masks a frame with the key of the frame before",
            Self::Counted => "masks with keys that are counted",
            Self::OneByteFourTimes => "masks with keys of one byte, four times",
            Self::Repeated => "masks with keys that come again",
            Self::FewValues => "masks with keys of few different bytes",
        })
    }
}

/// Every sign that the keys of one connection show, in order.
pub(crate) fn signs(keys: &[[u8; 4]]) -> Vec<Sign> {
    let mut signs = Vec::new();
    for key in keys {
        if *key == [0; 4] {
            signs.push(Sign::Zero);
        } else if key.iter().all(|byte| Some(byte) == key.first()) {
            signs.push(Sign::OneByteFourTimes);
        }
    }
    for two in keys.windows(2) {
        if let [one, other] = two
            && one == other
        {
            signs.push(Sign::SameAsBefore);
        }
    }
    for three in keys.windows(3) {
        if let [first, second, third] = three
            && first != second
        {
            let step = |from: &[u8; 4], to: &[u8; 4], read: fn([u8; 4]) -> u32| read(*to).wrapping_sub(read(*from));
            for read in [u32::from_be_bytes, u32::from_le_bytes] {
                if step(first, second, read) == step(second, third, read) {
                    signs.push(Sign::Counted);
                }
            }
        }
    }
    if keys.len() >= 16 {
        let mut sorted = keys.to_vec();
        sorted.sort_unstable();
        let repeats = sorted.windows(2).filter(|two| two.first() == two.last()).count();
        if repeats >= 2 {
            signs.push(Sign::Repeated);
        }
    }
    if keys.len() >= 200 {
        for place in 0..4 {
            let mut values: Vec<_> = keys.iter().filter_map(|key| key.get(place)).collect();
            values.sort_unstable();
            values.dedup();
            // Of 200 by chance, 139 differ, give or take five.
            if values.len() < 100 {
                signs.push(Sign::FewValues);
            }
        }
    }
    signs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_chance(count: usize) -> Vec<[u8; 4]> {
        let mut state = 7_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..count).map(|_| std::array::from_fn(|_| next())).collect()
    }

    #[test]
    fn keys_by_chance_show_nothing() {
        for count in [0, 1, 2, 3, 16, 199, 200, 2000] {
            assert_eq!(signs(&by_chance(count)), []);
        }
    }

    #[test]
    fn each_pattern_shows() {
        assert_eq!(signs(&[[0; 4]]), [Sign::Zero]);
        assert_eq!(signs(&[[7; 4]]), [Sign::OneByteFourTimes]);
        assert_eq!(signs(&[[1, 2, 3, 4]; 2]), [Sign::SameAsBefore]);
        assert!(signs(&[[0, 0, 0, 1], [0, 0, 0, 2], [0, 0, 0, 3]]).contains(&Sign::Counted));
        assert!(signs(&[[1, 9, 0, 0], [2, 9, 0, 0], [3, 9, 0, 0]]).contains(&Sign::Counted));
        let mut two = by_chance(2).repeat(10);
        assert!(signs(&two).contains(&Sign::Repeated));
        two = by_chance(300);
        for key in &mut two {
            key[2] &= 0x0f;
        }
        assert_eq!(signs(&two), [Sign::FewValues]);
    }
}
