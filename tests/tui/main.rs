//! The screen as whoever uses it sees it: pictures, sessions, stillness.

mod session;
mod simulation;
mod stillness;
