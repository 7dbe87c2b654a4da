//! Sessions that change their password, over real sockets: the examples of `FIX-ADMIN.md`, and what they do not show. How a
//! password is compared and stored is the venue's, and tested there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use gateway::acceptor::{Change, Changed, Changing, Claim, Credentials, Ticket, Verdict};
use gateway::fix::{NewPassword, Version};
use matcher::{MsgSeqNum, SessionId};

use crate::desk::{Desk, SECOND, session, settings};
use crate::market::{Play, is_true};

/// Passwords of sessions, by number; that of a session that is not there cannot be changed.
#[derive(Clone, Default)]
struct Passwords(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    known: Vec<String>,
    /// Decided when the test says so, instead of at once.
    later: bool,
    /// Nobody is free.
    busy: bool,
    decided: VecDeque<(SessionId, Changed)>,
}

impl Credentials for Passwords {
    fn check(&mut self, _: Ticket, claim: &Claim<'_>) -> Verdict {
        let (Some(new), kept) = (claim.new_password(), &mut *self.0.lock().unwrap()) else {
            return Verdict::Good;
        };
        Verdict::Renewed(match kept.known.get_mut(claim.session.index() - 1) {
            None => NewPassword::Refused("this venue keeps no passwords"),
            Some(known) => {
                *known = String::from_utf8(new.to_vec()).unwrap();
                NewPassword::Done
            }
        })
    }

    fn next_verdict(&mut self) -> Option<(Ticket, Verdict)> {
        None
    }

    fn has_verdict(&self) -> bool {
        !self.0.lock().unwrap().decided.is_empty()
    }

    fn change(&mut self, change: &Change<'_>) -> Changing {
        let mut kept = self.0.lock().unwrap();
        if kept.busy {
            return Changing::Busy;
        }
        let later = kept.later;
        let changed = match kept.known.get_mut(change.session.index() - 1) {
            None => Changed::Not("this venue keeps no passwords"),
            Some(_) if !change.username.starts_with(b"C") => Changed::UnknownUser,
            Some(known) if known.as_bytes() != change.old => Changed::WrongPassword,
            Some(known) => {
                *known = String::from_utf8(change.new.to_vec()).unwrap();
                Changed::Done
            }
        };
        if later { Changing::Later } else { Changing::Decided(changed) }
    }

    fn next_change(&mut self) -> Option<(SessionId, Changed)> {
        self.0.lock().unwrap().decided.pop_front()
    }
}

impl Passwords {
    fn decide(&self, session: u32, changed: Changed) {
        self.0.lock().unwrap().decided.push_back((SessionId(session), changed));
    }
}

fn stage() -> (Play, Passwords) {
    let passwords = Passwords::default();
    passwords.0.lock().unwrap().known = vec!["open sesame".into(); 2];
    let sessions = (1..=4).map(session).collect();
    let desk = Desk::with(settings(), sessions, Some(Box::new(passwords.clone())));
    (Play::at(desk), passwords)
}

#[test]
fn the_document_is_true() {
    is_true("FIX-ADMIN.md", stage().0);
}

const CHANGE: &str = "924=3|553=C1|554=open sesame|925=hocus pocus";

#[test]
fn a_request_is_answered_when_it_is_decided_and_then_the_next_one() {
    let (mut play, passwords) = stage();
    passwords.0.lock().unwrap().later = true;
    play.log_on("c1", Version::Fix50Sp2);
    play.log_on("c2", Version::Fix44);
    play.send("c1", &format!("BE|923=a|{CHANGE}"));
    play.gets_nothing("c1");
    // It may do everything else meanwhile, and so may the others.
    play.send("c1", "x|320=l|559=0|55=BTC-USD");
    assert!(play.get("c1").starts_with("y|320=l|"));
    play.send("c1", &format!("BE|923=b|{CHANGE}"));
    let busy = "BF|553=C1|923=b|926=6|927=the request before is not answered yet";
    assert_eq!(play.get("c1"), busy);
    play.send("c1", &format!("BE|97=Y|923=a|{CHANGE}"));
    play.gets_nothing("c1");
    passwords.decide(1, Changed::Done);
    assert_eq!(play.get("c1"), "BF|553=C1|923=a|926=5");
    play.send("c1", &format!("BE|923=c|{CHANGE}"));
    play.gets_nothing("c1");
    passwords.decide(1, Changed::WrongPassword);
    assert_eq!(play.get("c1"), "BF|553=C1|923=c|926=4|927=the old password is wrong");
    play.send("c2", &format!("BE|923=d|{CHANGE}"));
    play.gets_nothing("c2");
    // A decision that nobody waits for is no answer.
    passwords.decide(3, Changed::Done);
    passwords.decide(2, Changed::Not("no"));
    assert_eq!(play.get("c2"), "BF|553=C1|923=d|926=6|927=no");
    // No message and no turn has a password.
    let texts = ["sesame", "pocus"];
    assert!(!texts.iter().any(|text| play.desk.has_journaled(text.as_bytes())));
}

