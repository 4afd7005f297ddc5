//! Bytes, messages and codes as findings show them.

pub(super) fn bytes(bytes: &[u8]) -> String {
    let shown = bytes.get(..24).unwrap_or(bytes);
    let more = if shown.len() < bytes.len() { "..." } else { "" };
    format!("b\"{}{more}\"", shown.escape_ascii())
}

pub(super) fn shown((text, payload): &(bool, Vec<u8>)) -> String {
    let kind = if *text { "a text" } else { "a binary message" };
    format!("{kind} of {} bytes, {}", payload.len(), bytes(payload))
}

pub(super) fn code_shown(code: Option<u16>) -> String {
    code.map_or_else(|| String::from("without a code"), |code| code.to_string())
}

pub(super) fn with_code(code: Option<u16>) -> String {
    code.map_or_else(|| String::from("without a code"), |code| format!("with {code}"))
}

pub(super) fn listed(codes: &[u16]) -> String {
    let codes: Vec<_> = codes.iter().map(u16::to_string).collect();
    codes.join(" or ")
}
