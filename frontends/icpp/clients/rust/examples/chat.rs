//! A chat in the terminal.
//!
//! ```sh
//! cargo run -p crosspoint-client --example chat -- icpp://127.0.0.1:5299 juliet@localhost secret [certificate.pem]
//! ```
//! A line is sent to whom `/to` has named. `/help` shows the commands.

use std::process::ExitCode;

use crosspoint_client::Client;
use crosspoint_client::codec::presence::Show;
use crosspoint_client::core::{Asked, Event, Incoming, Outgoing, Shown};
use tokio::io::{AsyncBufReadExt, BufReader};

const HELP: &str = "/to ADDRESS     whom the lines that follow are for
/roster         contacts, and what they show
/add ADDRESS    asks to see somebody's presence
/yes ADDRESS    lets somebody see ours
/block ADDRESS  hears no more of somebody
/history        what was said with him
/away TEXT      shows that we are away; without a text: that we are there
/quit";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            // The runtime would wait for the line that is being read.
            std::process::exit(1)
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, account, password, more @ ..] = &arguments[..] else {
        return Err("chat URL ACCOUNT PASSWORD [CERTIFICATE.pem]".into());
    };
    let mut builder = Client::builder().urls([url]).account(account).password(password);
    if let Some(certificate) = more.first() {
        builder = builder.trust(certificate);
    }
    let client = builder.connect().await?;
    println!("{} is here. /help shows the commands.", client.address());
    let (mut messages, mut events, mut presences) = (client.messages(), client.events(), client.presences());
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut to = String::new();
    loop {
        tokio::select! {
            Some(incoming) = messages.next() => hear(&client, &mut to, incoming),
            Some(event) = events.next() => {
                tell(&event);
                if let Event::Ended(last) = event {
                    return Err(last.into());
                }
            }
            Some(shown) = presences.next() => println!("* {}", presence(&shown)),
            line = lines.next_line() => match line? {
                Some(line) if line != "/quit" => {
                    if let Err(error) = act(&client, &mut to, &line).await {
                        println!("! {error}");
                    }
                }
                _ => break,
            },
            else => break,
        }
    }
    client.drain().await;
    Ok(())
}

fn hear(client: &Client, to: &mut String, incoming: Incoming) {
    match incoming {
        Incoming::Message(message) => {
            println!("{}: {}", message.sender(), message.text());
            if to.is_empty() {
                message.sender().clone_into(to);
            }
            if message.receipt_wanted {
                let client = client.clone();
                tokio::spawn(async move { client.receipt(&message, true).await });
            }
        }
        Incoming::Returned(message) => println!("! came back from {}: {}", message.from, message.text()),
        Incoming::Edited(message) => println!("{} corrects: {}", message.sender(), message.text()),
        Incoming::Recalled(message) => println!("{} takes something back", message.sender()),
        Incoming::Activity { from, activity } => println!("* {from}: {activity:?}"),
        Incoming::Subscription {
            from,
            asked: Asked::Subscribe,
            note,
        } => println!("* {from} asks to see when you are here: /yes {from}   {note}"),
        Incoming::Subscription { from, asked, .. } => println!("* {from}: {asked:?}"),
        Incoming::Room { verb, .. } => println!("* a room: {verb:?}"),
        Incoming::Delivered(_) | Incoming::Displayed(_) => {}
    }
}

fn tell(event: &Event) {
    match event {
        Event::Synced | Event::RosterChanged(_) => {}
        Event::Disconnected(ending) => println!("* {ending}"),
        event => println!("* {event:?}"),
    }
}

fn presence(shown: &Shown) -> String {
    format!("{} is {:?} {}", shown.address, shown.show, shown.status)
}

async fn act(client: &Client, to: &mut String, line: &str) -> Result<(), Box<dyn std::error::Error>> {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    match command {
        "" => {}
        "/help" => println!("{HELP}"),
        "/to" => rest.clone_into(to),
        "/add" => client.subscribe(rest, "")?,
        "/yes" => client.approve(rest)?,
        "/block" => client.block(&[rest]).await?,
        "/away" if rest.is_empty() => client.set_presence(Show::Available, 0, "")?,
        "/away" => client.set_presence(Show::Away, 0, rest)?,
        "/roster" => {
            for contact in client.roster() {
                println!("* {} {} {:?}", contact.address, contact.name, contact.subscribed);
                for shown in client.presence_of(&contact.address) {
                    println!("    {}", presence(&shown));
                }
            }
        }
        "/history" => {
            let page = client.history(to, 0, 20).await?;
            // Receipts, edits and recalls are there, too.
            for message in page.messages.iter().filter(|message| message.verb.is_none()) {
                println!("{}: {}", message.sender(), message.text());
            }
        }
        _ if line.starts_with('/') => println!("{HELP}"),
        _ if to.is_empty() => println!("! /to ADDRESS, first"),
        _ => {
            // In the outbox, in the order in which the lines were written; nobody waits, so what arrives meanwhile is shown.
            let sent = client.post(&Outgoing::chat(to, line))?;
            tokio::spawn(async move {
                if let Err(error) = sent.await {
                    println!("! not sent: {error}");
                }
            });
        }
    }
    Ok(())
}
