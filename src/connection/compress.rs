//! The seam where messages are compressed on their way out. The room `deflate`, which is above this one, fills it.

use core::any::Any;

/// What compresses messages on their way out.
pub(crate) trait Compress {
    /// A whole message as it goes on the wire; `None` if it goes plain. `engines` are those that were lent.
    fn whole<'e>(&mut self, engines: &'e mut dyn Any, message: &[u8]) -> Option<&'e [u8]>;

    /// A part of a message as it goes on the wire; `None` without memory.
    fn part<'e>(&mut self, engines: &'e mut dyn Any, part: &[u8], fin: bool) -> Option<&'e [u8]>;

    /// What was compressed last is in the output.
    fn sent(&mut self, bytes: &[u8], fin: bool);

    /// Itself, for the room that has it.
    #[cfg(feature = "deflate")]
    fn as_any(&mut self) -> &mut dyn Any;
}

/// What a connection keeps for compressing, and the engines that it is lent.
pub(crate) struct Compressor<'a> {
    pub(crate) histories: &'a mut (dyn Compress + Send),
    pub(crate) engines: &'a mut (dyn Any + Send),
}

/// Where whoever has engines of its own keeps a compressor, if messages may be compressed.
pub(crate) trait Slot {
    fn compressor(&mut self) -> Option<Compressor<'_>>;
}

/// What an output handle compresses with.
///
/// What a slot holds is looked at only where a message may be compressed, so that a handle is made without a branch.
#[cfg_attr(not(feature = "deflate"), allow(dead_code, reason = "nothing compresses"))]
pub(crate) enum Compressing<'a> {
    Nothing,
    With(Compressor<'a>),
    Slot(&'a mut (dyn Slot + Send)),
}

impl Compressing<'_> {
    /// The same for a shorter time.
    #[inline(always)]
    pub(super) const fn again(&mut self) -> Compressing<'_> {
        match self {
            Compressing::Nothing => Compressing::Nothing,
            Compressing::With(Compressor { histories, engines }) => Compressing::With(Compressor {
                histories: *histories,
                engines: *engines,
            }),
            Compressing::Slot(slot) => Compressing::Slot(*slot),
        }
    }

    /// The compressor, if messages may be compressed.
    pub(crate) fn get(&mut self) -> Option<Compressor<'_>> {
        match self {
            Compressing::Nothing => None,
            Compressing::With(Compressor { histories, engines }) => Some(Compressor {
                histories: *histories,
                engines: *engines,
            }),
            Compressing::Slot(slot) => slot.compressor(),
        }
    }
}
