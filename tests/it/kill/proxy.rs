//! Stands between the bridge and a server, and spoils one answer.
//!
//! It takes one request of a connection, passes it on and ends the connection, so every exchange is one of its own and
//! can be counted.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What the bridge gets instead of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoiled {
    /// 500 with a page for people.
    ServerError,
    /// 502 from something in front of the server.
    BadGateway,
    /// 404 with a page for people.
    NotFound,
    /// 429 that asks for a second of patience.
    TooMany,
    /// 200 with a page that wants to know whether we are a person.
    BotWall,
    /// The connection is reset.
    Reset,
    /// The answer ends in the middle.
    HalfBody,
    /// Nothing comes for so long.
    Silence(Duration),
}

/// One order to the proxy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    /// Which exchange, from 1.
    pub(crate) at: usize,
    pub(crate) spoiled: Spoiled,
    /// The server has done what it was asked for; only its answer is spoiled.
    pub(crate) after_the_effect: bool,
}

/// A running proxy.
pub(crate) struct Proxy {
    address: SocketAddr,
    inside: Arc<Inside>,
}

struct Inside {
    server: SocketAddr,
    order: Mutex<Option<Order>>,
    /// Method and path of every request so far.
    seen: Mutex<Vec<String>>,
    over: AtomicBool,
}

impl Proxy {
    /// One in front of `server`.
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let inside = Arc::new(Inside {
            server,
            order: Mutex::new(None),
            seen: Mutex::new(Vec::new()),
            over: AtomicBool::new(false),
        });
        let shared = Arc::clone(&inside);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.over.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                // A connection that breaks is the bridge's to notice.
                std::thread::spawn(move || stream.and_then(|stream| shared.exchange(stream)));
            }
        });
        Self { address, inside }
    }

    /// Where the bridge has to go.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on exchanges are counted anew, and the one that is ordered is spoiled.
    pub(crate) fn spoil(&self, order: Option<Order>) {
        *self.inside.order.lock().unwrap() = order;
        self.inside.seen.lock().unwrap().clear();
    }

    /// Method and path of every request since the last order.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.inside.seen.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.inside.over.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
    }
}

impl Inside {
    fn exchange(&self, mut client: TcpStream) -> std::io::Result<()> {
        client.set_read_timeout(Some(Duration::from_secs(30)))?;
        let Some(request) = peek_request(&client)? else { return Ok(()) };
        let spoiled = self.note(&request);
        if let Some(order) = spoiled
            && !order.after_the_effect
        {
            return spoil(order.spoiled, client, &request, None);
        }
        let answer = self.ask(&request)?;
        if let Some(order) = spoiled {
            return spoil(order.spoiled, client, &request, Some(&answer));
        }
        client.read_exact(&mut vec![0; request.len()])?;
        client.write_all(&answer)
    }

    /// Takes note of a request and says whether it is the one.
    fn note(&self, request: &[u8]) -> Option<Order> {
        let line = request.split(|&byte| byte == b'\r').next().unwrap_or_default();
        let mut seen = self.seen.lock().unwrap();
        let words = String::from_utf8_lossy(line);
        seen.push(words.rsplit_once(' ').map_or("", |(words, _)| words).to_owned());
        self.order.lock().unwrap().filter(|order| order.at == seen.len())
    }

