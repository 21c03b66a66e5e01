//! What applications call.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crosspoint_icpp::codec::presence::Show;
use crosspoint_icpp::codec::rooms::tag;
use crosspoint_icpp::codec::{MessageId, Verb};
use tokio::sync::{oneshot, watch};

use super::builder::Builder;
use super::room::Room;
use super::streams::{Events, Messages, Presences};
use super::{RequestFailed, SendError, Shared, State, fresh_id};
use crate::core::{
    Activity, AddressList, Answer, Contact, Core, Ending, Final, ListChange, Outgoing, Received, Refused, RequestId,
    RoomList, Shown, Subscribe, ToRoom,
};

/// One user's client. Clones are handles to the same one; when the last is dropped, it says goodbye and ends.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    /// The task ends when all of these are gone; when it has, they are closed.
    handle: Arc<watch::Sender<()>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Client({})", self.address())
    }
}

/// A message that is in the outbox. Awaited, it gives its id once the server has accepted it; dropped, it is sent all the same.
#[derive(Debug)]
pub struct Sent {
    id: MessageId,
    accepted: oneshot::Receiver<Result<(), SendError>>,
}

impl Sent {
    /// The id of the message: edits and recalls name it, receipts refer to it.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.id
    }
}

impl Future for Sent {
    type Output = Result<MessageId, SendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match ready!(Pin::new(&mut self.accepted).poll(context)) {
            Ok(result) => Poll::Ready(result.map(|()| self.id)),
            Err(_) => Poll::Ready(Err(SendError::Refused(Refused::Ended))),
        }
    }
}

/// A page of what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Oldest first.
    pub messages: Vec<Received>,
    /// The bound for the next page.
    pub bound: u64,
    /// Whether there is one.
    pub more: bool,
}

impl Client {
    pub(super) fn new(shared: Arc<Shared>, handle: watch::Sender<()>) -> Client {
        Client {
            shared,
            handle: Arc::new(handle),
        }
    }

    /// Says who the client is; then [`Builder::connect`] or [`Builder::start`].
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Waits until there is a session.
    ///
    /// Errors: why there will be none.
    pub async fn wait_for_session(&self) -> Result<(), Final> {
        loop {
            let news = self.shared.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            let (in_session, ended) = self
                .shared
                .quietly(|state| (state.core.in_session(), state.core.ended().cloned()));
            match (in_session, ended) {
                (true, _) => return Ok(()),
                (_, Some(last)) => return Err(last),
                _ => news.await,
            }
        }
    }

    /// Messages and all that belongs to them. Keep a handle of the client beside it: the stream ends when the client does.
    #[must_use]
    pub fn messages(&self) -> Messages {
        Messages::new(self.shared.clone())
    }

    /// Changes of presence.
    #[must_use]
    pub fn presences(&self) -> Presences {
        Presences {
            shared: self.shared.clone(),
        }
    }

    /// What happens to the connection.
    #[must_use]
    pub fn events(&self) -> Events {
        Events {
            shared: self.shared.clone(),
        }
    }

    /// Sends text to a bare or full address. Returns its id once the server has accepted it: from then on it cannot be lost.
    ///
    /// Without a connection it waits. The message is in the outbox from the first poll on: whoever drops the future after that only does not
    /// hear of it, and the message is sent. [`Client::post`] does not have to be polled.
    ///
    /// Errors: it was refused at once, or the client ended before.
    pub async fn send(&self, to: &str, text: &str) -> Result<MessageId, SendError> {
        self.send_message(&Outgoing::chat(to, text)).await
    }

    /// The same, for a message of any kind.
    pub async fn send_message(&self, message: &Outgoing) -> Result<MessageId, SendError> {
        self.post(message)?.await
    }

    /// Puts a message into the outbox, at once, and returns what can be awaited: its acceptance. It need not be: the message is sent.
    ///
    /// Errors: it was refused; [`Refused::Full`] until the server has accepted some of what waits.
    pub fn post(&self, message: &Outgoing) -> Result<Sent, Refused> {
        self.queue(|core, id| core.send(id, message))
    }

    /// Replaces the payload of an earlier message of ours.
    pub async fn edit(&self, to: &str, earlier: MessageId, text: &str) -> Result<MessageId, SendError> {
        let message = Outgoing::chat(to, text);
        self.queue(|core, id| core.edit(id, earlier, message))?.await
    }

    /// Takes an earlier message of ours back.
    pub async fn recall(&self, to: &str, earlier: MessageId) -> Result<MessageId, SendError> {
        self.queue(|core, id| core.recall(id, earlier, to))?.await
    }

    /// Says that a message has arrived, or has been seen by a person.
    pub async fn receipt(&self, of: &Received, displayed: bool) -> Result<MessageId, SendError> {
        self.queue(|core, id| core.receipt(id, of, displayed))?.await
    }

