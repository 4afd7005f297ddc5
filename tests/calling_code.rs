//! How much code a server takes: what the README and the guide show.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

/// The lines of the code block that has `wanted` in it, but for blank ones.
fn lines(text: &str, wanted: &str) -> usize {
    let blocks = text.split("```").skip(1).step_by(2);
    let block = blocks.into_iter().find(|block| block.contains(wanted)).expect(wanted);
    block.lines().skip(1).filter(|line| !line.trim().is_empty()).count()
}

#[test]
fn an_echo_server_takes_25_lines_and_one_buffer_for_many_connections_40_more() {
    let readme = include_str!("../README.md");
    let echo = lines(readme, "TcpListener::bind");
    assert!((10..=25).contains(&echo), "{echo} lines");
    let guide = include_str!("../src/guide/integration.md");
    let many = lines(guide, "TcpListener::bind");
    assert!((10..=echo + 40).contains(&many), "{many} lines, and {echo} for one");
}