    /// Passes the request on and gives the whole answer.
    fn ask(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(self.server)?;
        server.set_read_timeout(Some(Duration::from_secs(30)))?;
        let end = request.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        server.write_all(&request[..end])?;
        server.write_all(b"Connection: close\r\n")?;
        server.write_all(&request[end..])?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// A request may be so long.
const REQUEST_LIMIT: usize = 1 << 20;

/// The whole request, left unread: a connection that is closed with unread data is reset by the system. `None`: the
/// client went away.
fn peek_request(client: &TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; REQUEST_LIMIT];
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let length = client.peek(&mut buffer)?;
        if length == 0 || Instant::now() > end {
            return Ok(None);
        }
        if length_of(&buffer[..length]).is_some_and(|wanted| wanted <= length) {
            buffer.truncate(length);
            return Ok(Some(buffer));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How long a request is, as soon as its head is there.
fn length_of(start: &[u8]) -> Option<usize> {
    let head = start.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&start[..head]).to_lowercase();
    assert!(!text.contains("transfer-encoding"), "this proxy knows bodies with a length only");
    let body = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    Some(head + body.map_or(0, |length| length.trim().parse::<usize>().unwrap()))
}

fn spoil(how: Spoiled, mut client: TcpStream, request: &[u8], answer: Option<&[u8]>) -> std::io::Result<()> {
    if how == Spoiled::Reset {
        return Ok(()); // Dropped with the request unread.
    }
    client.read_exact(&mut vec![0; request.len()])?;
    let page = |status: &str, more: &str| {
        let body = "<html><body>Making sure you're not a bot!</body></html>";
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n{body}"
        )
    };
    let text = match how {
        Spoiled::ServerError => page("500 Internal Server Error", ""),
        Spoiled::BadGateway => page("502 Bad Gateway", ""),
        Spoiled::NotFound => page("404 Not Found", ""),
        Spoiled::TooMany => page("429 Too Many Requests", "Retry-After: 1\r\n"),
        Spoiled::BotWall => page("200 OK", ""),
        Spoiled::Silence(time) => {
            std::thread::sleep(time);
            return Ok(());
        }
        Spoiled::HalfBody => {
            let half = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n[{\"id\": 1,";
            let Some(answer) = answer else { return client.write_all(half.as_bytes()) };
            // At least one byte of the body is missing.
            let head = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
            return client.write_all(&answer[..head + (answer.len() - head) / 2]);
        }
        Spoiled::Reset => return Ok(()),
    };
    client.write_all(text.as_bytes())
}

/// A server that counts what it was asked, and answers with the body it was sent.
fn echo() -> (SocketAddr, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some(request) = peek_request(&stream).unwrap() else { continue };
            stream.read_exact(&mut vec![0; request.len()]).unwrap();
            *counted.lock().unwrap() += 1;
            let body = request.rsplit(|&byte| byte == b'\n').next().unwrap();
            let head = format!("HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        }
    });
    (address, count)
}

/// What comes back for a POST, as far as it comes.
fn posted(to: SocketAddr) -> (String, std::io::Result<usize>) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(b"POST /checks/ HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\ntwo+two4").unwrap();
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    (String::from_utf8(answer).unwrap(), ended)
}

#[test]
fn fault_of_one_answer_is_just_what_was_ordered() {
    let (server, count) = echo();
    let proxy = Proxy::before(server);
    assert!(posted(proxy.address()).0.ends_with("\r\n\r\ntwo+two4"));
    let table = [
        (Spoiled::ServerError, "HTTP/1.1 500 "),
        (Spoiled::BadGateway, "HTTP/1.1 502 "),
        (Spoiled::NotFound, "HTTP/1.1 404 "),
        (Spoiled::TooMany, "HTTP/1.1 429 "),
        (Spoiled::BotWall, "HTTP/1.1 200 "),
        (Spoiled::HalfBody, "HTTP/1.1 20"),
        (Spoiled::Reset, ""),
        (Spoiled::Silence(Duration::from_millis(20)), ""),
    ];
    for (spoiled, expected) in table {
        for after_the_effect in [false, true] {
            let before = *count.lock().unwrap();
            proxy.spoil(Some(Order { at: 2, spoiled, after_the_effect }));
            assert!(posted(proxy.address()).0.ends_with("two+two4"), "the first one is not meant");
            let (answer, ended) = posted(proxy.address());
            assert!(answer.starts_with(expected), "{spoiled:?}: {answer}");
            assert!(!answer.ends_with("two+two4"), "{spoiled:?}: {answer}");
            assert_eq!(ended.is_err(), spoiled == Spoiled::Reset, "{spoiled:?}");
            assert!(
                posted(proxy.address()).0.ends_with("two+two4"),
                "{spoiled:?}: the third one is not meant"
            );
            let effects = *count.lock().unwrap() - before;
            assert_eq!(effects, 2 + usize::from(after_the_effect), "{spoiled:?}");
            assert_eq!(proxy.seen(), ["POST /checks/"; 3]);
        }
    }
}
