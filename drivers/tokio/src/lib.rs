//! WebSocket for tokio, on the state machine of `sockless`.