    pub(super) fn queue(
        &self,
        call: impl FnOnce(&mut Core, MessageId) -> Result<(), Refused>,
    ) -> Result<Sent, Refused> {
        let id = fresh_id();
        self.shared.with(|state| {
            let (sender, accepted) = oneshot::channel();
            call(&mut state.core, id)?;
            state.accepting.insert(id, sender);
            Ok(Sent { id, accepted })
        })
    }

    /// Says what the user is doing in a conversation. May be lost.
    pub fn activity(&self, to: &str, activity: Activity) -> Result<(), Refused> {
        self.shared.with(|state| state.core.activity(fresh_id(), to, activity))
    }

    /// The full address of the session; empty before the first one.
    #[must_use]
    pub fn address(&self) -> String {
        self.look(|core| core.address().to_owned())
    }

    /// The contacts, as far as they are known: complete soon after [`crate::core::Event::Connected`].
    #[must_use]
    pub fn roster(&self) -> Vec<Contact> {
        self.look(|core| core.roster().cloned().collect())
    }

    /// What the sessions of a bare address show.
    #[must_use]
    pub fn presence_of(&self, address: &str) -> Vec<Shown> {
        self.look(|core| core.presence_of(address).cloned().collect())
    }

    /// How the last connection ended, or why none was made.
    #[must_use]
    pub fn last_ending(&self) -> Option<Ending> {
        self.look(|core| core.last_ending().cloned())
    }

    /// How much waits for the server to accept it.
    #[must_use]
    pub fn outbox_len(&self) -> usize {
        self.look(|core| core.outbox_len())
    }

    fn look<T>(&self, look: impl FnOnce(&Core) -> T) -> T {
        self.shared.quietly(|state| look(&state.core))
    }

    /// What this session shows from now on.
    pub fn set_presence(&self, show: Show, priority: i8, status: &str) -> Result<(), Refused> {
        self.shared
            .with(|state| state.core.set_presence(show, priority, status))
    }

    /// Shows something to one address alone; not again after a new login.
    ///
    /// Errors: [`Refused::NotConnected`] without a session.
    pub fn show_to(&self, address: &str, show: Show, priority: i8, status: &str) -> Result<(), Refused> {
        self.shared
            .with(|state| state.core.show_to(address, show, priority, status))
    }

    /// Nobody looks: slower heartbeats, no typing, presence later.
    pub fn background(&self) {
        self.shared.with(|state| state.core.set_background(true));
    }

    /// Somebody looks again.
    pub fn foreground(&self) {
        self.shared.with(|state| state.core.set_background(false));
    }

    /// Asks to see somebody's presence; `note` is a word with it. Like all of these, it goes by the outbox.
    pub fn subscribe(&self, address: &str, note: &str) -> Result<(), Refused> {
        self.subscription(address, Subscribe::Ask, note)
    }

    /// Gives somebody's presence up.
    pub fn unsubscribe(&self, address: &str) -> Result<(), Refused> {
        self.subscription(address, Subscribe::GiveUp, "")
    }

    /// Lets somebody see our presence.
    pub fn approve(&self, address: &str) -> Result<(), Refused> {
        self.subscription(address, Subscribe::Approve, "")
    }

    /// Does not, or not any more.
    pub fn deny(&self, address: &str) -> Result<(), Refused> {
        self.subscription(address, Subscribe::Deny, "")
    }

    fn subscription(&self, address: &str, what: Subscribe, note: &str) -> Result<(), Refused> {
        self.shared.with(|state| state.core.subscribe(address, what, note))
    }

    /// Adds a contact, or changes its name and groups. Returns once it is durable.
    pub async fn set_contact(&self, address: &str, name: &str, groups: &[&str]) -> Result<(), RequestFailed> {
        self.ask(|core| core.set_contact(address, name, groups)).await.map(drop)
    }

    /// Removes a contact, and subscriptions with it.
    pub async fn remove_contact(&self, address: &str) -> Result<(), RequestFailed> {
        self.ask(|core| core.remove_contact(address)).await.map(drop)
    }

    /// Puts addresses on the black list: bare, full, or domains.
    pub async fn block(&self, addresses: &[&str]) -> Result<(), RequestFailed> {
        self.change_list(AddressList::Black, ListChange::Add(addresses)).await
    }

    /// Takes addresses off the black list.
    pub async fn unblock(&self, addresses: &[&str]) -> Result<(), RequestFailed> {
        self.change_list(AddressList::Black, ListChange::Remove(addresses))
            .await
    }

    /// The black list.
    pub async fn blocked(&self) -> Result<Vec<String>, RequestFailed> {
        match self.ask(|core| core.list(AddressList::Black)).await? {
            Answer::Addresses { addresses, .. } => Ok(addresses),
            _ => Ok(Vec::new()),
        }
    }

    /// Puts addresses on the white list.
    pub async fn allow(&self, addresses: &[&str]) -> Result<(), RequestFailed> {
        self.change_list(AddressList::White, ListChange::Add(addresses)).await
    }

