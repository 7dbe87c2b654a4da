//! The engine sees what waits in a ring before its turn comes.

use matcher::Ahead;

use super::Core;

/// Requests shown after a turn: more than the one taken, until [`Ahead::TURNS`] are, and still some turns
/// between the steps that each takes.
const SHOWN_A_TURN: usize = 2;

impl Core {
    /// Shows the engine requests that wait behind the one just taken, so that the memory of a large book
    /// is fetched before it is wanted. It comes after a turn: who waits alone waits for no more.
    ///
    /// It changes nothing that a turn could see, so that what waits is no input to what happens.
    #[inline]
    pub(super) fn look_ahead(&mut self, ring: usize) {
        if !self.engine.pays_to_look_ahead() {
            return;
        }
        for _ in 0..SHOWN_A_TURN {
            let Some(wanted) = self.rings[ring].show(Ahead::TURNS) else { return };
            self.engine.look_ahead(&mut self.ahead, &wanted);
        }
    }
}
