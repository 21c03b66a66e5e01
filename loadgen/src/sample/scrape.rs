//! Asks the server's page of figures once a second, on a thread of its own, and keeps what it says shard by shard.
//!
//! Invariants: what is asked and what is kept is bounded ([`PAGE_BYTES_MAX`], [`SCRAPES_MAX`]); a page that fails to
//! come leaves a hole, not an error, except the first one.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::prometheus::{ByShard, Kind, by_shard};
use super::url::Url;

/// How often, and how long a page may take.
const EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(2);
/// The largest page that is read.
const PAGE_BYTES_MAX: u64 = 16 << 20;
/// A day of seconds: longer runs keep the first day.
const SCRAPES_MAX: usize = 86_400;

/// The server's own figures over time, by shard. `metrics.*.shards.*[i]` is of the second that ends at `at_s[i]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shards {
    /// The page they were read from.
    pub url: String,
    /// Seconds since the run began.
    pub at_s: Vec<f64>,
    /// By the names that the server gives them.
    pub metrics: BTreeMap<String, ShardsMetric>,
}

/// One figure, for each shard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardsMetric {
    pub form: Form,
    pub help: String,
    /// `null` where the page did not come.
    pub shards: BTreeMap<u32, Vec<Option<f64>>>,
}

/// How to read a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A counter, as its growth a second.
    PerSecond,
    /// As it stood at that moment.
    Level,
}

/// A page, and when it was read.
type Scrape = (f64, BTreeMap<String, ByShard>);

/// The thread that asks.
#[derive(Debug)]
pub struct Scraper {
    url: String,
    stop: Sender<()>,
    thread: JoinHandle<Vec<Scrape>>,
}

impl Scraper {
    /// Reads the page once, and once a second from then on. `started` is when the run's clock began.
    pub fn start(text: &str, started: Instant) -> Result<Self> {
        let url = Url::parse(text)?;
        let first = get(&url).with_context(|| format!("the server's figures at {text}"))?;
        let first = (started.elapsed().as_secs_f64(), by_shard(&first));
        let (stop, stopped) = mpsc::channel();
        let run = move || {
            let mut scrapes = vec![first];
            while scrapes.len() < SCRAPES_MAX && stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                if let Ok(page) = get(&url) {
                    scrapes.push((started.elapsed().as_secs_f64(), by_shard(&page)));
                }
            }
            scrapes
        };
        let thread = thread::Builder::new()
            .name("scraper".to_owned())
            .spawn(run)
            .context("the scraper's thread")?;
        Ok(Self {
            url: text.to_owned(),
            stop,
            thread,
        })
    }

    /// Ends the thread; `None` if no page held figures by shard.
    pub fn finish(self) -> Option<Shards> {
        // It fails only if the thread has gone by itself, after a day.
        let _ = self.stop.send(());
        let scrapes = self.thread.join().ok()?;
        Some(shards(self.url, &scrapes)).filter(|shards| !shards.metrics.is_empty())
    }
}

/// One GET on a connection of its own (RFC 9112); the body of a 200.
fn get(url: &Url) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&url.addr, PATIENCE).context("connect")?;
    stream.set_read_timeout(Some(PATIENCE)).context("set a timeout")?;
    stream.set_write_timeout(Some(PATIENCE)).context("set a timeout")?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nAccept: text/plain;version=0.0.4\r\nConnection: close\r\n\r\n",
        url.path, url.host
    );
    stream.write_all(request.as_bytes()).context("ask")?;
    let mut answer = Vec::new();
    stream
        .take(PAGE_BYTES_MAX)
        .read_to_end(&mut answer)
        .context("read the answer")?;
    body(&answer)
}

fn body(answer: &[u8]) -> Result<String> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    if status.split_ascii_whitespace().nth(1) != Some("200") {
        bail!("the server answered {status:?}");
    }
    let chunked = lines.any(|line| {
        line.split_once(':').is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("transfer-encoding") && value.trim().eq_ignore_ascii_case("chunked")
        })
    });
    if !chunked {
        return Ok(body.to_owned());
    }
    // Sizes count bytes of what was sent, not of what was made readable.
    let start = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map_or(answer.len(), |at| at + 4);
    unchunk(&answer[start..])
}

/// Puts chunks together (RFC 9112 section 7.1).
fn unchunk(mut bytes: &[u8]) -> Result<String> {
    let mut whole = Vec::new();
    loop {
        let end = bytes
            .windows(2)
            .position(|two| two == b"\r\n")
            .context("a chunk has no size")?;
        let size = std::str::from_utf8(&bytes[..end])
            .ok()
            .and_then(|line| line.split(';').next());
        let size = size
            .and_then(|size| usize::from_str_radix(size.trim(), 16).ok())
            .context("a chunk's size is no number")?;
        if size == 0 {
            return Ok(String::from_utf8_lossy(&whole).into_owned());
        }
        let rest = &bytes[end + 2..];
        whole.extend_from_slice(rest.get(..size).context("a chunk ends early")?);
        bytes = rest
            .get(size..)
            .and_then(|rest| rest.strip_prefix(b"\r\n"))
            .context("a chunk ends early")?;
    }
}

