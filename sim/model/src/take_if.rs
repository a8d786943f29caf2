//! Taking the first of a queue when its time has come.

use std::collections::VecDeque;

/// A queue whose first can be taken if something holds of it.
pub(crate) trait TakeIf<T> {
    /// Takes the first if `is_due` of it.
    fn take_if(&mut self, is_due: impl FnOnce(&T) -> bool) -> Option<T>;
}

impl<T> TakeIf<T> for VecDeque<T> {
    #[inline]
    fn take_if(&mut self, is_due: impl FnOnce(&T) -> bool) -> Option<T> {
        if is_due(self.front()?) {
            self.pop_front()
        } else {
            None
        }
    }
}
