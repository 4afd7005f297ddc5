//! Sessions that are kept from check to check, and what the model makes of them: a process may check many implementations.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::model::Reading;
use crate::rule::Role;
use crate::session::{Case, Session};
use crate::tables;

/// A session, and the reading once somebody has asked for it.
pub(super) struct Kept {
    session: Arc<Session>,
    reading: OnceLock<Reading>,
}

impl Kept {
    fn new(session: Arc<Session>) -> Arc<Self> {
        Arc::new(Self {
            session,
            reading: OnceLock::new(),
        })
    }

    pub(super) const fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(super) fn reading(&self) -> &Reading {
        self.reading.get_or_init(|| self.session.reading())
    }
}

/// The sessions of the tables, by case.
pub(super) type Tables = HashMap<Case, Vec<Arc<Kept>>>;

pub(super) fn tables(role: Role) -> &'static Tables {
    static SERVER: OnceLock<Tables> = OnceLock::new();
    static CLIENT: OnceLock<Tables> = OnceLock::new();
    let kept = match role {
        Role::Server => &SERVER,
        Role::Client => &CLIENT,
    };
    kept.get_or_init(|| {
        let mut tables = Tables::new();
        for session in tables::sessions(role) {
            let of_case = tables.entry(session.case).or_default();
            of_case.push(Kept::new(Arc::clone(session)));
        }
        tables
    })
}

/// What determines a session by chance: a seed, and a number.
type Origin = (u64, Role, Case, u32);

/// So many sessions by chance of each case are kept, with the first seed: as many as a check has by itself.
const BY_CHANCE: u32 = 24;

pub(super) fn by_chance(origin: Origin, make: impl FnOnce() -> Session) -> Arc<Kept> {
    static MADE: OnceLock<Mutex<HashMap<Origin, Arc<Kept>>>> = OnceLock::new();
    if origin.0 != 0 || origin.3 >= BY_CHANCE {
        return Kept::new(Arc::new(make()));
    }
    let made = || {
        MADE.get_or_init(Mutex::default)
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    };
    if let Some(kept) = made().get(&origin) {
        return Arc::clone(kept);
    }
    // Not while it is locked: to make one takes a while.
    let new = Kept::new(Arc::new(make()));
    Arc::clone(made().entry(origin).or_insert(new))
}
