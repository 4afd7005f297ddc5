//! Frame headers.

use sockless::frame::{Header, MAX_HEADER_LEN, Violation};

/// Decoding a header: encoding gives the same bytes back, no shorter start is a whole header, and what is wrong with a
/// start is wrong with all that goes on from it.
pub fn frame_header(data: &[u8]) {
    let mut verdict: Option<Result<(Header, usize), Violation>> = None;
    for len in 0..=data.len().min(16) {
        let now = Header::decode(&data[..len]);
        match (verdict, now) {
            (None, Ok(None)) => {}
            (None, Ok(Some((header, header_len)))) => {
                assert_eq!(header_len, len, "a header that was whole before its last byte");
                assert_eq!(header.encode(&mut [0; MAX_HEADER_LEN]), &data[..len]);
                verdict = Some(Ok((header, header_len)));
            }
            (None, Err(violation)) => verdict = Some(Err(violation)),
            (Some(Ok(first)), now) => assert_eq!(Ok(Some(first)), now),
            (Some(Err(first)), now) => assert_eq!(Err(first), now),
        }
    }
    assert!(
        data.len() < 14 || verdict.is_some(),
        "fourteen bytes are always a whole header"
    );
}
