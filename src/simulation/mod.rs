//! A simulated network, to test drivers and deadlines: a connection like one of TCP between two endpoints, with a virtual
//! clock. Hours pass in milliseconds, and a failing run is one seed.
//!
//! [`Network`] has two ends and two directions, each with its latency, rate, window and cuts, and [faults](Fault): stalls,
//! ends that are stopped, half-closes, resets. [`run`] runs an [`Endpoint`] at each end: a driver of yours over the
//! [`Socket`], a [`Driver`] of the machines with buffers, or a [`Script`].
//!
//! A client that is not heard of any more is closed in time:
//!
//! ```
//! use sockless::simulation::{Act, Application, Driver, Line, Network, Script, run};
//! use sockless::timers::{Deadline, Moment};
//! use sockless::{BufferedConnection, Connection, Event, Limits, Server, Tx, WriteBuffer};
//! use std::time::Duration;
//!
//! struct Echo;
//!
//! impl Application<Server> for Echo {
//!     fn event(&mut self, _: Moment, event: Event<'_>, tx: &mut Tx<'_, Server, WriteBuffer>) {
//!         if let Event::Text(text) = event {
//!             let _ = tx.text(text);
//!         }
//!     }
//!
//!     fn idle(&mut self, _: Moment, _: &mut BufferedConnection<Server>) -> Option<Duration> {
//!         None
//!     }
//! }
//!
//! let ws = BufferedConnection::new(Connection::new(Server, &Limits::default()));
//! let mut server = Driver::new(ws, Echo);
//! let mut silent = Script::new().at(Moment::START, Act::Read(false));
//! let mut network = Network::new(1, [Line::QUICK; 2]);
//! let outcome = run(&mut network, &mut server, &mut silent, Moment::START + Duration::from_secs(3600));
//! // 20 s of silence, a Ping, 20 s for the Pong, 10 s for the answer to the Close.
//! assert_eq!(outcome.done[0], Some(Moment::START + Duration::from_secs(50)));
//! assert_eq!(server.ws.timers().and_then(|timers| timers.passed()), Some(Deadline::Pong));
//! ```

mod driver;
mod network;
mod random;
mod run;
mod script;

pub use driver::{Application, ClientEnd, Driver, ServerEnd};
pub use network::{Fault, Line, Network, Side, Socket};
pub use random::Random;
pub use run::{Endpoint, Outcome, Step, run};
pub use script::{Act, Script};
