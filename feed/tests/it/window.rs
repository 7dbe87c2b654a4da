//! The window of recent messages.

use feed::Window;

use crate::support::Random;

#[test]
fn it_serves_what_it_holds_and_nothing_else() {
    let mut window = Window::new(1 << 10, 4, 10);
    assert_eq!((window.first(), window.next()), (10, 10));
    assert_eq!(window.range(10).unwrap().count(), 0);
    assert!(window.range(9).is_none() && window.range(11).is_none());

    for sequence in 10..16 {
        window.push(sequence, format!("message {sequence}").as_bytes());
    }
    assert_eq!((window.first(), window.next()), (12, 16));
    assert!(window.range(11).is_none() && window.range(17).is_none());
    let from_14: Vec<_> = window.range(14).unwrap().collect();
    assert_eq!(from_14, [(14, b"message 14".as_slice()), (15, b"message 15".as_slice())]);
    assert_eq!(window.range(12).unwrap().len(), 4);
    assert_eq!(window.get(11), None);
    assert_eq!(window.get(15), Some(b"message 15".as_slice()));
    assert_eq!(window.get(16), None);
}

/// Against a list of everything: what is held is always the newest, without a hole, and true.
#[test]
fn it_holds_the_newest_messages_whatever_their_lengths() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let bytes_max = 50 + random.index(300);
        let messages_max = 1 + random.index(20);
        let mut window = Window::new(bytes_max, messages_max, 1);
        let mut all: Vec<Vec<u8>> = Vec::new();
        for sequence in 1..=500 {
            let len = random.index(51);
            all.push(random.bytes(len));
            window.push(sequence, &all[all.len() - 1]);

            let held = usize::try_from(window.next() - window.first()).unwrap();
            assert!(held >= 1 && held <= messages_max, "seed {seed}");
            assert_eq!(window.next(), sequence + 1);
            let newest = all.iter().skip(all.len() - held).map(Vec::as_slice);
            let served = window.range(window.first()).unwrap().map(|(_, message)| message);
            assert!(served.eq(newest), "seed {seed}");
            let bytes: usize = all.iter().rev().take(held + 1).map(Vec::len).sum();
            // An end left unused is shorter than one message.
            assert!(held == messages_max || held == all.len() || bytes > bytes_max - 50);
        }
    }
}
