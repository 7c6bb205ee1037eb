#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use super::*;
use crate::event::{self, BuildEvent, EventSender, Finish};

/// Counts what it shows, and fails when it is told to.
#[derive(Default)]
struct Counting {
    events: usize,
    closed: bool,
    fails_at: Option<usize>,
}

impl Screen for Counting {
    fn event(&mut self, _: &Stamped) -> io::Result<()> {
        self.events += 1;
        if self.fails_at == Some(self.events) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn tick(&mut self, _listened: Duration) -> io::Result<()> {
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        self.closed = true;
        Ok(())
    }
}

fn last() -> BuildEvent {
    BuildEvent::Finished(Box::new(Finish { exit_code: 0, build: None, outcome: None }))
}

/// Sends events from another thread, and gives the sender back to look at.
fn sending(sender: EventSender, events: Vec<BuildEvent>) -> std::thread::JoinHandle<EventSender> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for event in events {
                sender.send(event).await;
            }
        });
        sender
    })
}

fn nobody() -> Reader {
    Reader::of(&std::fs::File::open("/dev/null").unwrap())
}

#[test]
fn the_last_event_ends_it_though_senders_are_left() {
    let (sender, receiver) = event::channel();
    let thread = sending(sender, vec![BuildEvent::Reconnected, last(), BuildEvent::Reconnected]);
    let mut screen = Counting::default();
    pump(receiver, &mut screen, &nobody()).unwrap();
    assert_eq!((screen.events, screen.closed), (2, true));
    assert!(thread.join().unwrap().is_closed());
}

#[test]
fn it_ends_when_nobody_is_left_who_could_send() {
    let (sender, receiver) = event::channel();
    drop(sending(sender, vec![BuildEvent::Reconnected]).join());
    let mut screen = Counting::default();
    pump(receiver, &mut screen, &nobody()).unwrap();
    assert_eq!((screen.events, screen.closed), (1, true));
}

#[test]
fn what_cannot_be_written_is_kept_and_builders_notice() {
    let (sender, receiver) = event::channel();
    let thread = sending(sender, vec![BuildEvent::Reconnected; 9]);
    let mut screen = Counting { fails_at: Some(2), ..Counting::default() };
    let error = pump(receiver, &mut screen, &nobody()).unwrap_err();
    assert_eq!((error.kind(), screen.events), (io::ErrorKind::StorageFull, 2));
    assert!(thread.join().unwrap().is_closed());
}

#[test]
fn a_reader_that_went_away_ends_it_though_there_is_nothing_to_write() {
    let (sender, receiver) = event::channel();
    let (end, writer) = io::pipe().unwrap();
    let reader = Reader::of(&std::fs::File::from(std::os::fd::OwnedFd::from(writer)));
    drop(end);
    let error = pump(receiver, &mut Counting::default(), &reader).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert!(sender.is_closed());
}

#[test]
fn whoever_waits_for_it_learns_how_it_ended() {
    let reporter = |ending: Option<io::Result<()>>| {
        let (sender, ended) = mpsc::sync_channel(1);
        if let Some(ending) = ending {
            sender.send(ending).unwrap();
        }
        (sender, Reporter { ended })
    };
    let limit = Some(Duration::from_millis(1));
    assert!(matches!(reporter(Some(Ok(()))).1.join(None), Reported::Everything));
    assert!(matches!(reporter(Some(Err(io::ErrorKind::BrokenPipe.into()))).1.join(limit), Reported::Broken(_)));
    let (sender, busy) = reporter(None);
    assert!(matches!(busy.join(limit), Reported::Busy));
    drop(sender);
    let (sender, gone) = reporter(None);
    drop(sender);
    assert!(matches!(gone.join(None), Reported::Broken(_)));
}
