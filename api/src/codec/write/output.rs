//! Memory that a body is written to.

/// Memory that a body is written to, one vector after another or all in one.
pub trait Output {
    /// The vector that writing goes on at the end of. It takes `bytes` more without being moved.
    fn room(&mut self, bytes: usize) -> &mut Vec<u8>;
}

impl Output for Vec<u8> {
    #[inline]
    fn room(&mut self, bytes: usize) -> &mut Vec<u8> {
        self.reserve(bytes);
        self
    }
}