#[test]
fn an_answer_that_finds_nobody_has_its_number() {
    let (mut play, passwords) = stage();
    passwords.0.lock().unwrap().later = true;
    play.log_on("c1", Version::Fix44);
    play.send("c1", &format!("BE|923=a|{CHANGE}"));
    play.gets_nothing("c1");
    play.hang_up("c1");
    passwords.decide(1, Changed::Done);
    play.desk.until(|desk| desk.numbers(SessionId(1)).1.0 == 2);
    // The next one is looked at.
    play.come_back("c1", 3);
    passwords.0.lock().unwrap().later = false;
    play.send("c1", "BE|923=b|924=3|553=C1|554=hocus pocus|925=open sesame");
    assert_eq!(play.get("c1"), "BF|553=C1|923=b|926=5");
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    let (mut play, passwords) = stage();
    play.log_on("c1", Version::Fix44);
    for (request, answer) in [
        ("BE|923=a|924=1|553=C1|554=x", "BF|553=C1|923=a|926=6|927=only a change of password"),
        ("BE|923=a|924=4|553=C1", "BF|553=C1|923=a|926=6|927=only a change of password"),
        ("BE|923=a|924=5|553=C1", "3|45=4|"),
        ("BE|923=a|924=3|553=C1|554=x", "3|45=5|58=Required tag missing|371=925|372=BE|373=1"),
        ("BE|923=a|924=3|553=C1|925=x", "3|45=6|58=Required tag missing|371=554|372=BE|373=1"),
        ("BE|924=3|553=C1|554=x|925=y", "3|45=7|58=Required tag missing|371=923|372=BE|373=1"),
        ("BE|923=a|924=3|554=x|925=y", "3|45=8|58=Required tag missing|371=553|372=BE|373=1"),
        ("BE|923=a b|924=3|553=C1|554=x|925=y", "3|45=9|"),
        ("BE|923=a|924=3|553=jim|554=x|925=y", "BF|553=jim|923=a|926=3|"),
    ] {
        play.send("c1", request);
        let got = play.get("c1");
        assert!(got.starts_with(answer), "{request}: {got}");
    }
    let long = "x".repeat(65);
    play.send("c1", &format!("BE|923=a|924=3|553={long}|554=x|925=y"));
    assert!(play.get("c1").contains("|371=553|"));
    passwords.0.lock().unwrap().busy = true;
    play.send("c1", &format!("BE|923=a|{CHANGE}"));
    assert_eq!(play.get("c1"), "BF|553=C1|923=a|926=6|927=the venue is busy, try again");
    // FIX 4.2 has no such message.
    play.log_on("c2", Version::Fix42);
    play.send("c2", "BE|923=a|924=3|553=C2|554=x|925=y");
    assert!(play.get("c2").contains("|372=BE|373=11"));
}

/// Three wrong passwords lock out, who is logged on as whoever is not.
#[test]
fn wrong_passwords_lock_out() {
    let (mut play, _) = stage();
    play.log_on("c1", Version::Fix44);
    let wrong = "924=3|553=C1|554=guess|925=hocus pocus";
    for _ in 0..3 {
        play.send("c1", &format!("BE|923=a|{wrong}"));
        assert!(play.get("c1").contains("|926=4|"));
    }
    play.send("c1", &format!("BE|923=b|{CHANGE}"));
    let locked = "BF|553=C1|923=b|926=6|927=too many wrong passwords: locked out";
    assert_eq!(play.get("c1"), locked);
    // Nobody logs on from there either.
    let mut stranger = play.desk.connect(2);
    let now = play.desk.now;
    stranger.log_on(now, "");
    assert_eq!(play.desk.read(&mut stranger), None);
    play.desk.pass(SECOND);
    play.send("c1", &format!("BE|923=c|{CHANGE}"));
    assert_eq!(play.get("c1"), "BF|553=C1|923=c|926=5");
    // The row has ended.
    play.send("c1", &format!("BE|923=d|{wrong}"));
    assert!(play.get("c1").contains("|926=4|"));
    play.send("c1", "BE|923=e|924=3|553=C1|554=hocus pocus|925=open sesame");
    assert_eq!(play.get("c1"), "BF|553=C1|923=e|926=5");
}

