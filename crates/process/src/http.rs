//! What an `http` probe asks for, which answer is good, and asking once.

use std::fmt;
use std::ops::RangeInclusive;
use std::pin::{Pin, pin};

use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use supervisor_api::manifest::{HttpManifest, http_target};
use tokio::net::TcpStream;

use crate::start_error::reason;
use crate::text::printable;

/// More of a body than this is not read.
const MAX_BODY: usize = 64 * 1024;
/// More of the head of an answer than this is no answer.
const MAX_HEAD: usize = 64 * 1024;

/// A GET of an `http://` address, and which answer to it is good: all that is said of the answer must hold.
///
/// ```
/// use supervisor_process::{Http, Probe};
///
/// let probe = Probe::http(Http::get("http://127.0.0.1:8080/health").status(200..=299).body_contains("ok"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Http {
    url: String,
    /// Any of these; empty for the default.
    status: Vec<RangeInclusive<u16>>,
    headers: Vec<(String, Sent)>,
    response_header: Option<(String, Option<String>)>,
    body_contains: Option<String>,
}

/// The value of a header that is sent.
#[derive(Clone, PartialEq, Eq)]
enum Sent {
    Value(String),
    /// The secret with this name.
    Secret(String),
}

impl Http {
    /// A GET of this address. A status from 200 to 399 is good until something else is said.
    pub fn get(url: impl Into<String>) -> Self {
        let (status, headers) = (Vec::new(), Vec::new());
        Self { url: url.into(), status, headers, response_header: None, body_contains: None }
    }

    /// These statuses are good, besides those said before.
    pub fn status(mut self, good: RangeInclusive<u16>) -> Self {
        self.status.push(good);
        self
    }

