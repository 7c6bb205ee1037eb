//! Servers that refuse, lie, redirect or do not answer.

use fedpkg_container_build::error::{Error, ErrorKind};
use fedpkg_container_build::fetch::FetchProblem;

use super::*;
use crate::support::lookaside::Trick;

#[tokio::test]
async fn a_refusal_is_told_with_its_status_and_the_file() {
    for (status, hint) in [(404, "was the file uploaded?"), (403, "wants to know who asks"), (401, ""), (400, "")] {
        let world = World::new();
        let download = world.serve("a", b"content");
        world.server.tricks("/a", [Trick::Status(status)]);
        let error = Error::from(world.fetch(&[download]).await.unwrap_err());
        let begin = format!("cannot fetch a from {}/a: the server answered {status} ", world.server.url());
        assert!(error.to_string().starts_with(&begin), "{error}");
        assert!(error.hints().first().map_or("", String::as_str).contains(hint), "{:?}", error.hints());
        let kind = if matches!(status, 401 | 403) { ErrorKind::Authentication } else { ErrorKind::Server };
        assert_eq!(error.kind(), kind);
        assert_eq!(world.server.requests().len(), 1, "asking again does not help");
        assert!(world.cached().is_empty() && world.placed().is_empty());
    }
}

#[tokio::test]
async fn the_wrong_file_is_refused_and_nothing_of_it_stays() {
    let world = World::new();
    let mut download = world.serve("a", b"content");
    let expected = checksum(Algorithm::Sha512, b"other");
    download.checksums = vec![expected.clone()];
    let error = world.fetch(&[download]).await.unwrap_err().to_string();
    let found = digest(Algorithm::Sha512, b"content");
    let end = format!("wrong sha512 checksum: expected {}, found {found}", expected.hash());
    assert!(error.starts_with("cannot fetch a from http://") && error.ends_with(&end), "{error}");
    assert!(world.cached().is_empty() && world.placed().is_empty());
    assert_eq!(world.server.requests().len(), 1);
}

#[tokio::test]
async fn what_passes_is_waited_for() {
    let world = World::new();
    let download = world.serve("a", b"content");
    world.server.tricks("/a", [Trick::Status(503), Trick::Reset, Trick::RetryAfter(429, 0), Trick::Status(500)]);
    let (fetched, events) = world.fetch_and_tell(&[download]).await;
    fetched.unwrap();
    let delays: Vec<u128> = events
        .iter()
        .filter_map(|(_, step)| match step {
            FetchStep::Retrying { delay, of: 5, .. } => Some(delay.as_millis()),
            _ => None,
        })
        .collect();
    assert_eq!(delays, [5, 10, 20, 40]);
    assert!(retries(&events)[0].1.contains("503"), "{events:?}");
}

#[tokio::test]
async fn a_server_may_ask_for_patience() {
    let world = World::new();
    let download = world.serve("a", b"content");
    world.server.tricks("/a", [Trick::RetryAfter(503, 1)]);
    let (fetched, events) = world.fetch_and_tell(&[download]).await;
    fetched.unwrap();
    let asked =
        |step: &FetchStep| matches!(step, FetchStep::Retrying { delay, .. } if *delay == Duration::from_secs(1));
    assert!(events.iter().any(|(_, step)| asked(step)), "{events:?}");
}