fn shards(url: String, scrapes: &[Scrape]) -> Shards {
    let mut shards = Shards {
        url,
        ..Shards::default()
    };
    for (place, pair) in scrapes.windows(2).enumerate() {
        let [(before_s, before), (now_s, now)] = pair else {
            continue;
        };
        shards.at_s.push(rounded(*now_s));
        for (name, metric) in now {
            let kept = shards.metrics.entry(name.clone()).or_insert_with(|| ShardsMetric {
                form: match metric.kind {
                    Kind::Counter => Form::PerSecond,
                    Kind::Gauge => Form::Level,
                },
                help: metric.help.clone(),
                shards: BTreeMap::new(),
            });
            for (&shard, &value) in &metric.values {
                let earlier = before.get(name).and_then(|metric| metric.values.get(&shard));
                let figure = match kept.form {
                    Form::Level => Some(value),
                    // A counter that shrinks began anew: the server was started again.
                    Form::PerSecond => earlier
                        .filter(|earlier| value >= **earlier)
                        .map(|earlier| (value - earlier) / (now_s - before_s)),
                };
                let series = kept.shards.entry(shard).or_default();
                series.resize(place, None);
                series.push(figure.map(rounded));
            }
        }
    }
    fill(&mut shards);
    shards
}

/// Every series is as long as the times.
fn fill(shards: &mut Shards) {
    let length = shards.at_s.len();
    for series in shards
        .metrics
        .values_mut()
        .flat_map(|metric| metric.shards.values_mut())
    {
        series.resize(length, None);
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn page(messages: u64, sessions: u64) -> BTreeMap<String, ByShard> {
        by_shard(&format!(
            "# TYPE m_total counter\nm_total{{shard=\"0\"}} {messages}\n# TYPE s gauge\ns{{shard=\"0\"}} {sessions}\n"
        ))
    }

    #[test]
    fn counters_become_rates_and_gauges_levels() {
        let scrapes = [(1.0, page(100, 5)), (3.0, page(300, 6)), (4.0, page(10, 7))];
        let shards = shards("u".to_owned(), &scrapes);
        assert_eq!(shards.at_s, [3.0, 4.0]);
        // Between the second and the third the server was started again.
        assert_eq!(shards.metrics["m_total"].shards[&0], [Some(100.0), None]);
        assert_eq!(shards.metrics["s"].shards[&0], [Some(6.0), Some(7.0)]);
    }

    #[test]
    fn a_shard_that_is_late_has_a_hole_before_it() {
        let mut second = page(2, 1);
        second.get_mut("s").unwrap().values.insert(1, 9.0);
        let shards = shards("u".to_owned(), &[(0.0, page(0, 1)), (1.0, page(1, 1)), (2.0, second)]);
        assert_eq!(shards.metrics["s"].shards[&1], [None, Some(9.0)]);
    }

    #[test]
    fn both_ways_to_send_a_page_are_understood() {
        assert_eq!(body(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na 1").unwrap(), "a 1");
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2;x=y\r\na \r\n1\r\n1\r\n0\r\n\r\n";
        assert_eq!(body(chunked).unwrap(), "a 1");
        let refused = body(b"HTTP/1.1 404 Not Found\r\n\r\n").unwrap_err().to_string();
        assert!(refused.contains("404"), "{refused}");
        assert!(body(b"SSH-2.0-x\r\n").is_err());
        assert!(unchunk(b"5\r\nabc").is_err() && unchunk(b"zz\r\n").is_err() && unchunk(b"").is_err());
    }

    #[test]
    fn a_page_is_fetched_from_a_server() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/metrics", listener.local_addr().unwrap())).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 16];
            stream.read_exact(&mut request).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\n\r\nm_total{shard=\"0\"} 1\n")
                .unwrap();
            // Takes the rest, so that closing does not reset the connection.
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
            request
        });
        assert_eq!(get(&url).unwrap(), "m_total{shard=\"0\"} 1\n");
        assert_eq!(&server.join().unwrap(), b"GET /metrics HTT");
    }

    #[test]
    fn a_page_that_is_not_there_fails_at_the_start() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = Scraper::start(&format!("http://{free}/metrics"), Instant::now()).unwrap_err();
        assert!(format!("{error:#}").contains(&free.to_string()), "{error:#}");
    }
}