    /// Whether only who is on the white list, or a contact, reaches the user from now on.
    pub async fn allow_only(&self, only: bool) -> Result<(), RequestFailed> {
        let change = if only { ListChange::On } else { ListChange::Off };
        self.change_list(AddressList::White, change).await
    }

    /// Takes addresses off the white list.
    pub async fn disallow(&self, addresses: &[&str]) -> Result<(), RequestFailed> {
        self.change_list(AddressList::White, ListChange::Remove(addresses))
            .await
    }

    /// The white list, and whether it is in force.
    pub async fn allowed(&self) -> Result<(Vec<String>, bool), RequestFailed> {
        match self.ask(|core| core.list(AddressList::White)).await? {
            Answer::Addresses { addresses, in_force } => Ok((addresses, in_force == Some(true))),
            _ => Ok((Vec::new(), false)),
        }
    }

    /// Any change to either list.
    pub async fn change_list(&self, list: AddressList, change: ListChange<'_>) -> Result<(), RequestFailed> {
        self.ask(|core| core.change_list(list, change)).await.map(drop)
    }

    /// A page of what was said with somebody (a bare address) or with all (empty): before `bound`, 0 for the newest.
    pub async fn history(&self, with: &str, bound: u64, limit: u16) -> Result<Page, RequestFailed> {
        self.history_page(with, bound, limit, false).await
    }

    /// The same, after `bound`: 0 for the oldest.
    pub async fn history_after(&self, with: &str, bound: u64, limit: u16) -> Result<Page, RequestFailed> {
        self.history_page(with, bound, limit, true).await
    }

    /// A room, to enter and speak in. Nothing is said by this.
    #[must_use]
    pub fn room(&self, address: &str) -> Room {
        Room::new(self.clone(), address)
    }

    /// A page of the public rooms: behind this address, or (empty) the first ones.
    pub async fn rooms(&self, after: &str, limit: u16) -> Result<RoomList, RequestFailed> {
        let mut asked = ToRoom::new(Verb::Rooms, "").with(tag::LIMIT, &limit.to_le_bytes());
        if !after.is_empty() {
            asked = asked.text(tag::AFTER, after);
        }
        let answer = self.ask_room(&asked).await?;
        Ok(RoomList::read(&answer).unwrap_or_default())
    }

    /// Says something to a room: [`ToRoom::join`] and the like. What it answers arrives as [`Incoming::Room`](crate::core::Incoming::Room).
    pub fn tell_room(&self, said: &ToRoom) -> Result<(), Refused> {
        self.shared.with(|state: &mut State| state.core.tell_room(said))
    }

    /// Asks a room something; the answer's extensions, to be read by `codec::rooms::Body::answer`.
    pub async fn ask_room(&self, asked: &ToRoom) -> Result<Vec<u8>, RequestFailed> {
        match self.ask(|core| core.ask_room(asked)).await? {
            Answer::Room(body) => Ok(body),
            _ => Err(RequestFailed::Ended),
        }
    }

    pub(super) async fn room_history(
        &self,
        room: &str,
        bound: u64,
        limit: u16,
        forwards: bool,
    ) -> Result<Page, RequestFailed> {
        match self.ask(|core| core.room_history(room, bound, limit, forwards)).await? {
            Answer::History { messages, bound, more } => Ok(Page { messages, bound, more }),
            _ => Err(RequestFailed::Ended),
        }
    }

    async fn history_page(&self, with: &str, bound: u64, limit: u16, forwards: bool) -> Result<Page, RequestFailed> {
        match self.ask(|core| core.history(with, bound, limit, forwards)).await? {
            Answer::History { messages, bound, more } => Ok(Page { messages, bound, more }),
            _ => Err(RequestFailed::Ended),
        }
    }

    async fn ask(&self, call: impl FnOnce(&mut Core) -> Result<RequestId, Refused>) -> Result<Answer, RequestFailed> {
        let answer = self.shared.with(|state: &mut State| {
            let id = call(&mut state.core)?;
            let (sender, receiver) = oneshot::channel();
            state.answering.insert(id, sender);
            Ok::<_, Refused>(receiver)
        })?;
        match answer.await {
            Ok(result) => result.map_err(RequestFailed::Failed),
            Err(_) => Err(RequestFailed::Ended),
        }
    }

    /// Takes nothing more, waits until the server has accepted everything, and says goodbye.
    pub async fn drain(&self) {
        self.shared.with(|state| state.core.leave());
        self.handle.closed().await;
    }

    /// Says goodbye at once. What the server has not accepted stays in the store.
    pub async fn close(&self) {
        self.shared.with(|state| state.core.close());
        self.handle.closed().await;
    }

    /// Waits for the end; why it came.
    pub async fn ended(&self) -> Final {
        loop {
            let news = self.shared.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if let Some(last) = self.shared.quietly(|state| state.core.ended().cloned()) {
                return last;
            }
            news.await;
        }
    }
}
