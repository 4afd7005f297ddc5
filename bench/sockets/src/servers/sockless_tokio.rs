//! `sockless-tokio` at its defaults, with the loop of its README.

use std::net::TcpListener;

use sockless_tokio::Event;

use super::{Result, accept};

pub(super) fn serve(listener: TcpListener) -> Result {
    println!("{}", listener.local_addr()?);
    accept(listener, |stream| async {
        let mut ws = sockless_tokio::accept(stream).await?;
        while ws.ready().await? {
            while let Some((event, mut tx)) = ws.next_event()? {
                match event {
                    Event::Text(text) => tx.text(text)?,
                    Event::Binary(data) => tx.binary(data)?,
                    _ => {}
                }
            }
        }
        Ok(())
    })
}
