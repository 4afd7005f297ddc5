//! A header field in its plainest form, eight bytes at a time.

/// The same byte eight times.
const fn splat(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The highest bit of each byte. The functions below set it for the first byte that they find, in the order of the bytes,
/// and for no byte before that one. What they say of the bytes after it means nothing.
const FLAGS: u64 = splat(0x80);

/// Finds bytes that are neither letters nor hyphens.
const fn not_plain_name(word: u64) -> u64 {
    // No sum of two bytes is greater than 0xff, so that none changes another.
    let low = word & !FLAGS;
    let lower = low | splat(b'a' - b'A');
    let letter = (lower + splat(0x80 - b'a')) & !(lower + splat(0x80 - b'z' - 1));
    let not_hyphen = (low ^ splat(b'-')) + splat(0x7f);
    ((!letter & not_hyphen) | word) & FLAGS
}

/// Finds control characters, HTAB included.
const fn control(word: u64) -> u64 {
    // A difference borrows from the bytes after it only if its own byte is found.
    let low = word.wrapping_sub(splat(b' '));
    let delete = (word ^ splat(0x7f)).wrapping_sub(splat(1));
    (low | delete) & !word & FLAGS
}

/// Where the first byte is that `flags` finds. Zeros follow the end.
#[inline(always)]
fn find(bytes: &[u8], flags: impl Fn(u64) -> u64) -> usize {
    let mut rest = bytes;
    loop {
        let (word, after) = match rest.split_first_chunk() {
            Some((word, after)) => (*word, after),
            None => (short(rest), [].as_slice()),
        };
        let found = flags(u64::from_le_bytes(word));
        if found != 0 {
            let before = bytes.len().saturating_sub(rest.len());
            // Lossless: at most 7.
            return before + (found.trailing_zeros() / 8) as usize;
        }
        rest = after;
    }
}

/// The length of the blocks of 16 bytes at the start that have no control character.
#[inline(always)]
fn clean_blocks(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((block, after)) = rest.split_first_chunk::<16>() {
        // No branch in a block, so that the compiler takes it at once.
        let found = block
            .iter()
            .fold(0, |found, &byte| found | u8::from(matches!(byte, ..b' ' | 0x7f)));
        if found != 0 {
            break;
        }
        rest = after;
    }
    bytes.len().saturating_sub(rest.len())
}

/// Fewer than eight bytes, filled up with zeros.
#[cold]
fn short(bytes: &[u8]) -> [u8; 8] {
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = *from;
    }
    word
}

/// Finds a whole field line at the start of `bytes`, in its plainest form: a name of letters and hyphens, a colon, a value
/// without control characters, CR LF. Returns the name, and what stands after the colon. `None` says nothing: the line can be
/// incomplete, or right in another form. Nothing after the first control character is looked at.
#[inline]
pub(crate) fn plain_field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let name_len = find(bytes, not_plain_name);
    let (name, [b':', rest @ ..]) = bytes.split_at_checked(name_len)? else {
        return None;
    };
    let clean = clean_blocks(rest);
    let (value, end) = rest.split_at_checked(clean + find(rest.get(clean..)?, control))?;
    (end.starts_with(b"\r\n") && !name.is_empty()).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn each_byte_at_each_place() {
        for byte in 0..=u8::MAX {
            let plain = byte.is_ascii_alphabetic() || byte == b'-';
            let bad = byte.is_ascii_control();
            for at in 0..8 {
                let at_8 = u32::try_from(at).unwrap();
                for around in *b"aZ-" {
                    let mut word = [around; 8];
                    word[at] = byte;
                    let expected = if plain { 8 } else { at_8 };
                    assert_eq!(first(not_plain_name(u64::from_le_bytes(word))), expected, "{word:?}");
                }
                for around in *b" ~\xff" {
                    let mut word = [around; 8];
                    word[at] = byte;
                    let expected = if bad { at_8 } else { 8 };
                    assert_eq!(first(control(u64::from_le_bytes(word))), expected, "{word:?}");
                }
            }
        }
    }

    fn first(flags: u64) -> u32 {
        flags.trailing_zeros() / 8
    }

    /// Against the rules themselves: what is taken for a plain field is one, and each plain field is taken.
    #[test]
    fn a_plain_field_of_any_length() {
        for name_len in 0..20 {
            for value_len in 0..20 {
                let line = [&[b'x'; 19][..name_len], b":", &[b'y'; 19][..value_len]].concat();
                let whole = [&line, b"\r\n".as_slice()].concat();
                let expected = (name_len > 0).then_some((&line[..name_len], &line[name_len + 1..]));
                for after in [b"".as_slice(), b"\r\n", b"Host: example.com\r\n"] {
                    let bytes = [&whole, after].concat();
                    assert_eq!(plain_field(&bytes), expected);
                    for at in 0..whole.len() {
                        assert_eq!(plain_field(&bytes[..at]), None);
                        let mut bad: Vec<u8> = bytes.clone();
                        bad[at] = 0;
                        assert_eq!(plain_field(&bad), None);
                    }
                }
            }
        }
    }
}
