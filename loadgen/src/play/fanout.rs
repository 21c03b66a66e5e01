//! Occupants write to rooms, and each occupant must get each message once, in the order of its sender.
//!
//! ```text
//! act JOIN: seat 0 of every room (which makes the room), then the other seats; act TALK: messages at a rate
//! number of a message: | room: 12 bits | place in the stream of this sender to this room: 20 bits |
//! ```
//! Every worker knows all seats, and has those of its own users. A room has few speakers and many listeners, as rooms
//! have: at most [`SPEAKERS_MAX`] occupants of each worker write, the others listen.
//!
//! Invariants: a user joins one room at a time; a message is due to all seats of its room, the sender's too.

use std::collections::VecDeque;

use super::Play;
use super::due::Due;
use crate::plan::{self, Plan, ROOMS_MAX};
use crate::protocol::{Client, Event, Mark, To};
use crate::record::{Count, Latency};
use crate::track::Track;
use crate::worker::{Part, Place, Stage};

/// The acts.
pub const JOIN: u32 = 0;
pub const TALK: u32 = 1;

/// Occupants of a room who write, of each worker.
const SPEAKERS_MAX: usize = 16;
/// Bits of a number for the place in a stream.
const STREAM_BITS: u32 = 20;
const _: () = assert!(ROOMS_MAX <= 1 << (u32::BITS - STREAM_BITS));
/// A room that refuses, because its owner has not opened it yet say, is tried again after this.
const RETRY_NS: u64 = 200_000_000;
/// So often.
const TRIES_MAX: u32 = 25;
/// A room that does not answer has refused.
const ANSWER_NS: u64 = 10_000_000_000;

const KEY_PACE: u32 = 0;
const KEY_JOIN: u32 = 1;
/// And above it: the number of the request.
const KEY_PATIENCE: u32 = 2;

/// See the module.
pub struct Fanout {
    plan: plan::Fanout,
    rooms: Vec<Room>,
    /// How many speakers each has.
    speakers: Vec<u32>,
    users: Vec<User>,
    /// Users who have a room to enter, and are not at it.
    queue: VecDeque<Place>,
    joining: u32,
    concurrency: u32,
    join_gap_ns: u64,
    join_next_ns: u64,
    /// Seats of this worker that are not taken yet.
    empty_seats: u64,
    joined: u64,
    due: Due<Task>,
    expected: u64,
    arrived: u64,
}

/// A room, and who of this worker writes in it.
struct Room {
    occupants: u32,
    speakers: Vec<Speaker>,
}

/// An occupant who writes.
#[derive(Clone, Copy)]
struct Speaker {
    place: Place,
    sent: u32,
}

#[derive(Default)]
struct User {
    /// Rooms to enter, first ones first.
    rooms: VecDeque<u32>,
    tries: u32,
    /// Counts requests, so that an old alarm is known.
    requests: u32,
    asked: bool,
    /// He makes a room by entering it.
    opens: bool,
    /// Sender, room, and what was heard from him there.
    heard: Vec<(u32, u32, Track)>,
}

#[derive(Clone, Copy)]
struct Task {
    room: u32,
    speaker: usize,
}

impl Fanout {
    pub fn new(fanout: &plan::Fanout, plan: &Plan, part: Part) -> Self {
        let share = f64::from(part.count) / f64::from(plan.users.count.max(1));
        let join_rate = fanout.join.per_s * share;
        let mut play = Self {
            plan: fanout.clone(),
            rooms: Vec::new(),
            speakers: Vec::new(),
            users: part.places().map(|_| User::default()).collect(),
            queue: VecDeque::new(),
            joining: 0,
            concurrency: (fanout.join.concurrency / part.workers).max(1),
            join_gap_ns: if join_rate > 0.0 { (1e9 / join_rate) as u64 } else { 0 },
            join_next_ns: 0,
            empty_seats: 0,
            joined: 0,
            due: Due::new(),
            expected: 0,
            arrived: 0,
        };
        play.seat(plan, part);
        play
    }

