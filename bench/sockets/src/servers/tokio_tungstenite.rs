//! `tokio-tungstenite`, at its defaults, with the loop of its own example: its stream is forwarded to its sink, which is flushed
//! once nothing more is there to read.

use std::future::ready;
use std::net::TcpListener;

use futures_util::{StreamExt, TryStreamExt};

use super::{Result, accept};

pub(super) fn serve(listener: TcpListener) -> Result {
    println!("{}", listener.local_addr()?);
    accept(listener, |stream| async {
        let (write, read) = tokio_tungstenite::accept_async(stream).await?.split();
        let messages = read.try_filter(|message| ready(message.is_text() || message.is_binary()));
        Ok(messages.forward(write).await?)
    })
}