#[tokio::test]
async fn after_five_attempts_it_is_given_up_and_what_came_is_kept() {
    let world = World::new();
    let content = varied(300_000, 1);
    let download = world.serve("a", &content);
    world.server.tricks("/a", [const { Trick::CutAfter(10_000) }; 5]);
    let (fetched, events) = world.fetch_and_tell(std::slice::from_ref(&download)).await;
    let error = fetched.unwrap_err();
    assert!(matches!(error.problem, FetchProblem::GaveUp { attempts: 5, .. }), "{error}");
    assert_eq!(Error::from(error).kind(), ErrorKind::Network);
    assert_eq!((retries(&events).len(), world.server.requests().len()), (4, 5));
    let (whole, partial) = world.cache_path(&download);
    assert_eq!(world.cached(), std::slice::from_ref(&partial));
    assert_eq!(fs::metadata(partial).unwrap().len(), 50_000);
    world.fetch(&[download]).await.unwrap();
    assert!(world.read("a") == content && whole.exists());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_matter_of_the_network() {
    let world = World::new();
    let mut download = world.serve("a", b"content");
    download.url = Url::parse("http://127.0.0.1:1/a").unwrap();
    let error = Error::from(world.fetch(&[download]).await.unwrap_err());
    assert!(error.to_string().contains("5 attempts failed, the last one because"), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(world.cached().is_empty());
}

#[tokio::test]
async fn a_page_in_place_of_the_file_is_refused() {
    let world = World::new();
    let download = world.serve("a.tar.gz", b"content");
    world.server.tricks("/a.tar.gz", [Trick::Page]);
    let error = world.fetch(&[download]).await.unwrap_err().to_string();
    assert!(error.ends_with("the server answered 200 OK with a web page (text/html) in place of the file"), "{error}");
    assert!(world.cached().is_empty() && world.placed().is_empty());
    world.server.file_of_type("/index.html", b"<html>", "text/html");
    world.fetch(&[world.download("index.html", vec![checksum(Algorithm::Md5, b"<html>")])]).await.unwrap();
}

#[tokio::test]
async fn redirects_are_followed_within_what_is_allowed() {
    let world = World::new();
    let content = varied(1000, 1);
    let mut download = world.serve("real", &content);
    download.url.set_path("/a");
    world.server.tricks("/a", [Trick::Redirect(302, "/b?x=1".into())]);
    world.server.tricks("/b?x=1", [Trick::Redirect(307, format!("{}/real", world.server.url()))]);
    world.server.tricks("/real", [Trick::CutAfter(500)]);
    world.fetch(std::slice::from_ref(&download)).await.unwrap_err();
    // The second attempt begins at the address that was given, which does not redirect any more.
    assert_eq!(world.server.paths(), ["/a", "/b?x=1", "/real", "/a"]);
    world.server.tricks("/a", [Trick::Redirect(301, "real".into())]);
    world.fetch(std::slice::from_ref(&download)).await.unwrap();
    assert!(world.read("real") == content);
}

#[tokio::test]
async fn redirects_out_of_what_is_allowed_are_refused() {
    let world = World::new();
    let mut download = world.serve("a", b"content");
    download.allowed = AllowedDomains::only(["127.0.0.1", "example.com/ok"]).unwrap();
    for (to, wanted) in [
        ("http://user:secret@localhost:1/x?token=secret", "redirects to http://localhost:1/x?…, and artifacts may not"),
        ("http://127.0.0.1.evil.org/", "redirects to http://127.0.0.1.evil.org/, and artifacts may not"),
        ("ftp://127.0.0.1/a", "answered 302 Found without a usable address"),
        ("http://", "answered 302 Found without a usable address"),
    ] {
        world.server.tricks("/a", [Trick::Redirect(302, to.to_owned())]);
        let error = world.fetch(std::slice::from_ref(&download)).await.unwrap_err().to_string();
        assert!(error.contains(wanted) && !error.contains("secret"), "{error}");
    }
    world.server.tricks("/a", vec![Trick::Redirect(302, "/a".into()); 11]);
    let error = world.fetch(&[download]).await.unwrap_err().to_string();
    assert!(error.ends_with("the server redirected more than 10 times"), "{error}");
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_refused() {
    let certificates = tempfile::tempdir().unwrap();
    let server = Lookaside::start_tls(certificates.path());
    let trusting = ClientOptions { serverca: Some(certificates.path().join("ca.crt")), ..ClientOptions::default() };
    let world = World::with(server, &trusting);
    let mut download = world.serve("a", b"content");
    download.url = Url::parse(&format!("{}/a", world.server.https_url())).unwrap();
    let plain = format!("{}/a", world.server.url());
    world.server.tricks("/a", [Trick::Redirect(302, plain.clone())]);
    let error = world.fetch(std::slice::from_ref(&download)).await.unwrap_err().to_string();
    assert!(error.ends_with(&format!("redirects from https to {plain}, which is not encrypted")), "{error}");
    assert_eq!(world.server.requests().len(), 1, "nothing was asked without encryption");
    world.fetch(std::slice::from_ref(&download)).await.unwrap();
    let stranger = World::with(Lookaside::start(), &ClientOptions::default());
    let error = Error::from(stranger.fetch(&[download]).await.unwrap_err());
    assert!(error.to_string().contains("the connection was refused as unsafe"), "{error}");
}

#[tokio::test]
async fn a_client_that_follows_redirects_by_itself_cannot_leave_what_is_allowed() {
    let follows = ClientOptions { redirects: http::Redirects::Follow, ..ClientOptions::default() };
    let world = World::with(Lookaside::start(), &follows);
    let elsewhere = Lookaside::start();
    elsewhere.file("/a", b"content");
    let mut download = world.serve("a", b"content");
    download.allowed = AllowedDomains::only([format!("127.0.0.1:{}", download.url.port().unwrap())]).unwrap();
    world.server.tricks("/a", [Trick::Redirect(302, format!("{}/a", elsewhere.url()))]);
    let error = world.fetch(&[download]).await.unwrap_err().to_string();
    assert!(error.contains("artifacts may not come from there"), "{error}");
}

#[tokio::test]
async fn secrets_of_an_address_are_not_told() {
    let world = World::new();
    let mut download = world.serve("a", b"content");
    let url = format!("{}/none?token=secret#secret", world.server.url()).replace("://", "://user:secret@");
    download.url = Url::parse(&url).unwrap();
    let refused = world.fetch(std::slice::from_ref(&download)).await.unwrap_err();
    download.url.set_port(Some(1)).unwrap();
    let (unreachable, events) = world.fetch_and_tell(&[download]).await;
    for text in [format!("{refused:?}"), format!("{refused}"), format!("{:?}", unreachable.unwrap_err())] {
        assert!(!text.contains("secret") && !text.contains("user"), "{text}");
    }
    assert!(!format!("{events:?}").contains("secret"));
    assert!(refused.url.ends_with("/none?…"), "{}", refused.url);
}
