//! `tokio-websockets`, at its defaults. What has been received is fed back, and flushed once nothing more is there.

use std::net::TcpListener;

use futures_util::{FutureExt, SinkExt, StreamExt};

use super::{Result, accept};

pub(super) fn serve(listener: TcpListener) -> Result {
    println!("{}", listener.local_addr()?);
    accept(listener, |stream| async {
        let (_, mut ws) = tokio_websockets::ServerBuilder::new().accept(stream).await?;
        while let Some(message) = ws.next().await {
            let mut next = Some(message);
            while let Some(message) = next {
                let message = message?;
                if message.is_text() || message.is_binary() {
                    ws.feed(message).await?;
                }
                next = ws.next().now_or_never().flatten();
            }
            ws.flush().await?;
        }
        Ok(())
    })
}
