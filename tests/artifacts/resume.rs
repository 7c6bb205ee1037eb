//! Connections that are cut, runs that are aborted, and caches that are shared or damaged.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use super::*;
use crate::support::lookaside::Trick;

const SIZE: usize = 300_000;

#[tokio::test]
async fn a_cut_connection_goes_on_where_it_was() {
    let world = World::new();
    let content = varied(SIZE, 1);
    let download = world.serve("a", &content);
    world.server.tricks("/a", [Trick::CutAfter(100_000), Trick::CutAfter(50_000)]);
    let (fetched, events) = world.fetch_and_tell(&[download]).await;
    fetched.unwrap();
    assert!(world.read("a") == content);
    let requests = world.server.requests();
    let ranges: Vec<Option<&str>> = requests.iter().map(|request| request.header("range")).collect();
    assert_eq!(ranges, [None, Some("bytes=100000-"), Some("bytes=150000-")]);
    assert!(requests[1].header("if-range").is_some_and(|tag| tag.starts_with('"')));
    assert_eq!(retries(&events).iter().map(|(attempt, _)| *attempt).collect::<Vec<_>>(), [1, 2]);
    let told = |step: &FetchStep| match step {
        FetchStep::Receiving { total, .. } => *total == Some(SIZE as u64),
        _ => true,
    };
    assert!(events.iter().all(|(_, step)| told(step)), "the whole size is known in every attempt");
}

#[tokio::test]
async fn servers_that_cannot_go_on_are_asked_from_the_beginning() {
    for trick in [Trick::IgnoreRange, Trick::WrongRange] {
        let world = World::new();
        let content = varied(SIZE, 2);
        let download = world.serve("a", &content);
        world.server.tricks("/a", [Trick::CutAfter(100_000), trick]);
        world.fetch(&[download]).await.unwrap();
        assert!(world.read("a") == content);
    }
}

#[tokio::test]
async fn a_file_that_changes_between_attempts_is_not_pieced_together() {
    let world = World::new();
    let content = varied(SIZE, 3);
    let download = world.serve("a", &content);
    world.server.file("/a", &varied(SIZE - 1, 99));
    world.server.tricks("/a", [Trick::CutAfter(100_000)]);
    let (fetched, events) = {
        let fetching = world.fetch_and_tell(std::slice::from_ref(&download));
        let exchange = async {
            while world.server.requests().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            world.server.file("/a", &content);
        };
        tokio::join!(fetching, exchange).0
    };
    fetched.unwrap();
    assert!(world.read("a") == content);
    assert_eq!((retries(&events).len(), world.server.requests().len()), (1, 2));
}

#[tokio::test]
async fn an_aborted_run_is_taken_up_by_the_next_one() {
    let world = World::new();
    let content = varied(4_000_000, 4);
    let download = world.serve("a", &content);
    world.server.throttle(4_000_000);
    let cache = world.cache();
    let fetcher = Fetcher::new(&world.client, &cache);
    let (context, enough) = (world.context(), tokio::sync::Notify::new());
    let tell = |event: FetchEvent<'_>| {
        if matches!(event.step, FetchStep::Receiving { received, .. } if received > 500_000) {
            enough.notify_one();
        }
    };
    tokio::select! {
        _ = fetcher.fetch(std::slice::from_ref(&download), &context, tell) => panic!("it takes a second"),
        () = enough.notified() => {}
    }
    world.server.unthrottle();
    let (whole, partial) = world.cache_path(&download);
    assert!(!whole.exists() && partial.exists() && world.placed().is_empty());
    world.fetch(&[download]).await.unwrap();
    assert!(world.read("a") == content);
    let requests = world.server.requests();
    let begin: u64 = requests[1].header("range").unwrap()["bytes=".len()..].trim_end_matches('-').parse().unwrap();
    assert!(begin >= 400_000, "{begin}");
    assert_eq!((requests.len(), world.cached()), (2, vec![whole]));
}

