//! What an operator says to sessions, through whole venues.

use gateway::acceptor::{News, Urgency};
use venue::news::{Audience, NotTold};
use venue::{Config, Durability, Layout, Venue};

use crate::folder::Folder;
use crate::loopback::{config, fields};
use crate::peer::{Got, Peer};

fn news(headline: &str, text: &str) -> News {
    News::new(Urgency::Flash, headline, text).unwrap()
}

fn said(got: &Got) -> [&str; 4] {
    [got.msg_type(), got.get(148), got.get(33), got.get(58)]
}

/// Each hears what is for it, once, and again under its number; who is away hears it when he is back.
#[test]
fn news_is_told_to_those_it_is_for_and_is_there_after_a_restart() {
    for (layout, durability) in
        [(Layout::Joined, Durability::Memory), (Layout::Split, Durability::Disk)]
    {
        let folder = Folder::new();
        let mut config = Config { layout, durability, ..config(&folder) };
        config.sessions.push(config.sessions[1].clone());
        config.sessions[2].comp_id = "CLIENT3".into();
        let venue = Venue::start(&config).unwrap();
        let all = |headline, text| venue.news(&Audience::All, news(headline, text));
        assert_eq!(all("Nobody", "is there"), Ok(0));
        let (mut one, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
        let (two, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", 1);
        let two = two.log_out();
        assert_eq!(all("Hello", "one\ntwo"), Ok(2));
        let hello = one.report();
        assert_eq!(said(&hello), ["B", "Hello", "2", "one"]);
        assert_eq!(fields(&hello, &[34, 61]), ["2", "1"]);
        let firm = |name: &str| Audience::Participant(name.into());
        let session = |name: &str| Audience::Session(name.into());
        assert_eq!(venue.news(&firm("FIRM2"), news("To FIRM2", "it says")), Ok(1));
        assert_eq!(venue.news(&session("CLIENT1"), news("To CLIENT1", &"word ".repeat(50))), Ok(1));
        let three = [one.report(), one.report(), one.report()];
        let headlines = three.each_ref().map(|got| got.get(148));
        assert_eq!(headlines, ["To CLIENT1 (1/3)", "To CLIENT1 (2/3)", "To CLIENT1 (3/3)"]);
        assert_eq!(venue.news(&session("CLIENT9"), news("x", "y")), Err(NotTold::Unknown));
        assert_eq!(venue.news(&firm("CLIENT1"), news("x", "y")), Err(NotTold::Unknown));
        // An order behind it is answered behind it.
        one.order("a", "1", "1", "100");
        assert_eq!(fields(&one.report(), &[34, 11]), ["6", "a"]);
        let next_out = one.log_out();
        venue.stop().unwrap();

        let venue = Venue::start(&config).unwrap();
        let (mut away, answer) = Peer::log_on(venue.fix_addr(), "CLIENT2", two);
        // Its Logon, its Logout, and what it missed.
        assert_eq!(answer.seq(), 5);
        away.send("2", &[(7, "3"), (16, "4")]);
        assert_eq!(said(&away.report()), ["B", "Hello", "2", "one"]);
        let again = away.report();
        assert_eq!(said(&again), ["B", "To FIRM2", "1", "it says"]);
        assert_eq!(fields(&again, &[43, 34]), ["Y", "4"]);
        let (mut one, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", next_out);
        one.send("2", &[(7, "2"), (16, "2")]);
        assert_eq!(one.report().body(), hello.body());
        // Who never was there has no number yet.
        let (three, answer) = Peer::log_on(venue.fix_addr(), "CLIENT3", 1);
        assert_eq!(answer.seq(), 1);
        three.log_out();
        venue.stop().unwrap();
    }
}