    /// Gives every room its occupants: the users in turn.
    fn seat(&mut self, plan: &Plan, part: Part) {
        let mut next = 0;
        for room in 0..self.plan.rooms {
            let occupants = self.plan.occupants_of(room);
            let mut speakers = Vec::new();
            for seat in 0..occupants {
                let user = plan.users.first + ((next + u64::from(seat)) % u64::from(plan.users.count)) as u32;
                let Some(place) = part.place(user) else { continue };
                let user = &mut self.users[place as usize];
                match seat {
                    0 => user.rooms.push_front(room),
                    _ => user.rooms.push_back(room),
                }
                user.opens |= seat == 0;
                self.empty_seats += 1;
                if speakers.len() < SPEAKERS_MAX {
                    speakers.push(Speaker { place, sent: 0 });
                }
            }
            next += u64::from(occupants);
            self.speakers.push(speakers.len() as u32);
            self.rooms.push(Room { occupants, speakers });
        }
    }

    /// As many joins as pace and concurrency allow.
    fn join<C: Client>(&mut self, stage: &mut Stage<C>) {
        let now_ns = stage.now_ns();
        while self.joining < self.concurrency && self.join_next_ns <= now_ns {
            let Some(place) = self.queue.pop_front() else { return };
            let user = &mut self.users[place as usize];
            let Some(room) = user.rooms.front().copied() else {
                continue;
            };
            if !stage.with(place, |client, common, out| client.join(common, room, out)) {
                // Gone, or its socket is full: with the others, later.
                self.queue.push_back(place);
                return stage.arm(now_ns + RETRY_NS, place, KEY_JOIN);
            }
            self.join_next_ns = self.join_next_ns.max(now_ns) + self.join_gap_ns;
            self.joining += 1;
            user.asked = true;
            user.requests += 1;
            stage.arm(now_ns + ANSWER_NS, place, KEY_PATIENCE + user.requests);
        }
        if !self.queue.is_empty() && self.join_next_ns > now_ns {
            stage.arm(self.join_next_ns, 0, KEY_JOIN);
        }
    }

    fn entered<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, room: u32) {
        let user = &mut self.users[place as usize];
        if !user.asked || user.rooms.front() != Some(&room) {
            return;
        }
        user.rooms.pop_front();
        (user.asked, user.tries) = (false, 0);
        self.joining -= 1;
        self.empty_seats -= 1;
        self.joined += 1;
        if !user.rooms.is_empty() {
            self.queue.push_back(place);
        }
        self.join(stage);
    }

    /// A room refused a user, or did not answer.
    fn refused<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, silent: bool) {
        let user = &mut self.users[place as usize];
        if !std::mem::take(&mut user.asked) {
            return;
        }
        self.joining -= 1;
        user.tries += 1;
        let hopeless = silent && self.joined == 0;
        if user.tries < TRIES_MAX && !hopeless {
            self.queue.push_back(place);
            stage.arm(stage.now_ns() + RETRY_NS, place, KEY_JOIN);
            return;
        }
        let seats = std::mem::take(&mut user.rooms).len() as u64;
        self.empty_seats -= seats;
        stage.count(Count::ErrorReplies, 1);
        let rooms = stage.plan().target.rooms();
        if self.joined == 0 {
            stage.give_up(format!(
                "no room at {rooms} lets anybody in: has this server rooms (XEP-0045)? If they are elsewhere, say so with \
                 --set target.rooms_domain=NAME"
            ));
        } else {
            stage.trouble(|| {
                format!("a room at {rooms} did not let a user in: is the number of its occupants limited?")
            });
        }
        self.join(stage);
    }

    fn talk<C: Client>(&mut self, stage: &mut Stage<C>) {
        let Self {
            rooms,
            speakers,
            due,
            expected,
            plan,
            ..
        } = self;
        let count = rooms.len() as u32;
        let choose = |stage: &mut Stage<C>| {
            // A worker with few users is not in every room.
            let mut lots = (0..4 * count).map(|_| stage.chance().below(count));
            let room = lots.find(|room| speakers[*room as usize] > 0)?;
            let speaker = stage.chance().below(speakers[room as usize]) as usize;
            Some(Task { room, speaker })
        };
        let say = |stage: &mut Stage<C>, task: Task, due_ns| {
            let room = &mut rooms[task.room as usize];
            let speaker = &mut room.speakers[task.speaker];
            let number = task.room << STREAM_BITS | speaker.sent;
            if speaker.sent >> STREAM_BITS != 0 {
                // He has said all that numbers allow.
                return true;
            }
            let bytes = plan.body_bytes.of(number);
            if !stage.send(speaker.place, To::Room(task.room), number, due_ns, bytes) {
                return false;
            }
            speaker.sent += 1;
            *expected += u64::from(room.occupants);
            true
        };
        due.run(stage, KEY_PACE, choose, say);
    }

    fn hear<C: Client>(&mut self, stage: &mut Stage<C>, place: Place, mark: Mark) {
        let (room, number) = (mark.number >> STREAM_BITS, mark.number & ((1 << STREAM_BITS) - 1));
        if room >= self.plan.rooms {
            return stage.count(Count::Damaged, 1);
        }
        let heard = &mut self.users[place as usize].heard;
        let known = heard
            .iter_mut()
            .find(|(sender, of, _)| (*sender, *of) == (mark.sender, room));
        let track = match known {
            Some((_, _, track)) => track,
            None => {
                heard.push((mark.sender, room, Track::default()));
                match heard.last_mut() {
                    Some((_, _, track)) => track,
                    None => return,
                }
            }
        };
        if track.seen(u64::from(number)) {
            self.arrived += 1;
            stage.count(Count::RoomReceived, 1);
            stage.latency(Latency::Room, stage.now_ns().saturating_sub(mark.stamp_ns));
        }
    }
}