/// A Logon with NewPassword(925) is answered when that is done; one whose new password is not taken is logged out, with the reason; one
/// that is not taken for its numbers changes nothing.
#[test]
fn a_logon_brings_a_new_password() {
    for (version, more, changed, refused) in
        [(Version::Fix44, "", "", ""), (Version::Fix50Sp2, "1137=9 ", "|1137=9|1409=1", "|1409=3")]
    {
        let (mut play, passwords) = stage();
        let logon = |play: &mut Play, number, next_out, fields: &str| {
            let mut client = play.desk.connect(number);
            (client.version, client.next_out) = (version, next_out);
            client.send(play.desk.now, "A", &format!("98=0 108=0 {more}{fields}"));
            let got = play.desk.read_shown(&mut client, 1_000);
            (client, got.unwrap_or_default())
        };
        let known = |session: usize| passwords.0.lock().unwrap().known[session - 1].clone();
        let (mut client, got) = logon(&mut play, 1, 1, "554=open_sesame 925=hocus_pocus");
        assert_eq!(got, format!("A|98=0|108=0{changed}"));
        assert_eq!(known(1), "hocus_pocus");
        // Numbers that start again say it once.
        client.send(play.desk.now, "A", &format!("98=0 108=0 {more}141=Y 554=x 925=y"));
        let got = play.desk.read_shown(&mut client, 1_000).unwrap();
        let text =
            "NewPassword(925) is for the first Logon of a connection, or for UserRequest(BE)";
        assert_eq!(got, format!("5|58={text}"));
        drop(client);
        play.desk.until(|desk| desk.acceptor.connections() == 0);
        assert_eq!(known(1), "hocus_pocus");
        for (number, fields) in [(2, "925=abracadabra"), (1_000, "789=999 925=abracadabra")] {
            let (client, got) = logon(&mut play, 1, number.min(5) - 1, fields);
            assert!(got.starts_with("5|58=") && !got.contains("1409"), "{got}");
            assert!(!got.contains("password"), "{got}");
            assert_eq!(known(1), "hocus_pocus");
            drop(client);
            play.desk.until(|desk| desk.acceptor.connections() == 0);
        }
        // Session 3 has none that can be changed. Its number counts, so it comes again with the next one.
        let (client, got) = logon(&mut play, 3, 1, "554=x 925=hocus_pocus");
        let why = "the new password is refused: this venue keeps no passwords";
        assert_eq!(got, format!("5|58={why}{refused}"));
        drop(client);
        play.desk.until(|desk| desk.acceptor.connections() == 0);
        assert_eq!(play.desk.numbers(SessionId(3)), (MsgSeqNum(1), MsgSeqNum(1)));
        let (_, got) = logon(&mut play, 3, 2, "");
        assert_eq!(got, format!("A|98=0|108=0{}", changed.replace("|1409=1", "")));
        let texts = ["sesame", "pocus", "cadabra"];
        assert!(!texts.iter().any(|text| play.desk.has_journaled(text.as_bytes())));
    }
}

/// A request that comes too early is not kept, with its password, but comes again in its turn.
#[test]
fn a_request_behind_a_gap_comes_again() {
    let (mut play, _) = stage();
    play.log_on("c1", Version::Fix44);
    play.client("c1").next_out = 3;
    play.send("c1", &format!("BE|923=early|{CHANGE}"));
    assert_eq!(play.get("c1"), "2|7=2|16=0");
    play.client("c1").next_out = 2;
    play.send("c1", "x|320=l|559=0|55=BTC-USD");
    assert!(play.get("c1").starts_with("y|"));
    play.gets_nothing("c1");
    play.send("c1", &format!("BE|43=Y|122=20260105-09:30:00|923=early|{CHANGE}"));
    assert_eq!(play.get("c1"), "BF|553=C1|923=early|926=5");
}
