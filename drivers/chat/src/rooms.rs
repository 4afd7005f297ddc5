//! Rooms: who is in them, what was said last, and how what is said reaches everybody.
//!
//! What is told to a room is encoded once, and compressed once, however many members there are and whichever of them agreed to
//! compression.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use sockless_tokio::sockless::deflate::{Broadcast, BroadcastMessage, DeflateOptions, Engines};
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// How many messages of a room a newcomer is shown.
const HISTORY: usize = 50;

/// How many messages may wait for a reader. Who is further behind is dropped, so that it holds up nobody.
const BEHIND: usize = 256;

/// How messages are compressed, where a client agrees.
pub(crate) const DEFLATE: DeflateOptions = DeflateOptions::new();

/// All rooms.
#[derive(Clone, Default)]
pub struct Rooms(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    rooms: HashMap<String, Room>,
    engines: Engines,
}

struct Room {
    members: HashMap<u64, Member>,
    /// What has been told to them, which later messages refer to.
    group: Broadcast,
    history: VecDeque<Value>,
    /// The number that the next member gets.
    next: u64,
}

struct Member {
    name: String,
    queue: Sender<BroadcastMessage>,
    dropped: Arc<Notify>,
}

/// A place in a room, which is left when this is dropped.
pub struct Place {
    rooms: Rooms,
    room: String,
    number: u64,
    name: String,
    /// What is to be sent to this member.
    pub news: Receiver<BroadcastMessage>,
    /// Notified once this member is too far behind.
    pub dropped: Arc<Notify>,
}

impl Rooms {
    /// Takes a place in a room. The first news are who is there and what was said.
    pub fn enter(&self, room: &str, name: &str) -> Place {
        let (queue, news) = channel(BEHIND);
        let dropped = Arc::new(Notify::new());
        let State { rooms, engines } = &mut *self.lock();
        let entered = rooms.entry(room.into()).or_default();
        let number = entered.next;
        entered.next += 1;
        let names: Vec<&str> = entered.members.values().map(|member| &*member.name).collect();
        let welcome = json!({"kind": "welcome", "present": names, "history": entered.history});
        let _ = queue.try_send(message(&mut Broadcast::new(&DEFLATE), &welcome, engines)); // it is empty
        let (name, room) = (String::from(name), String::from(room));
        let member = Member {
            name: name.clone(),
            queue,
            dropped: dropped.clone(),
        };
        entered.members.insert(number, member);
        entered.tell(&json!({"kind": "entered", "name": name}), engines);
        Place {
            rooms: self.clone(),
            room,
            number,
            name,
            news,
            dropped,
        }
    }

    /// What was said last, by room: to go on with after a restart.
    pub fn history(&self) -> Value {
        let rooms = &self.lock().rooms;
        rooms
            .iter()
            .map(|(name, room)| (name.clone(), json!(room.history)))
            .collect()
    }

    /// Puts back what [`history`](Self::history) returned. Whatever is something else is left out.
    pub fn restore(&self, history: &Value) {
        let rooms = &mut self.lock().rooms;
        for (name, said) in history.as_object().into_iter().flatten() {
            let said = said.as_array().into_iter().flatten().take(HISTORY).cloned();
            rooms.entry(name.clone()).or_default().history.extend(said);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done where a thread panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Says something to everybody in the room, oneself included.
    pub fn say(&self, text: &str) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let said = json!({"kind": "said", "name": self.name, "text": text, "at": at.as_millis() as u64});
        let State { rooms, engines } = &mut *self.rooms.lock();
        if let Some(room) = rooms.get_mut(&self.room) {
            room.tell(&said, engines);
            room.history.push_back(said);
            if room.history.len() > HISTORY {
                room.history.pop_front();
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let State { rooms, engines } = &mut *self.rooms.lock();
        if let Some(room) = rooms.get_mut(&self.room) {
            room.members.remove(&self.number);
            room.tell(&json!({"kind": "left", "name": self.name}), engines);
            if room.members.is_empty() && room.history.is_empty() {
                rooms.remove(&self.room);
            }
        }
    }
}

impl Default for Room {
    fn default() -> Self {
        Self {
            members: HashMap::new(),
            group: Broadcast::new(&DEFLATE),
            history: VecDeque::new(),
            next: 0,
        }
    }
}

impl Room {
    /// Puts a message into everybody's queue. Whoever's queue is full is dropped.
    fn tell(&mut self, news: &Value, engines: &mut Engines) {
        let message = message(&mut self.group, news, engines);
        for member in self.members.values() {
            if member.queue.try_send(message.clone()).is_err() {
                member.dropped.notify_one(); // whose task then leaves the place
            }
        }
    }
}

/// The next message of a group.
fn message(group: &mut Broadcast, news: &Value, engines: &mut Engines) -> BroadcastMessage {
    let message = group.message(&news.to_string(), engines);
    message.expect("memory for a message of some kilobytes")
}
