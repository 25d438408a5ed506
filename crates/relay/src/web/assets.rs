//! The pages of the dashboard: what `cargo xtask ui` left in `ui/dist`, inside the program.
//!
//! | what is asked for | what is answered |
//! |---|---|
//! | `/` | `index.html` |
//! | a file of the pages | the file, or 304 when the browser has it |
//! | another path without an extension, by a browser that wants a page | the way to `/`: pages are told apart by the fragment, which a browser keeps |
//! | anything else | 404, so that no probe of a path that is not there finds a page |
//!
//! Names stay from one version to the next, so a browser may keep a file but asks each time whether it is still the same.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

/// The files, put into the program when it is built, in debug builds too: nothing is read while it runs.
#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
struct Pages;

/// The content types by extension. What has another one is not served.
const TYPES: [(&str, &str); 5] = [
    ("css", "text/css; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain; charset=utf-8"),
];

/// Answers what no other route does.
pub(super) async fn page(uri: Uri, headers: HeaderMap) -> Response {
    let name = match uri.path() {
        "/" => "index.html",
        path => path.strip_prefix('/').unwrap_or(path),
    };
    match (file(name), extension(name)) {
        (Some((file, kind)), _) => answer(file, kind, &headers),
        (None, None) if wants_page(&headers) => home(name),
        (None, _) => nothing(),
    }
}

fn file(name: &str) -> Option<(EmbeddedFile, &'static str)> {
    let extension = extension(name)?;
    let (_, kind) = TYPES.into_iter().find(|(known, _)| *known == extension)?;
    Some((Pages::get(name)?, kind))
}

fn extension(name: &str) -> Option<&str> {
    let last = name.rsplit('/').next()?;
    last.rsplit_once('.').map(|(_, extension)| extension)
}

fn answer(file: EmbeddedFile, kind: &'static str, headers: &HeaderMap) -> Response {
    let tag = tag(&file);
    let keep = [(ETAG, tag.clone()), (CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    if has(headers, tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, keep).into_response();
    }
    let body = match file.data {
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    (keep, [(CONTENT_TYPE, kind)], body).into_response()
}

/// The name of a file's content.
fn tag(file: &EmbeddedFile) -> HeaderValue {
    let mut text = String::from("\"");
    for byte in &file.metadata.sha256_hash()[..16] {
        text += &format!("{byte:02x}");
    }
    text.push('"');
    HeaderValue::try_from(text).expect("hexadecimal digits and quotes may stand in a header")
}

/// Whether the browser has what this is the name of.
fn has(headers: &HeaderMap, tag: &[u8]) -> bool {
    let lists = headers.get_all(IF_NONE_MATCH).into_iter().map(HeaderValue::as_bytes);
    let mut tags = lists.flat_map(|list| list.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    tags.any(|known| known == b"*" || known.strip_prefix(b"W/").unwrap_or(known) == tag)
}

/// Whether a person is to look at the answer. What asks for data, as a probe does, names no HTML.
fn wants_page(headers: &HeaderMap) -> bool {
    let mut lists = headers.get_all(ACCEPT).into_iter().filter_map(|list| list.to_str().ok());
    lists.any(|list| list.contains("text/html"))
}

/// The way to `/` from a path, said from there, so that it holds also behind a proxy that puts something before it.
fn home(name: &str) -> Response {
    let up = "../".repeat(name.matches('/').count());
    let way = HeaderValue::try_from(format!("./{up}")).expect("dots and slashes may stand in a header");
    (StatusCode::SEE_OTHER, [(LOCATION, way)]).into_response()
}

fn nothing() -> Response {
    (StatusCode::NOT_FOUND, "there is nothing here\n").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks with these headers.
    async fn get(path: &str, headers: &[(&'static str, &str)]) -> Response {
        let headers = headers.iter().map(|(name, value)| {
            (axum::http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        page(path.parse().unwrap(), headers.collect()).await
    }

    fn text<'a>(answer: &'a Response, name: &str) -> &'a str {
        answer.headers()[name].to_str().unwrap()
    }

    #[tokio::test]
    async fn each_file_has_its_type_and_is_asked_for_again_each_time() {
        for (path, kind) in [
            ("/", "text/html; charset=utf-8"),
            ("/index.html", "text/html; charset=utf-8"),
            ("/app.js", "text/javascript; charset=utf-8"),
            ("/app.css", "text/css; charset=utf-8"),
            ("/icon.svg", "image/svg+xml"),
            ("/licences.txt", "text/plain; charset=utf-8"),
        ] {
            let answer = get(path, &[]).await;
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            assert_eq!((text(&answer, "content-type"), text(&answer, "cache-control")), (kind, "no-cache"));
        }
    }

    #[tokio::test]
    async fn what_the_browser_has_is_not_sent_again() {
        let tag = text(&get("/app.js", &[]).await, "etag").to_owned();
        assert_ne!(tag, text(&get("/app.css", &[]).await, "etag"));
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".into()] {
            let answer = get("/app.js", &[("if-none-match", &known)]).await;
            assert_eq!((answer.status(), text(&answer, "etag")), (StatusCode::NOT_MODIFIED, tag.as_str()));
        }
        let answer = get("/app.js", &[("if-none-match", "\"other\"")]).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_path_that_a_person_typed_leads_home_and_a_probe_of_it_does_not() {
        let html = [("accept", "text/html,application/xhtml+xml;q=0.9")];
        for (path, way) in [("/fleet", "./"), ("/t/shop", "./../"), ("/t/shop/", "./../../")] {
            let answer = get(path, &html).await;
            assert_eq!((answer.status(), text(&answer, "location")), (StatusCode::SEE_OTHER, way), "{path}");
        }
        for accept in [&[][..], &[("accept", "*/*")], &[("accept", "application/json")]] {
            assert_eq!(get("/readyz", accept).await.status(), StatusCode::NOT_FOUND);
        }
    }

    #[tokio::test]
    async fn s19_only_the_files_of_the_pages_are_served() {
        let html = [("accept", "text/html")];
        for path in [
            "/other.js",
            "/app.js.map",
            "/made-from",
            "/../Cargo.toml",
            "/%2e%2e/Cargo.toml",
            "//etc/passwd.txt",
            "/./app.js",
            "/assets/app.js",
            "/app.js/",
            "/APP.JS",
        ] {
            let answer = get(path, &html).await;
            assert_ne!(answer.status(), StatusCode::OK, "{path}");
        }
    }

    /// The policy refuses what stands in the page itself, so it must hold none of it.
    #[test]
    fn s19_nothing_in_the_page_is_a_script_or_a_style() {
        let page = Pages::get("index.html").unwrap();
        let page = std::str::from_utf8(&page.data).unwrap();
        assert!(page.contains("<script type=\"module\" crossorigin src=\"./app.js\"></script>"), "{page}");
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        for refused in
            ["<style", " style=", " onload=", " onclick=", "javascript:", "data:", "http:", "https:"]
        {
            assert!(!page.contains(refused), "{refused} in {page}");
        }
    }
}
