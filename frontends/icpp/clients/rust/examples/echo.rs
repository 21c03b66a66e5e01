//! An echo bot: says everything back to whoever said it.
//!
//! ```sh
//! cargo run -p crosspoint-client --example echo -- icpp://127.0.0.1:5299 echo@localhost secret [state-file] [certificate.pem]
//! ```
//! With a state file it may be killed at any time: nothing that was said to it stays without an answer, and nothing is answered
//! twice, except for a message that it was killed over.

use std::process::ExitCode;

use crosspoint_client::core::{Asked, Event, Incoming};
use crosspoint_client::{Client, FileStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, account, password, more @ ..] = &arguments[..] else {
        return Err("echo URL ACCOUNT PASSWORD [STATE-FILE] [CERTIFICATE.pem]".into());
    };
    let mut builder = Client::builder().urls([url]).account(account).password(password);
    if let Some(path) = more.first() {
        builder = builder.state(FileStore::open(path)?);
    }
    if let Some(certificate) = more.get(1) {
        builder = builder.trust(certificate);
    }
    let client = builder.connect().await?;
    println!("{} echoes", client.address());

    let mut events = client.events();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                Event::RosterChanged(_) => {}
                Event::Disconnected(ending) => println!("* {ending}"),
                event => println!("* {event:?}"),
            }
        }
    });

    let mut messages = client.messages();
    while let Some(incoming) = messages.next().await {
        match incoming {
            // What another session of ours sent or received is its business.
            Incoming::Message(message) if message.copy.is_none() => {
                println!("{}: {}", message.from, message.text());
                client.send(&message.from, &message.text()).await?;
            }
            Incoming::Subscription {
                from,
                asked: Asked::Subscribe,
                ..
            } => client.approve(&from)?,
            _ => {}
        }
    }
    Err(client.ended().await.into())
}
