//! A client without a socket.
