//! The screen as whoever uses it sees it: pictures, sessions, stillness.
#![expect(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "simulated shares and times")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bare;
mod coming_and_going;
mod console;
mod exports;
mod footer;
mod lists;
mod looks;
mod own_code;
mod picker;
mod programs;
mod screens;
mod session;
mod sessions;
mod simulation;
mod source;
mod stacks;
mod stillness;
mod tasks;
mod time;
mod turned;
