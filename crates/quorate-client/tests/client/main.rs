//! The client against nodes that answer by script, over real sockets.

mod nodes;
mod repeats;
mod support;
mod tls;
mod tokens;
mod wire;
