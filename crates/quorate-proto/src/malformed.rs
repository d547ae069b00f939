/// A message that does not say what it must: a wire error, or damage on a disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes are no such message.
    #[error("not a {message}: {reason}")]
    Undecodable {
        /// The message's name.
        message: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// A field is missing or outside its range.
    #[error("{message}.{field} is missing or out of range")]
    Field {
        /// The message's name.
        message: &'static str,
        /// The field's name.
        field: &'static str,
    },
}
