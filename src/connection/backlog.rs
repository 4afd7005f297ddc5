//! How many bytes of Pongs may still be in the output.

/// An upper bound on the Pong bytes that the output still holds, whatever else the application puts there.
///
/// Positions count the bytes that were put, modulo 2^32. Pongs are counted in two parts, before and behind a mark. Once the
/// output is drained up to the mark, the part before it is gone, and the mark moves to the end. Once it is drained up to the
/// last Pong, all are gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backlog {
    max: u32,
    mark: u32,
    before_mark: u32,
    behind_mark: u32,
}

impl Backlog {
    pub(super) const fn new(max: u32) -> Self {
        Self {
            max,
            mark: 0,
            before_mark: 0,
            behind_mark: 0,
        }
    }

    /// Whether one more Pong of `len` bytes may be put: `put` bytes have been put so far, of which the output holds the
    /// last `undrained`, and the last Pong ended at `pong_end`. One Pong is always admitted.
    #[allow(clippy::cast_possible_truncation, reason = "positions are modulo 2^32")]
    pub(super) fn admits(&mut self, put: u32, pong_end: u32, undrained: usize, len: usize) -> bool {
        let drained = put.wrapping_sub(undrained as u32);
        if undrained == 0 || drained.wrapping_sub(pong_end) < 1 << 31 {
            // However far the mark has fallen behind.
            (self.mark, self.before_mark, self.behind_mark) = (put, 0, 0);
        }
        for _ in 0..2 {
            if drained.wrapping_sub(self.mark) < 1 << 31 {
                self.before_mark = core::mem::take(&mut self.behind_mark);
                self.mark = put;
            }
        }
        // At most what the output holds at all, in case that the mark has fallen behind by half of all positions.
        let undrained = u32::try_from(undrained).unwrap_or(u32::MAX);
        let waiting = self.before_mark.saturating_add(self.behind_mark).min(undrained);
        waiting == 0 || waiting.saturating_add(len as u32) <= self.max
    }

    /// A Pong of `len` bytes was put.
    #[allow(clippy::cast_possible_truncation, reason = "a Pong is short")]
    pub(super) const fn add(&mut self, len: usize) {
        self.behind_mark = self.behind_mark.saturating_add(len as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The application keeps 300 bytes of its own in the output, and drains as much as it puts.
    #[test]
    fn what_the_application_sends_does_not_count() {
        let mut backlog = Backlog::new(100);
        let mut put = 300_u32;
        for _ in 0..1_000 {
            assert!(backlog.admits(put, put.wrapping_sub(300), 300, 6));
            backlog.add(6);
            put = put.wrapping_add(306);
        }
    }

    /// Half of all positions and more: the mark seemed to lie ahead, and the Pongs before it seemed to be there still.
    #[test]
    fn however_much_is_sent_between_two_pings() {
        for sent in [1000, 1 << 30, 1 << 31, 3 << 30, u32::MAX] {
            let mut backlog = Backlog::new(100);
            assert!(backlog.admits(0, 0, 0, 100));
            backlog.add(100);
            assert!(!backlog.admits(100, 100, 100, 6));
            let mut with_a_rest = backlog;
            assert!(with_a_rest.admits(sent, 100, 50, 6), "{sent}");
            assert!(backlog.admits(sent, 100, 0, 6), "{sent}");
        }
    }

    /// What the application has put behind the last Pong says nothing of Pongs.
    #[test]
    fn once_the_last_pong_is_drained_none_waits() {
        for start in [0, u32::MAX - 50] {
            let mut backlog = Backlog::new(100);
            assert!(backlog.admits(start, start, 0, 90));
            backlog.add(90);
            let (pong_end, put) = (start.wrapping_add(90), start.wrapping_add(190));
            let mut with_a_rest = backlog;
            assert!(!with_a_rest.admits(put, pong_end, 101, 90));
            assert!(backlog.admits(put, pong_end, 100, 90));
        }
    }

    #[test]
    fn pongs_that_are_not_drained_are_bounded_and_come_again_when_they_are() {
        for start in [0, u32::MAX - 50] {
            let mut backlog = Backlog::new(100);
            let (mut put, mut undrained) = (start, 0);
            assert!(backlog.admits(put, put, undrained, 6));
            for round in 0..3 {
                let mut pongs = 0;
                while backlog.admits(put, put, undrained, 6) {
                    backlog.add(6);
                    put = put.wrapping_add(6);
                    undrained += 6;
                    pongs += 1;
                    assert!(pongs <= 16, "round {round}");
                }
                assert_eq!(pongs, 16);
                undrained = 0;
            }
        }
    }
}