#[tokio::test]
async fn a_server_that_falls_silent_is_asked_again() {
    let world = World::new();
    let content = varied(SIZE, 8);
    let download = world.serve("a", &content);
    world.server.tricks("/a", [Trick::SilentAfter(100_000), Trick::SilentAfter(0)]);
    let (cache, retried) = (world.cache(), RefCell::new(Vec::new()));
    let fetcher = Fetcher::new(&world.client, &cache).first_delay(Duration::ZERO).silence(Duration::from_millis(200));
    let tell = |event: FetchEvent<'_>| {
        if let FetchStep::Retrying { reason, .. } = event.step {
            retried.borrow_mut().push(reason);
        }
    };
    fetcher.fetch(&[download], &world.context(), tell).await.unwrap();
    assert!(world.read("a") == content);
    assert_eq!(retried.into_inner(), ["the server sent less than 1000 bytes a second for 200ms"; 2]);
    assert_eq!(world.server.requests()[1].header("range"), Some("bytes=100000-"));
}

/// Leaves `content` as what an earlier run has received.
fn leave(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[tokio::test]
async fn what_an_earlier_run_left_is_used_as_far_as_it_is_right() {
    let content = varied(SIZE, 5);
    let longer = [content.as_slice(), b"more"].concat();
    for (left, ranges) in [
        (&content[..1000], vec![Some("bytes=1000-")]),
        (&content[..], vec![]),
        (&[], vec![None]),
        (b"something else", vec![Some("bytes=14-"), None]),
        (&longer, vec![Some("bytes=300004-"), None]),
    ] {
        let world = World::new();
        let download = world.serve("a", &content);
        let (whole, partial) = world.cache_path(&download);
        leave(&partial, left);
        world.fetch(&[download]).await.unwrap();
        assert!(world.read("a") == content);
        let requests = world.server.requests();
        assert_eq!(requests.iter().map(|request| request.header("range")).collect::<Vec<_>>(), ranges);
        assert_eq!(world.cached(), [whole]);
    }
}

#[tokio::test]
async fn a_damaged_file_in_the_cache_is_fetched_anew() {
    let world = World::new();
    let content = varied(SIZE, 6);
    let download = world.serve("a", &content);
    let (whole, _) = world.cache_path(&download);
    for damage in [&b""[..], b"x", &content[1..]] {
        leave(&whole, damage);
        let (fetched, events) = world.fetch_and_tell(std::slice::from_ref(&download)).await;
        assert_eq!(fetched.unwrap()[0].from, Provenance::Server);
        assert_eq!(events[0], ("a".into(), FetchStep::CacheDamaged));
        assert!(world.read("a") == content && fs::read(&whole).unwrap() == content);
        fs::remove_file(world.context().join("a")).unwrap();
    }
}

#[test]
fn two_that_fetch_the_same_file_at_once_fetch_it_once() {
    let world = World::new();
    let content = varied(1_000_000, 7);
    let download = world.serve("a", &content);
    world.server.throttle(2_000_000);
    let other = tempfile::tempdir().unwrap();
    let waited: Vec<bool> = std::thread::scope(|scope| {
        let contexts = [world.context(), other.path().to_owned()];
        let fetch = |context: PathBuf| {
            let (cache, download) = (world.cache(), &download);
            scope.spawn(move || {
                let client = http::client(&ClientOptions::default()).unwrap();
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let waited = RefCell::new(false);
                let tell = |event: FetchEvent<'_>| *waited.borrow_mut() |= event.step == FetchStep::Waiting;
                let fetcher = Fetcher::new(&client, &cache);
                runtime.block_on(fetcher.fetch(std::slice::from_ref(download), &context, tell)).unwrap();
                waited.into_inner()
            })
        };
        contexts.map(fetch).map(|thread| thread.join().unwrap()).into()
    });
    assert_eq!(waited.iter().filter(|waited| **waited).count(), 1);
    assert!(world.read("a") == content && fs::read(other.path().join("a")).unwrap() == content);
    assert_eq!(world.server.paths(), ["/a"]);
}

#[tokio::test]
async fn the_lock_of_a_run_that_ended_holds_up_nobody() {
    let world = World::new();
    let download = world.serve("a", b"content");
    let (_, partial) = world.cache_path(&download);
    leave(&partial, b"con");
    let mut holder = OpenOptions::new().append(true).open(&partial).unwrap();
    holder.lock().unwrap();
    let fetching = world.fetch_and_tell(std::slice::from_ref(&download));
    let release = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert!(world.server.requests().is_empty());
        holder.write_all(b"te").unwrap();
        drop(holder);
    };
    let ((fetched, events), ()) = tokio::join!(fetching, release);
    fetched.unwrap();
    assert_eq!(events[0], ("a".into(), FetchStep::Waiting));
    assert_eq!(world.server.requests()[0].header("range"), Some("bytes=5-"));
}
