//! A session's OUCH as packets of SoupBinTCP: both ends are our own machines, and what they say is the capture.

use gateway::soup::{SoupClient, SoupClientConfig, SoupConfig, SoupServer, SoupSession};

use super::packets::From;
use super::sessions::{Of, Ouch};

/// Both ends of one connection. Before the first login there is none.
#[derive(Default)]
pub(super) struct Line {
    ends: Option<(SoupClient, SoupServer)>,
    /// To encode messages into.
    message: Vec<u8>,
}

impl Line {
    /// The packets of what happens, in order. Where the capture begins behind the login, both are logged in already.
    pub(super) fn packets(&mut self, of: &Of<'_>, what: &Ouch<'_>) -> Vec<(From, Vec<u8>)> {
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        if let Ouch::Login { session, next } = *what {
            self.ends = Some(log_in(of, session, next, (&mut theirs, &mut ours)));
            return vec![(From::Client, theirs), (From::Server, ours)];
        }
        let (client, server) = self.ends.get_or_insert_with(|| {
            let next = if let Ouch::Said { number, .. } = what { *number } else { 1 };
            log_in(of, [b' '; 10], next, (&mut Vec::new(), &mut Vec::new()))
        });
        match what {
            Ouch::Asked(message) => {
                self.message.clear();
                message.encode(&mut self.message);
                client.unsequenced(&self.message, &mut theirs);
            }
            Ouch::Said { message, .. } => server.sequenced(message, &mut ours),
            Ouch::Logout | Ouch::Login { .. } => {
                client.logout(&mut theirs);
                self.ends = None;
            }
        }
        let both = [(From::Client, theirs), (From::Server, ours)];
        both.into_iter().filter(|(_, bytes)| !bytes.is_empty()).collect()
    }
}

/// Both ends logged in. The journal has neither the password nor which message was asked for: what was said again stands in the
/// capture where it was said first.
fn log_in(
    of: &Of<'_>,
    session: SoupSession,
    next: u64,
    (theirs, ours): (&mut Vec<u8>, &mut Vec<u8>),
) -> (SoupClient, SoupServer) {
    let config = SoupClientConfig::new(of.comp_id.as_bytes(), b"", 0);
    let (mut client, mut server) =
        (SoupClient::new(config), SoupServer::new(SoupConfig::new([b' '; 10])));
    client.login(theirs);
    let _ = server.receive(of.at, theirs, ours);
    server.accept_in(session, next, ours);
    let _ = client.receive(of.at, ours);
    (client, server)
}