    /// Sends this header. Its value is never shown.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), Sent::Value(value.into())));
        self
    }

    /// Sends this header with a secret of the child, else with the variable of this name of the supervisor's own
    /// environment. If there is none, the child does not start. For programs that are children of a tree.
    pub fn header_secret(mut self, name: impl Into<String>, secret: impl Into<String>) -> Self {
        self.headers.push((name.into(), Sent::Secret(secret.into())));
        self
    }

    /// The answer must have this header, with any value.
    pub fn response_header(mut self, name: impl Into<String>) -> Self {
        self.response_header = Some((name.into(), None));
        self
    }

    /// The answer must have this header with this value.
    pub fn response_header_is(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.response_header = Some((name.into(), Some(value.into())));
        self
    }

    /// The first 64 KiB of the answer's body must contain this text.
    pub fn body_contains(mut self, text: impl Into<String>) -> Self {
        self.body_contains = Some(text.into());
        self
    }

    /// The probe of a manifest.
    ///
    /// # Errors
    ///
    /// A sentence about a status that is none.
    pub(crate) fn from_manifest(said: &HttpManifest) -> Result<Self, String> {
        let mut http = Self::get(said.url());
        let Some(request) = said.request() else { return Ok(http) };
        if let Some(status) = &request.status {
            http.status = status.ranges().map_err(|message| format!("status: {message}"))?;
        }
        for header in &request.headers {
            let reference = header.secret_ref.as_deref();
            let secret = reference.and_then(supervisor_api::manifest::secret_reference);
            http = match secret {
                Some(secret) => http.header_secret(&header.name, secret),
                None => http.header(&header.name, header.value.as_deref().unwrap_or_default()),
            };
        }
        http.response_header =
            request.response_header.as_ref().map(|header| (header.name.clone(), header.value.clone()));
        http.body_contains.clone_from(&request.body_contains);
        Ok(http)
    }

    /// What is wrong with it and can be known without asking.
    pub(crate) fn finding(&self) -> Option<String> {
        http_target(&self.url).err().or_else(|| {
            let names = self.headers.iter().map(|(name, _)| name);
            let bad = names
                .chain(self.response_header.as_ref().map(|(name, _)| name))
                .find(|name| HeaderName::try_from(name.as_str()).is_err());
            bad.map(|name| format!("'{}' cannot be the name of a header", name.escape_debug()))
        })
    }

    /// The names of the secrets that it sends.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().filter_map(|(_, sent)| match sent {
            Sent::Secret(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The same with the value of each secret, by its name.
    ///
    /// # Errors
    ///
    /// A sentence that names the header and the secret that is not set.
    pub(crate) fn with_secrets(mut self, find: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        for (name, sent) in &mut self.headers {
            if let Sent::Secret(secret) = sent {
                let value = find(secret).ok_or_else(|| {
                    format!("the header '{name}' refers to the secret '{secret}', which is not set")
                })?;
                *sent = Sent::Value(value);
            }
        }
        Ok(self)
    }

    /// Asks once.
    ///
    /// # Errors
    ///
    /// What was expected and what came instead, in a few words.
    pub(crate) async fn ask(&self) -> Result<(), String> {
        let target = http_target(&self.url)?;
        let stream = TcpStream::connect(&target.authority).await.map_err(|error| reason(&error))?;
        let request = self.request(&target.authority, &target.path)?;
        let mut sending = http1::Builder::new();
        let handshake =
            sending.title_case_headers(true).max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(|error| failed(&error))?;
        let mut exchange = pin!(async {
            let answer = sender.send_request(request).await.map_err(|error| failed(&error))?;
            self.judge(answer).await
        });
        tokio::select! {
            biased;
            judged = &mut exchange => judged,
            // It is over when the peer has closed it; what it had said is still to be judged.
            _ = connection => exchange.await,
        }
    }

    fn request(&self, authority: &str, path: &str) -> Result<Request<String>, String> {
        let mut headers = HeaderMap::new();
        let value = |text: &str| HeaderValue::from_str(text).ok();
        headers.extend(value(authority).map(|authority| (HOST, authority)));
        headers.insert(USER_AGENT, HeaderValue::from_static("supervisor"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        for (name, sent) in &self.headers {
            let Sent::Value(text) = sent else {
                return Err(format!(
                    "the header '{name}' is a secret, and only a child of a tree has secrets"
                ));
            };
            let known = HeaderName::try_from(name.as_str()).ok().zip(value(text));
            let Some((name, mut value)) = known else {
                return Err(format!("the value of the header '{name}' has a character that it cannot have"));
            };
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let mut request = Request::new(String::new());
        *request.uri_mut() = path.parse().map_err(|_| format!("the path '{path}' cannot be asked for"))?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    async fn judge(&self, answer: Response<Incoming>) -> Result<(), String> {
        let status = answer.status();
        if !self.is_good(status) {
            return Err(format!("expected {}, got {status}", self.expected()).trim_end().to_owned());
        }
        if let Some((name, value)) = &self.response_header {
            judge_header(answer.headers(), name, value.as_deref())?;
        }
        match &self.body_contains {
            Some(text) => judge_body(answer.into_body(), text).await,
            None => Ok(()),
        }
    }

    fn is_good(&self, status: StatusCode) -> bool {
        let status = status.as_u16();
        match &self.status[..] {
            [] => (200..=399).contains(&status),
            good => good.iter().any(|range| range.contains(&status)),
        }
    }

    /// The good statuses in words: `200, 204 or 300-302`.
    fn expected(&self) -> String {
        let one = |range: &RangeInclusive<u16>| match (range.start(), range.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        };
        match &self.status[..] {
            [] => "200-399".to_owned(),
            [only] => one(only),
            [first @ .., last] => {
                format!("{} or {}", first.iter().map(one).collect::<Vec<_>>().join(", "), one(last))
            }
        }
    }
}

fn judge_header(headers: &HeaderMap, name: &str, expected: Option<&str>) -> Result<(), String> {
    let mut got = headers.get_all(name).iter().peekable();
    let Some(first) = got.peek().copied() else {
        return Err(format!("expected the header {name}, got none of that name"));
    };
    match expected {
        Some(value) if !got.any(|got| got.as_bytes() == value.as_bytes()) => {
            let first = printable(first.as_bytes(), 80).0;
            Err(format!("expected the header {name}: {value}, got {name}: {first}"))
        }
        _ => Ok(()),
    }
}

/// Reads until the text was seen. The body itself is not told: nobody knows what is in it.
async fn judge_body(mut body: Incoming, text: &str) -> Result<(), String> {
    let (mut read, mut looked) = (Vec::new(), 0);
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| failed(&error))?;
        let Some(data) = frame.data_ref() else { continue };
        read.extend_from_slice(&data[..data.len().min(MAX_BODY - read.len())]);
        if read[looked..].windows(text.len()).any(|part| part == text.as_bytes()) {
            return Ok(());
        }
        looked = (read.len() + 1).saturating_sub(text.len()).max(looked);
        if read.len() == MAX_BODY {
            return Err(format!("expected {text:?} in the body, and its first 64 KiB do not have it"));
        }
    }
    Err(format!("expected {text:?} in the body, and its {} bytes do not have it", read.len()))
}

/// Why there is no answer, in a few words.
fn failed(error: &hyper::Error) -> String {
    if error.is_parse() {
        return "the answer is not HTTP/1".into();
    }
    let system = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    match system {
        Some(system) => reason(system),
        None if error.is_incomplete_message() || error.is_canceled() || error.is_closed() => {
            "the connection was closed without an answer".into()
        }
        None => error.to_string(),
    }
}

impl From<&str> for Http {
    fn from(url: &str) -> Self {
        Self::get(url)
    }
}

impl From<String> for Http {
    fn from(url: String) -> Self {
        Self::get(url)
    }
}

impl From<&String> for Http {
    fn from(url: &String) -> Self {
        Self::get(url)
    }
}

/// The names of its headers, and not their values: they may be secret.
impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Http")
            .field("url", &self.url)
            .field("status", &self.status)
            .field("headers", &names)
            .field("response_header", &self.response_header)
            .field("body_contains", &self.body_contains)
            .finish()
    }
}

impl fmt::Display for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_from_200_to_399_is_good_unless_others_are_said() {
        let good = |http: &Http| {
            let all = (100..=599).filter(|status| http.is_good(StatusCode::from_u16(*status).unwrap()));
            all.collect::<Vec<_>>()
        };
        assert_eq!(good(&Http::get("x")), (200..=399).collect::<Vec<_>>());
        let some = Http::get("x").status(503..=503).status(204..=205);
        assert_eq!(good(&some), [204, 205, 503]);
        assert_eq!(some.status(100..=101).expected(), "503, 204-205 or 100-101");
    }

    #[test]
    fn no_value_of_a_header_is_in_debug_or_in_an_error() {
        let http = Http::get("http://a/").header("X-Token", "canary").header_secret("X-Other", "other");
        let text = format!("{http:?} {http}");
        assert!(text.contains("X-Token") && !text.contains("canary"), "{text}");
        let error = http.clone().with_secrets(|_| None).unwrap_err();
        assert_eq!(error, "the header 'X-Other' refers to the secret 'other', which is not set");
        let http = http.with_secrets(|name| Some(format!("canary of {name}\n"))).unwrap();
        let error = http.request("a:80", "/").unwrap_err();
        assert!(error.contains("X-Other") && !error.contains("canary"), "{error}");
    }
}