impl<C: Client> Play<C> for Fanout {
    fn start(&mut self, stage: &mut Stage<C>, act: u32, at_ns: u64) {
        match act {
            JOIN => {
                // Who makes a room comes before those who find it there.
                let users = &self.users;
                let (first, others): (Vec<Place>, Vec<Place>) =
                    stage.part().places().partition(|place| users[*place as usize].opens);
                self.queue.extend(first.into_iter().chain(others));
                self.join(stage);
            }
            _ => {
                self.due.start(stage, self.plan.arrivals, self.plan.rate_per_s, at_ns);
                self.talk(stage);
            }
        }
    }

    fn event(&mut self, stage: &mut Stage<C>, place: Place, event: Event) {
        match event {
            Event::Room(mark) if stage.is_ours(mark) => self.hear(stage, place, mark),
            Event::Joined { room } => self.entered(stage, place, room),
            Event::NotJoined => self.refused(stage, place, false),
            Event::Damaged => stage.count(Count::Damaged, 1),
            Event::Bounced => stage.count(Count::ErrorReplies, 1),
            _ => {}
        }
    }

    fn alarm(&mut self, stage: &mut Stage<C>, place: Place, key: u32) {
        match key {
            KEY_PACE => self.talk(stage),
            KEY_JOIN => self.join(stage),
            key => {
                let user = &self.users[place as usize];
                if user.asked && user.requests == key - KEY_PATIENCE {
                    self.refused(stage, place, true);
                }
            }
        }
    }

    fn left(&mut self, stage: &mut Stage<C>, place: Place, _: bool) {
        // Nobody who has left will enter.
        let user = &mut self.users[place as usize];
        self.joining -= u32::from(std::mem::take(&mut user.asked));
        self.empty_seats -= user.rooms.len() as u64;
        user.rooms.clear();
        self.join(stage);
    }

    fn rate(&mut self, stage: &mut Stage<C>, per_s: f64) {
        self.due.change(stage, per_s);
        self.talk(stage);
    }

    fn stop(&mut self, _: &mut Stage<C>) {
        self.due.stop();
    }

    fn finish(&mut self, stage: &mut Stage<C>) {
        for (_, _, track) in self.users.iter().flat_map(|user| &user.heard) {
            stage.count(Count::Duplicated, track.wrong().duplicated);
            stage.count(Count::Reordered, track.wrong().reordered);
        }
    }

    fn balance(&self) -> (u64, u64) {
        (self.expected + self.due.overdue(), self.arrived)
    }

    fn is_finished(&self, _: &Stage<C>) -> bool {
        self.empty_seats == 0
    }
}
