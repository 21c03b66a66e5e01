//! A client for scripts: lines go in, lines come out.
//!
//! ```sh
//! cargo run -p crosspoint-client --example pipe -- juliet@localhost secret icpp://127.0.0.1:5299 [URL ...] [--state FILE] [--trust FILE]
//! ```
//! A line `ADDRESS TEXT` is a message. `/join ROOM NICK` enters a room. `/stop` takes nothing more of what arrives, `/take` goes on; `/drain` and the end of the input wait
//! until all is accepted, and end; `/close` ends at once. What comes out:
//!
//! ```text
//! queued N                   the Nth message, counted from 1, is in the outbox, and in the file if there is one
//! accepted N                 it is on the server's disk
//! failed N WHY
//! from SENDER TEXT           a message; back ADDRESS TEXT: one of ours that came back
//! connected ADDRESS NODE     a new session; resumed ADDRESS NODE: the earlier one
//! event WHAT
//! ```

use std::process::ExitCode;

use crosspoint_client::core::{Event, Incoming, Outgoing};
use crosspoint_client::{Client, FileStore};
use tokio::io::{AsyncBufReadExt, BufReader};

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pipe: {error}");
            // The runtime would wait for the line that is being read.
            std::process::exit(1)
        }
    }
}

async fn run() -> Result<(), Failure> {
    // Without waiting for a session: what is sent before goes when there is one.
    let client = client()?;
    let (mut messages, mut events) = (client.messages(), client.events());
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let (mut takes, mut number) = (true, 0);
    loop {
        tokio::select! {
            Some(event) = events.next() => {
                tell(&event);
                if let Event::Ended(last) = event {
                    return Err(last.into());
                }
            }
            Some(incoming) = messages.next(), if takes => hear(&incoming),
            line = lines.next_line() => match line?.as_deref() {
                None | Some("/drain") => break client.drain().await,
                Some("/close") => break client.close().await,
                Some("/stop") => takes = false,
                Some("/take") => takes = true,
                Some(line) if line.starts_with("/join ") => join(&client, line)?,
                Some(line) => {
                    number += 1;
                    say(&client, line, number);
                }
            },
        }
    }
    Ok(())
}

fn client() -> Result<Client, Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(account), Some(password)) = (arguments.next(), arguments.next()) else {
        return Err("pipe ACCOUNT PASSWORD URL ... [--state FILE] [--trust FILE]".into());
    };
    let mut builder = Client::builder().account(&account).password(&password);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} of what?"));
        builder = match argument.as_str() {
            "--state" => builder.state(FileStore::open(value()?)?),
            "--trust" => builder.trust(value()?),
            url => builder.urls([url]),
        };
    }
    Ok(builder.start()?)
}

fn join(client: &Client, line: &str) -> Result<(), Failure> {
    let mut words = line.split(' ').skip(1);
    let (Some(room), Some(nick)) = (words.next(), words.next()) else {
        return Err("/join ROOM NICK".into());
    };
    Ok(client.room(room).join(nick)?)
}

fn say(client: &Client, line: &str, number: u64) {
    let (to, text) = line.split_once(' ').unwrap_or((line, ""));
    match client.post(&Outgoing::chat(to, text)) {
        Err(error) => println!("failed {number} {error}"),
        Ok(sent) => {
            println!("queued {number}");
            tokio::spawn(async move {
                match sent.await {
                    Ok(_) => println!("accepted {number}"),
                    Err(error) => println!("failed {number} {error}"),
                }
            });
        }
    }
}

fn hear(incoming: &Incoming) {
    match incoming {
        Incoming::Message(message) => println!("from {} {}", message.from, message.text()),
        Incoming::Returned(message) => println!("back {} {}", message.from, message.text()),
        _ => {}
    }
}

fn tell(event: &Event) {
    match event {
        Event::Connected { address, node } => println!("connected {address} {node}"),
        Event::Resumed { address, node } => println!("resumed {address} {node}"),
        Event::Disconnected(ending) => println!("event disconnected: {ending}"),
        event => println!("event {event:?}"),
    }
}
