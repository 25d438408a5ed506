//! A collector of spans: takes OTLP over HTTP on a port of loopback and reads the protobuf of it by hand, so that what
//! is tested is what travels.
#![allow(unreachable_pub, reason = "a module of a test")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A collector, and what it was told.
pub struct Collector {
    port: u16,
    told: Arc<Told>,
}

#[derive(Default)]
struct Told {
    asked: AtomicBool,
    spans: Mutex<Vec<Span>>,
}

impl Collector {
    /// One that answers.
    pub fn start() -> Self {
        Self::with(true)
    }

    /// One that reads and never answers.
    pub fn silent() -> Self {
        Self::with(false)
    }

    /// The address of one that is gone.
    pub fn absent() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    fn with(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = Arc::new(Told::default());
        let here = Arc::clone(&told);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let told = Arc::clone(&here);
                std::thread::spawn(move || serve(&connection.unwrap(), &told, answers));
            }
        });
        Self { port, told }
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Whether a request came.
    pub fn asked(&self) -> bool {
        self.told.asked.load(Ordering::SeqCst)
    }

    /// What was taken so far, in the order in which it began.
    pub fn spans(&self) -> Spans {
        let mut spans = self.told.spans.lock().unwrap().clone();
        spans.sort_by_key(|span| span.start);
        Spans(spans)
    }
}

fn serve(connection: &TcpStream, told: &Told, answers: bool) {
    let mut reader = BufReader::new(connection);
    while let Some(body) = request(&mut reader) {
        told.asked.store(true, Ordering::SeqCst);
        if answers {
            told.spans.lock().unwrap().extend(Spans::read(&body).0);
            let _ = (&mut &*connection).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    }
}

/// The body of the next request.
fn request(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    assert_eq!(line.trim_end(), "POST /v1/traces HTTP/1.1");
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

/// A span as it travelled.
#[derive(Debug, Clone, Default)]
pub struct Span {
    pub service: String,
    pub name: String,
    pub trace: Vec<u8>,
    pub id: Vec<u8>,
    pub parent: Vec<u8>,
    pub start: u64,
    pub end: u64,
    /// The reason, when its status is `Error`.
    pub error: Option<String>,
    attributes: BTreeMap<String, Value>,
}

#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Number(u64),
    Other,
}

impl Span {
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.attributes.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn number(&self, key: &str) -> Option<u64> {
        match self.attributes.get(key)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }
}

#[derive(Debug)]
pub struct Spans(Vec<Span>);

impl Spans {
    /// Reads an `ExportTraceServiceRequest`; the numbers are those of the fields in `trace.proto` and `common.proto`.
    pub fn read(body: &[u8]) -> Self {
        let mut spans = Vec::new();
        for resource_spans in messages(body, 1) {
            let resource = attributes(messages(resource_spans, 1).next().unwrap_or_default(), 1);
            let service = match resource.get("service.name") {
                Some(Value::Text(name)) => name.clone(),
                _ => String::new(),
            };
            let of_scopes = messages(resource_spans, 2).flat_map(|scope| messages(scope, 2));
            spans.extend(of_scopes.map(|span| Span { service: service.clone(), ..read_span(span) }));
        }
        Self(spans)
    }

    pub fn named(&self, name: &str) -> impl Iterator<Item = &Span> {
        self.0.iter().filter(move |span| span.name == name)
    }
}

fn read_span(bytes: &[u8]) -> Span {
    let mut span = Span { attributes: attributes(bytes, 9), ..Span::default() };
    for (field, wire) in fields(bytes) {
        match (field, wire) {
            (1, Wire::Bytes(id)) => span.trace = id.to_vec(),
            (2, Wire::Bytes(id)) => span.id = id.to_vec(),
            (4, Wire::Bytes(id)) => span.parent = id.to_vec(),
            (5, Wire::Bytes(name)) => span.name = text(name),
            (7, Wire::Number(nanos)) => span.start = nanos,
            (8, Wire::Number(nanos)) => span.end = nanos,
            (15, Wire::Bytes(status)) => {
                let is_error = fields(status).contains(&(3, Wire::Number(2)));
                span.error = is_error.then(|| messages(status, 2).next().map(text).unwrap_or_default());
            }
            _ => {}
        }
    }
    span
}

fn attributes(bytes: &[u8], field: u64) -> BTreeMap<String, Value> {
    messages(bytes, field)
        .map(|pair| {
            let key = messages(pair, 1).next().map(text).unwrap();
            let value = messages(pair, 2).next().map_or(Value::Other, |any| match fields(any).first() {
                Some((1, Wire::Bytes(said))) => Value::Text(text(said)),
                Some((3, Wire::Number(number))) => Value::Number(*number),
                _ => Value::Other,
            });
            (key, value)
        })
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// What stands under a field that holds messages, texts or bytes.
fn messages(bytes: &[u8], field: u64) -> impl Iterator<Item = &[u8]> {
    fields(bytes).into_iter().filter_map(move |found| match found {
        (number, Wire::Bytes(inner)) if number == field => Some(inner),
        _ => None,
    })
}

/// The fields of a protobuf message. Bytes that are none are a panic.
fn fields(mut rest: &[u8]) -> Vec<(u64, Wire<'_>)> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let tag = varint(&mut rest);
        let wire = match tag & 7 {
            0 => Wire::Number(varint(&mut rest)),
            1 => Wire::Number(u64::from_le_bytes(take(&mut rest, 8).try_into().unwrap())),
            2 => {
                let length = varint(&mut rest);
                Wire::Bytes(take(&mut rest, usize::try_from(length).unwrap()))
            }
            5 => Wire::Number(u32::from_le_bytes(take(&mut rest, 4).try_into().unwrap()).into()),
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, wire));
    }
    fields
}

fn varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
    }
    panic!("a number without an end")
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(count);
    *rest = left;
    taken
}
